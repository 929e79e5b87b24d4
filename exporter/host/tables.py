"""/proc/N, sockets and log files -> tables for people: processes, services, logs. On demand only: these cost more than a scrape."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter.host.files import NoDataError, Paths, names, read, read_or_none
from exporter.host.programs import output

STATES = {
    "R": "running", "S": "sleeping", "D": "waiting", "I": "idle", "T": "stopped", "t": "traced", "Z": "zombie", "X": "dead",
}  # fmt: skip
LISTEN = "0A"
LOG_FILES = ("/var/log/syslog", "/var/log/messages")
LOG_TAIL_BYTES = 256 * 1024
PRIORITIES = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")
SYSLOG = re.compile(
    r"(?P<when>\d{4}-\d\d-\d\dT\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ (?P<source>[^\s:\[]+)(?:\[\d+\])?: (?P<message>.*)"
)


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes
    ----------
    cpu_seconds
        CPU time used since it started.
    memory_bytes
        Resident set.
    started
        Seconds after boot.
    """

    pid: int
    name: str
    status: str
    cpu_seconds: float
    memory_bytes: float
    started: float


def processes(paths: Paths) -> dict[int, Process]:
    """All processes, by number, from one small file each."""
    hertz, page = float(os.sysconf("SC_CLK_TCK")), float(os.sysconf("SC_PAGE_SIZE"))
    found = {}
    for entry in names(paths.procfs):
        if not entry.isdigit():
            continue
        try:
            text = read(paths.proc(entry + "/stat"))
        except OSError:
            continue  # it ended while we looked
        name, _, rest = text.partition("(")[2].rpartition(")")  # the name may hold brackets and blanks itself
        words = rest.split()
        found[int(entry)] = Process(
            pid=int(entry),
            name=name,
            status=STATES.get(words[0], words[0]),
            cpu_seconds=(int(words[11]) + int(words[12])) / hertz,
            memory_bytes=int(words[21]) * page,
            started=int(words[19]) / hertz,
        )
    return found


def listening(paths: Paths) -> dict[int, set[int]]:
    """Process number -> TCP ports on which it listens, as far as we may look."""
    ports: dict[str, int] = {}
    for file in ("net/tcp", "net/tcp6"):
        for line in (read_or_none(paths.proc(file)) or "").splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN:
                ports[words[9]] = int(words[1].rpartition(":")[2], 16)
    owners: dict[int, set[int]] = {}
    for entry in names(paths.procfs) if ports else ():
        if entry.isdigit():
            for inode in sockets(paths.proc(entry + "/fd")):
                if inode in ports:
                    owners.setdefault(int(entry), set()).add(ports[inode])
    return owners


def sockets(folder: str) -> Iterator[str]:
    """Inodes of the sockets among a process's open files; none where we may not look."""
    try:
        for entry in names(folder):
            target = os.readlink(f"{folder}/{entry}")  # noqa: PTH115  strings, as in files.py
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        return  # another user's process, or it ended while we looked


def services(
    running: Mapping[int, Process], owners: Mapping[int, set[int]], units: Sequence[Mapping[str, str]] | None, uptime: float
) -> list[dict[str, Any]]:
    """What serves here: systemd's services where there is systemd, processes that listen otherwise."""
    if units is None:
        return [
            service(running[pid].name, "running", min(ports), uptime - running[pid].started)
            for pid, ports in sorted(owners.items())
            if pid in running
        ]
    found = []
    for unit in units:
        if unit["Id"].endswith(".service") and unit.get("ActiveState") in ("active", "failed", "activating"):
            ports = owners.get(int(unit.get("MainPID") or 0), set())
            since = int(unit.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
            active = unit["ActiveState"] == "active"
            status = "running" if active else unit["ActiveState"]
            name = unit["Id"].removesuffix(".service")
            found.append(service(name, status, min(ports, default=None), uptime - since if active and since else None))
    return found


def service(name: str, status: str, port: int | None, up: float | None) -> dict[str, Any]:
    """One row of the table; `up` in seconds."""
    return {
        "name": name,
        "status": status,
        "port": port,
        "uptime": None if up is None else duration(up),
        "uptime_seconds": None if up is None else round(up, 1),
    }


def duration(seconds: float) -> str:
    """`3d 4h 5m`, readable in any language."""
    minutes = int(seconds) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d {hours}h {rest}m"
    if hours:
        return f"{hours}h {rest}m"
    return f"{rest}m" if rest else f"{int(seconds)}s"


def logs(paths: Paths, limit: int) -> list[dict[str, str]]:
    """The newest log lines, newest last: the journal's, else the syslog file's, else none."""
    try:
        return journal(output(["journalctl", "--no-pager", "--output=json", f"--lines={limit}"]))
    except (NoDataError, OSError, ValueError):
        pass  # no journal, or it may not be read: the files are next
    for name in LOG_FILES:
        try:
            tail = tail_of(Path(paths.root(name)))
        except OSError:
            continue
        return syslog(tail, datetime.now(UTC).astimezone())[-limit:] if limit else []
    return []


def tail_of(path: Path) -> str:
    """The last part of a file that may be huge."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        return file.read(LOG_TAIL_BYTES).decode("utf-8", "replace")


def journal(text: str) -> list[dict[str, str]]:
    """journalctl's JSON, one entry a line."""
    rows = []
    for line in text.splitlines():
        entry = json.loads(line)
        message = entry.get("MESSAGE")
        when = datetime.fromtimestamp(int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6, UTC)
        priority = str(entry.get("PRIORITY", "6"))
        level = PRIORITIES[int(priority)] if priority in "01234567" else "info"
        source = entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "kernel"
        rows.append(row(when, level, str(source), message if isinstance(message, str) else "(binary message)"))
    return rows


def syslog(text: str, now: datetime) -> list[dict[str, str]]:
    """Lines of a syslog file; the old form has no year and no zone, so `now` says which."""
    rows = []
    for line in text.splitlines():
        match = SYSLOG.fullmatch(line)
        if match is None:
            continue
        try:
            when = syslog_time(match["when"], now)
        except ValueError:
            continue
        rows.append(row(when, level_of(match["message"]), match["source"], match["message"]))
    return rows


def syslog_time(text: str, now: datetime) -> datetime:
    """A time as syslog writes it."""
    if text[0].isdigit():
        when = datetime.fromisoformat(text)
        return when if when.tzinfo else when.replace(tzinfo=now.tzinfo)
    when = datetime.strptime(f"{now.year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=now.tzinfo)
    return when if when.timestamp() <= now.timestamp() + 86400 else when.replace(year=now.year - 1)


def level_of(message: str) -> str:
    """What the words say, where the file keeps no priority."""
    if re.search(r"\b(panic|emerg|crit(ical)?|fatal)\b", message, re.IGNORECASE):
        return "critical"
    if re.search(r"\b(error|fail(ed|ure)?|denied)\b", message, re.IGNORECASE):
        return "error"
    return "warning" if re.search(r"\bwarn(ing)?\b", message, re.IGNORECASE) else "info"


def row(when: datetime, level: str, source: str, message: str) -> dict[str, str]:
    """One row of the log table."""
    stamp = when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"timestamp": stamp, "level": level, "source": source, "message": message[:2000]}


def uptime_seconds(paths: Paths) -> float:
    """Seconds since boot."""
    text = read_or_none(paths.proc("uptime"))
    return float(text.split()[0]) if text else time.monotonic()
