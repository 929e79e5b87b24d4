"""Real servers on this machine, for the demo and for tests: find or unpack their binaries, start them on loopback, end them by pid.

Binaries come from PATH or, on Debian and Ubuntu, from the distribution's packages unpacked into a folder of ours: no root, nothing
installed, no daemon started.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

UNPACKED = Path(__file__).resolve().parents[2] / ".demo/servers"


@dataclass(frozen=True, slots=True)
class Binary:
    """A program: the names it goes by, and Debian's package that holds it."""

    names: tuple[str, ...]
    package: str


BINARIES = {
    "prometheus": Binary(("prometheus",), "prometheus"),
    "promtool": Binary(("promtool",), "prometheus"),
    "alertmanager": Binary(("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager"),
    "amtool": Binary(("amtool",), "prometheus-alertmanager"),
    "node_exporter": Binary(("prometheus-node-exporter", "node_exporter"), "prometheus-node-exporter"),
}


class ServerMissingError(RuntimeError):
    """A binary is nowhere to be had; the message names the command that gets it."""


def find(name: str, unpacked: Path = UNPACKED) -> Path | None:
    """Where a program is, on PATH or unpacked earlier; None if it is not here."""
    for candidate in BINARIES[name].names:
        on_path = shutil.which(candidate)
        if on_path:
            return Path(on_path)
        here = unpacked / "usr/bin" / candidate
        if here.exists():
            return here.resolve()
    return None


def need(name: str, unpacked: Path = UNPACKED) -> Path:
    """Where a program is. Raises ServerMissingError with what to do."""
    path = find(name, unpacked)
    if path is None:
        package = BINARIES[name].package
        raise ServerMissingError(
            f"{name} is not on PATH and not in {unpacked}: run `make servers` (Debian, Ubuntu) "
            f"or install it (`apt-get install {package}`, or the project's own release)"
        )
    return path


def fetch(names: Sequence[str], unpacked: Path = UNPACKED) -> list[str]:
    """Unpack what is missing from Debian's packages. Returns the names that could not be had."""
    packages = {BINARIES[name].package for name in names if find(name, unpacked) is None}
    if packages and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        unpacked.mkdir(parents=True, exist_ok=True)
        for package in sorted(packages):
            print(f"unpacking {package} into {unpacked}", file=sys.stderr)
            _unpack(package, unpacked)
    return [name for name in names if find(name, unpacked) is None]


def _unpack(package: str, into: Path) -> None:
    folder = into / "packages"
    folder.mkdir(exist_ok=True)
    if not _download(package, folder, ()):
        private = _private_lists(into)  # a machine whose package lists are empty, and where we are not root
        _run(["apt-get", *private, "-qq", "update"], folder)
        _download(package, folder, private)
    for archive in folder.glob(f"{package}_*.deb"):
        _run(["dpkg-deb", "-x", str(archive.resolve()), str(into.resolve())], folder)


def _download(package: str, folder: Path, options: Sequence[str]) -> bool:
    return _run(["apt-get", *options, "-qq", "download", package], folder)


def _private_lists(into: Path) -> list[str]:
    state = (into / "apt").resolve()
    for part in ("state/lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    status = "Dir::State::status=/var/lib/dpkg/status"
    return ["-o", f"Dir::State={state}/state", "-o", f"Dir::Cache={state}/cache", "-o", status]


def _run(command: Sequence[str], folder: Path) -> bool:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode == 0


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@dataclass(slots=True)
class Running:
    """A process that we started, with its log; ended by its own pid and nobody else's."""

    name: str
    process: "subprocess.Popen[bytes]"
    url: str
    log: Path
    command: tuple[str, ...] = field(default=())

    def wait_ready(self, path: str = "/-/ready", seconds: float = 30) -> "Running":
        """Until the path answers 200. Raises RuntimeError with the log's end if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if answers(self.url + path):
                return self
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} not ready after {seconds:g} s:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, seconds: float = 8) -> int:
        """SIGTERM, then SIGKILL after a while. Returns the exit code."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def answers(url: str, seconds: float = 1.0) -> bool:
    """Whether a loopback URL answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def start(name: str, command: Sequence[str | Path], *, url: str, folder: Path, env: Mapping[str, str] | None = None) -> Running:
    """Start a program in its own process group (a Ctrl-C on the terminal is ours to handle), its output in `folder/name.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    words = [str(word) for word in command]
    with log.open("ab") as out:
        process = subprocess.Popen(
            words, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
    return Running(name, process, url, log, tuple(words))


def start_prometheus(
    config: Path, folder: Path, *, port: int | None = None, receiver: bool = True, extra: Sequence[str] = ()
) -> Running:
    """A Prometheus on loopback with its data under `folder`."""
    at = port or free_port()
    command: list[str | Path] = [
        need("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{at}", "--web.enable-lifecycle", *extra,
    ]  # fmt: skip
    if receiver:
        command.append("--web.enable-remote-write-receiver")
    return start("prometheus", command, url=f"http://127.0.0.1:{at}", folder=folder)


def start_alertmanager(config: Path, folder: Path, *, port: int | None = None) -> Running:
    """An Alertmanager on loopback that gossips with nobody."""
    at = port or free_port()
    command: list[str | Path] = [
        need("alertmanager"), f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{at}", "--cluster.listen-address=",
    ]  # fmt: skip
    return start("alertmanager", command, url=f"http://127.0.0.1:{at}", folder=folder)


def start_node_exporter(folder: Path, *, port: int | None = None, extra: Sequence[str] = ()) -> Running:
    """A node_exporter on loopback."""
    at = port or free_port()
    command: list[str | Path] = [need("node_exporter"), f"--web.listen-address=127.0.0.1:{at}", *extra]
    return start("node_exporter", command, url=f"http://127.0.0.1:{at}", folder=folder)


def main() -> int:
    """`python -m deploy.local.servers`: get what is missing; exit 1 naming what could not be had."""
    missing = fetch(tuple(BINARIES))
    for name in missing:
        print(f"missing: {name} (Debian's package {BINARIES[name].package})", file=sys.stderr)
    for name in BINARIES:
        print(f"{name}: {find(name) or 'missing'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
