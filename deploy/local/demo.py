"""`make demo`: the whole loop on this machine, told as it happens.

Starts Prometheus, Alertmanager, exporter and analyzer on free loopback ports with data under `.demo/`, fills in a week of history,
plants a fault, and prints what the analyzer and Alertmanager make of it. Ctrl-C ends what was started, by pid, and nothing else.
"""

import contextlib
import json
import os
import signal
import sys
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import click

from analyzer.signals import load_presets
from deploy.local import seed, servers
from deploy.local.layout import SEED_DAYS, Layout, alertmanager_yml, analyzer_yml, prometheus_yml
from deploy.local.words import WHY_NOT, WORDS
from exporter.fleet import memory
from exporter.fleet.load import Load

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 180.0
POLL = 2.0
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a terminal that is closed


class EndedError(Exception):
    """The demo cannot go on; the reason has been printed."""


class Demo:
    """One run. `run` returns the exit code."""

    def __init__(
        self, folder: Path, lang: str, *, embedded: bool, fault: tuple[str, str, float], fault_after: float, seconds: float
    ) -> None:
        self.folder, self.lang, self.embedded = folder, lang, embedded
        self.fault, self.fault_after, self.seconds = fault, fault_after, seconds
        self.running: list[servers.Running] = []
        self.began = time.monotonic()
        ports = {name: servers.free_port() for name in ("prometheus", "alertmanager", "exporter", "analyzer")}
        self.at = Layout(folder, rules=ROOT / "alert_rules", **ports)
        self.seen_findings: set[str] = set()
        self.seen_incidents: dict[str, tuple[str, bool]] = {}
        self.seen_alerts: dict[str, tuple[str, str]] = {}
        self.planted_at: float | None = None
        self.lifted = False

    # ---- saying ----

    def say(self, key: str, **values: Any) -> None:
        """One line with the time since the start."""
        line = WORDS[self.lang][key].format(**values)
        print(f"{time.monotonic() - self.began:6.1f}s  {line}", flush=True)

    def say_more(self, text: str) -> None:
        """Lines below the one just said."""
        width = 110 if self.lang == "en" else 70  # Korean letters are two cells wide
        for line in textwrap.wrap(text, width):
            print(f"         {line}", flush=True)

    # ---- the run ----

    def run(self) -> int:
        """Everything, until Ctrl-C, a part's death, or `seconds`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.get_servers()
            self.start_all()
            self.wait_ready()
            self.tell_urls()
            self.watch()
        except KeyboardInterrupt:
            print(flush=True)
        except EndedError:
            return 1
        finally:
            self.stop_all()
        return 0

    def get_servers(self) -> None:
        """Find or unpack; without them, embedded."""
        if self.embedded:
            self.say("embedded", why="--embedded")
            return
        missing = servers.fetch(("prometheus", "alertmanager"))
        if missing:
            self.embedded = True
            self.say("embedded", why=", ".join(missing))

    def start_all(self) -> None:
        """Every part, each ready before the next needs it."""
        (self.folder / "analyzer.yml").write_text(self.analyzer_config())
        if not self.embedded:
            self.start_prometheus()
        self.start_exporter()
        self.say("starting", name="analyzer")
        command = [sys.executable, "-m", "analyzer", "--config.file", str(self.folder / "analyzer.yml")]
        self.add(servers.start("analyzer", command, url=self.at.url("analyzer"), folder=self.folder, env=self.env()))

    def start_prometheus(self) -> None:
        """Prometheus first, filled with history before anything is scraped; then Alertmanager."""
        (self.folder / "prometheus.yml").write_text(prometheus_yml(self.at))
        (self.folder / "alertmanager.yml").write_text(alertmanager_yml(self.at))
        for name, start in (("Prometheus", servers.start_prometheus), ("Alertmanager", servers.start_alertmanager)):
            self.say("starting", name=name)
            file = self.folder / f"{name.lower()}.yml"
            self.add(start(file, self.folder, port=getattr(self.at, name.lower()))).wait_ready(seconds=60)
        self.seed()

    def start_exporter(self) -> None:
        """The exporter with its 20 servers, deployed fast."""
        self.say("starting", name="exporter")
        listen = f"--web.listen-address=127.0.0.1:{self.at.exporter}"
        state = f"--fleet.state.file={self.folder / 'faults.json'}"
        command = [sys.executable, "-m", "exporter", listen, state, "--fleet.deploy-interval=100ms"]
        self.add(servers.start("exporter", command, url=self.at.url("exporter"), folder=self.folder, env=self.env())).wait_ready()

    def seed(self) -> None:
        """History up to now: all of it, or what is missing since the last run."""
        now = time.time()
        span = SEED_DAYS * 86400.0
        last = seed.newest(self.at.url("prometheus"), now, span)
        start = max(now - span, last + 1 if last else 0)
        if now - start < 2 * seed.STEP:
            self.say("no_gap")
            return
        load = Load()
        labels = {s.hostname: target_labels(s) for s in load.servers}
        progress = seed.bar(WORDS[self.lang]["seeding"])
        past = seed.Past(load, labels.__getitem__, memory.load(self.folder / "faults.json"))
        signals = load_presets(("node", "fleet"))
        done = seed.seed(self.at.url("prometheus"), past, signals, start=start, end=now, progress=progress)
        self.say("seeded", samples=done.samples, series=done.series, seconds=done.seconds)

    def wait_ready(self) -> None:
        """All targets up, and the first cycle written where people look."""
        self.say("waiting")
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            self.check_alive()
            up = self.targets_up()
            if up and self.written():
                self.say("ready", seconds=time.monotonic() - self.began, up=up)
                return
            time.sleep(0.5)
        self.say("not_ready", seconds=READY_WITHIN, folder=self.folder)
        raise EndedError

    def targets_up(self) -> int:
        """How many targets are up, once all are; otherwise 0."""
        if self.embedded:
            return len(self.get("exporter", "/sd") or [])
        answer = self.get("prometheus", "/api/v1/targets?state=active")
        targets = answer["data"]["activeTargets"] if answer else []
        up = sum(t["health"] == "up" for t in targets)
        return up if up == len(targets) and up >= 22 else 0

    def written(self) -> bool:
        """Whether the first cycle's scores can be read."""
        if self.embedded:
            return self.get("analyzer", "/api/v1/servers?limit=1") is not None
        answer = self.get("prometheus", "/api/v1/query?query=" + urllib.parse.quote("count(openmanager_anomaly_score)"))
        return bool(answer and answer["data"]["result"])

    def tell_urls(self) -> None:
        """Where to look."""
        self.say("urls")
        parts = ["analyzer", "exporter"] + ([] if self.embedded else ["prometheus", "alertmanager"])
        for part in parts:
            print(f"           {part:<14}{self.at.url(part)}", flush=True)
        print(f"           {'incidents':<14}{self.at.url('analyzer')}/api/v1/incidents?lang={self.lang}", flush=True)
        self.say("planting", seconds=self.fault_after)

    def watch(self) -> None:
        """Plant, then tell whatever changes."""
        ready = time.monotonic()
        while not self.seconds or time.monotonic() - ready < self.seconds:
            self.check_alive()
            if self.planted_at is None and time.monotonic() - ready >= self.fault_after:
                self.plant()
            self.tell_findings()
            self.tell_incidents()
            if not self.embedded:
                self.tell_alerts()
            self.tell_end_of_fault()
            time.sleep(POLL)

    # ---- telling ----

    def plant(self) -> None:
        """The fault."""
        kind, server, severity = self.fault
        body = {"kind": kind, "server": server, "severity": severity, "duration_seconds": 900}
        if self.get("exporter", "/api/fleet/faults", body) is not None:
            self.planted_at = time.monotonic()
            self.say("planted", kind=kind, server=server, severity=severity)

    def tell_end_of_fault(self) -> None:
        """Once, when it is over."""
        if self.planted_at and not self.lifted and time.monotonic() - self.planted_at > 900:
            self.lifted = True
            self.say("lifted", kind=self.fault[0], server=self.fault[1])

    def tell_findings(self) -> None:
        """New firing findings, one line each."""
        answer = self.get("analyzer", "/api/v1/findings?state=firing&limit=50")
        for row in reversed(answer["findings"] if answer else []):
            if row["id"] not in self.seen_findings:
                self.seen_findings.add(row["id"])
                shown = {k: "-" if row[k] is None else f"{row[k]:.4g}" for k in ("observed", "expected")}
                self.say("finding", host=row["hostname"], signal=row["signal"], **shown)

    def tell_incidents(self) -> None:
        """New, changed and ended incidents with their words."""
        answer = self.get("analyzer", f"/api/v1/incidents?lang={self.lang}&limit=20")
        for row in reversed(answer["incidents"] if answer else []):
            now = (row["state"], row["pages"])
            before = self.seen_incidents.get(row["id"])
            if before == now or row["explanation"] is None or (before is None and row["state"] == "resolved"):
                continue
            self.seen_incidents[row["id"]] = now
            self.tell_incident(row)

    def tell_incident(self, row: dict[str, Any]) -> None:
        """One incident."""
        words = row["explanation"]
        if row["state"] == "resolved":
            self.say("ended", headline=words["headline"])
        elif not row["pages"]:
            self.say("kept", headline=words["headline"], why=WHY_NOT[self.lang].get(row["why_not"], row["why_not"] or "-"))
        else:
            self.say("incident", headline=words["headline"])
            if self.planted_at:
                self.say_more("(" + WORDS[self.lang]["after"].format(seconds=time.monotonic() - self.planted_at) + ")")
            self.say_more(words["text"])
            for number, action in enumerate(words["actions"], 1):
                self.say_more(f"{number}. {action}")

    def tell_alerts(self) -> None:
        """Our alerts as Alertmanager has them."""
        answer = self.get("alertmanager", "/api/v2/alerts?filter=" + urllib.parse.quote('source="openmanager"'))
        if answer is None:
            return
        now = {a["fingerprint"]: a for a in answer}
        for print_, alert in now.items():
            if print_ not in self.seen_alerts:
                labels = alert["labels"]
                self.seen_alerts[print_] = (labels["alertname"], labels.get("instance", ""))
                self.say(
                    "alert",
                    name=labels["alertname"],
                    instance=labels.get("instance", ""),
                    severity=labels["severity"],
                    state=alert["status"]["state"],
                    since=alert["startsAt"][11:19] + " UTC",
                )
                self.say_more(alert["annotations"].get("summary" if self.lang == "en" else "summary_ko", ""))
        for print_ in [p for p in self.seen_alerts if p not in now]:
            name, instance = self.seen_alerts.pop(print_)
            self.say("alert_gone", name=name, instance=instance)

    # ---- parts ----

    def add(self, server: servers.Running) -> servers.Running:
        """Remember it for the end."""
        self.running.append(server)
        return server

    def check_alive(self) -> None:
        """A part that ended by itself ends the demo, with its log."""
        for server in self.running:
            if server.process.poll() is not None:
                self.say("died", name=server.name, code=server.process.returncode)
                print(server.tail(), flush=True)
                raise EndedError

    def stop_all(self) -> None:
        """Last started, first stopped."""
        if not self.running:
            return
        self.say("stopping")
        with ignoring_interrupts():
            for server in reversed(self.running):
                server.stop()
        self.say("stopped", folder=self.folder)

    def get(self, part: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """JSON of one of our parts; None while it does not answer."""
        request = urllib.request.Request(self.at.url(part) + path, headers={"Content-Type": "application/json"})
        data = json.dumps(body).encode() if body is not None else None
        try:
            with urllib.request.urlopen(request, data=data, timeout=5) as reply:
                return json.load(reply)
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def analyzer_config(self) -> str:
        """For this run."""
        zone = os.environ.get("TZ") or ("Asia/Seoul" if self.lang == "ko" else "UTC")
        return analyzer_yml(self.at, embedded=self.embedded, with_alerts=not self.embedded, lang=self.lang, timezone=zone)

    def env(self) -> dict[str, str]:
        """Our parts run from this checkout, with one thread for arithmetic: two cores are shared by four servers."""
        return {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def target_labels(server: Any) -> dict[str, str]:
    """The labels that /sd gives a server's target: what is seeded must be the same series."""
    return {
        "instance": server.hostname,
        "job": "node",
        "role": server.role,
        "environment": server.environment,
        "location": server.location,
    }


@contextlib.contextmanager
def ignoring_interrupts() -> Any:
    """A second Ctrl-C, or a signal that comes to us and to our group, must not leave servers behind."""
    before: dict[int, Any] = {sign: signal.signal(sign, signal.SIG_IGN) for sign in ENDS}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _terminate(number: int, frame: Any) -> None:
    for sign in ENDS:  # one is enough: a second one would interrupt the clearing up
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


@click.command()
@click.option("--lang", type=click.Choice(["en", "ko"]), default="en", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--embedded", is_flag=True, help="without Prometheus and Alertmanager even where they are here")
@click.option("--fault", default="cpu_runaway:search-es-01:0.8", show_default=True, help="KIND:SERVER:SEVERITY")
@click.option("--fault-after", default=30.0, show_default=True, help="seconds after ready")
@click.option("--seconds", default=0.0, help="end by itself so long after ready; 0 = never")
def main(lang: str, folder: Path, embedded: bool, fault: str, fault_after: float, seconds: float) -> None:
    """Show the whole loop."""
    for sign in ENDS:
        signal.signal(sign, _terminate)
    kind, server, severity = fault.split(":")
    demo = Demo(folder, lang, embedded=embedded, fault=(kind, server, float(severity)), fault_after=fault_after, seconds=seconds)
    sys.exit(demo.run())


if __name__ == "__main__":
    main()
