"""History for the demo: seven days of the fleet's own past written into Prometheus by remote write.

In: the fleet's load model, a span of time. Out: requests with many samples a series. The counters run on into the live ones,
because both are the same function of time. Gauges that hardly move, and constants, get a sample every four minutes: within
Prometheus's five minutes of lookback. The oldest days get counters every two minutes instead of every one.
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cramjam
import numpy as np
from numpy.typing import NDArray

from analyzer.signals import Signal
from exporter.fleet.faults import Fault
from exporter.fleet.load import Load

Floats = NDArray[np.float64]
STEP = 60.0
OLD_STEP = 120.0  # the signals' metrics of 20 servers for a week at 60 s would be 6.7 M samples; 5 M is the promise
RECENT = 2 * 86400.0
FINE_STEP = 15.0
SPARSE_SECONDS = 240.0
PART = 3600.0 * 4  # seconds a request spans
MOST_SAMPLES = 5_000_000
SAMPLE_BYTES = 18  # tag, length, tag, float64, tag, six bytes of varint milliseconds
SLOW = frozenset(
    {
        "node_memory_MemTotal_bytes",
        "node_memory_SwapTotal_bytes",
        "node_memory_SwapFree_bytes",
        "node_filesystem_size_bytes",
        "node_filesystem_avail_bytes",
        "node_filesystem_files",
        "node_filesystem_files_free",
        "node_filesystem_readonly",
        "node_filefd_maximum",
        "node_filefd_allocated",
        "node_procs_running",
        "node_boot_time_seconds",
        "node_hwmon_temp_celsius",
        "node_timex_offset_seconds",
        "node_uname_info",
        "app_dependency_info",
        "up",
    }
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was written."""

    series: int
    samples: int
    seconds: float


def wanted_metrics(signals: Sequence[Signal]) -> frozenset[str]:
    """The metric names that the declared signals read."""
    names = {"app_dependency_info", "up"}
    for signal in signals:
        if signal.declaration is not None:
            names |= set(signal.declaration.over.metrics)
            if signal.declaration.under is not None:
                names |= set(signal.declaration.under.metrics)
    return frozenset(names)


def newest(prometheus: str, now: float, span: float) -> float | None:
    """When Prometheus last had a sample of the fleet within `span` seconds; None if it has none."""
    head = _get(f"{prometheus}/api/v1/status/tsdb")["headStats"]
    last = min(head["maxTime"] / 1000, now)
    if last < now - span:
        return None
    query = urllib.parse.quote('max(timestamp(node_load1{job="node"}))')
    result = _get(f"{prometheus}/api/v1/query?query={query}&time={last:.3f}")["result"]
    return float(result[0]["value"][1]) if result else None


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as reply:
        return json.load(reply)["data"]


def varint(value: int) -> bytes:
    """Protobuf's variable-length integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def label_bytes(labels: Sequence[tuple[str, str]]) -> bytes:
    """The label part of a TimeSeries message, labels sorted by name."""
    parts = []
    for name, value in sorted(labels):
        a, b = name.encode(), value.encode()
        pair = b"\x0a" + varint(len(a)) + a + b"\x12" + varint(len(b)) + b
        parts.append(b"\x0a" + varint(len(pair)) + pair)
    return b"".join(parts)


def sample_template(times: Floats) -> NDArray[np.uint8]:
    """Samples at these unix times with the values still zero: uint8 [time, SAMPLE_BYTES]."""
    ms = np.round(times * 1000).astype(np.int64)
    out = np.zeros((len(times), SAMPLE_BYTES), np.uint8)
    out[:, 0], out[:, 1], out[:, 2], out[:, 11] = 0x12, SAMPLE_BYTES - 2, 0x09, 0x10
    for i in range(6):  # unix milliseconds of this age take 41 bits: six groups of seven
        out[:, 12 + i] = (ms >> (7 * i)) & 0x7F | (0x80 if i < 5 else 0)
    return out


def series_bytes(labels: bytes, template: NDArray[np.uint8], values: Floats) -> bytes:
    """One TimeSeries inside a WriteRequest; NaN samples are left out. b"" when nothing is left."""
    here = np.isfinite(values)
    if not here.any():
        return b""
    body = template[here]
    body[:, 3:11] = values[here].astype("<f8").view(np.uint8).reshape(-1, 8)
    message = labels + body.tobytes()
    return b"\x0a" + varint(len(message)) + message


@dataclass(frozen=True, slots=True)
class Past:
    """What happened: the load model, its faults, the labels of each server's target, and for how many seconds at the end a sample
    is kept every 15 s, as a scrape would."""

    load: Load
    target_labels: Callable[[str], dict[str, str]]
    faults: tuple[Fault, ...] = ()
    fine: float = 0.0


def parts(past: Past, metrics: frozenset[str], start: float, end: float) -> Iterator[tuple[bytes, int, int]]:
    """Requests in time order: (snappy-compressed body, series, samples)."""
    known: dict[tuple[str, tuple[tuple[str, str], ...], str], bytes] = {}
    at = np.ceil(start / OLD_STEP) * OLD_STEP
    fine_from = np.ceil((end - past.fine) / OLD_STEP) * OLD_STEP
    while at <= end:
        fine = at >= fine_from
        step = FINE_STEP if fine else OLD_STEP if at < end - RECENT else STEP
        thin = 1 if fine else int(SPARSE_SECONDS / step)
        until = end + 1e-6 if fine else min(fine_from, end + 1e-6)
        times = np.arange(at, min(at + PART, until), step)
        rows = past.load.readings(
            times, past.faults, metrics=metrics, where={"mode": ("idle", "iowait", "nice", "steal")}
        )  # what the signals read
        dense, sparse = sample_template(times), sample_template(times[::thin])
        out, samples = [], 0
        for row, name in enumerate(rows.names):
            host, own = rows.servers[row], rows.labels[row]
            if ("device", "lo") in own:
                continue
            key = (name, own, host)
            if key not in known:
                known[key] = label_bytes([("__name__", name), *own, *past.target_labels(host).items()])
            slow = name in SLOW
            values = rows.values[row, ::thin] if slow else rows.values[row]
            message = series_bytes(known[key], sparse if slow else dense, values)
            samples += int(np.isfinite(values).sum())
            out.append(message)
        yield bytes(cramjam.snappy.compress_raw(b"".join(out))), len(out), samples
        at = times[-1] + step


def write(prometheus: str, body: bytes) -> None:
    """One remote write request. Raises OSError with what the receiver said."""
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        "User-Agent": "openmanager-seed",
    }
    request = urllib.request.Request(f"{prometheus}/api/v1/write", data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            reply.read(256)
    except urllib.error.HTTPError as error:
        raise OSError(f"{error.code}: {error.read(256).decode(errors='replace')}") from error


def seed(
    prometheus: str,
    past: Past,
    signals: Sequence[Signal],
    *,
    start: float,
    end: float,
    progress: Callable[[float], None] = lambda share: None,
) -> Seeded:
    """Fill [start, end] (unix seconds). `progress` is told the share done, 0..1."""
    began, series, samples = time.perf_counter(), 0, 0
    total = max(1, int(np.ceil((end - start) / PART)))
    for done, (body, rows, count) in enumerate(parts(past, wanted_metrics(signals), start, end), 1):
        write(prometheus, body)
        series, samples = max(series, rows), samples + count
        if samples > MOST_SAMPLES:
            raise RuntimeError(f"more than {MOST_SAMPLES} samples: the demo promises less")
        progress(min(1.0, done / total))
    return Seeded(series, samples, time.perf_counter() - began)


def bar(label: str) -> Callable[[float], None]:
    """A progress bar on a terminal; a line at the end elsewhere."""

    def show(share: float) -> None:
        if sys.stderr.isatty():
            filled = int(30 * share)
            sys.stderr.write(f"\r  {label} [{'#' * filled}{'.' * (30 - filled)}] {share:4.0%}")
            if share >= 1:
                sys.stderr.write("\n")
            sys.stderr.flush()
        elif share >= 1:
            sys.stderr.write(f"  {label} done\n")

    return show
