"""Hand-made scores: a few series whose numbers a test can read at a glance."""

from dataclasses import replace

import numpy as np

from analyzer.records import Scores
from analyzer.signals import Signal
from analyzer.window import Series

KINDS = ("level", "stuck", "vanished", "restart")
SIGNALS = {
    alias: Signal(alias, alias, {"en": alias, "ko": alias}, "ratio", direction=direction)
    for alias, direction in {
        "cpu": "above", "load": "above", "memory": "above", "swap": "above", "disk": "above", "disk_time": "above",
        "disk_latency": "above", "inodes": "above", "iowait": "above", "steal": "above",
        "nice": "above", "network_receive": "both", "network_transmit": "both",
        "network_errors": "above", "tcp_retransmits": "above", "requests": "both", "errors": "above", "response_time": "above",
        "connections": "both", "cache_hit": "below", "clock_skew": "both", "up": "below", "uptime": "both",
        "context_switches": "both", "processes": "both", "open_files": "above", "temperature": "above",
    }.items()
}  # fmt: skip


def series(*hosts: str, signals: tuple[str, ...] = ("cpu",)) -> Series:
    """One row per (host, signal), hosts outermost."""
    return Series.build((s, h, h.rstrip("-0123456789"), (("instance", h),)) for h in hosts for s in signals)


def calm(table: Series, now: float = 0.0) -> Scores:
    """Everything as expected: value 0.5 of 0.4 to 0.6, `up` 1."""
    n = len(table)
    value = np.full(n, 0.5)
    if "up" in table.signals:
        value[table.signal == table.signals.index("up")] = 1.0
    return Scores(
        now, table, value, np.full(n, 0.5), np.full(n, 0.4), np.full(n, 0.6), np.full(n, 0.1), np.zeros(n),
        np.zeros(n, np.int64), KINDS, np.full(n, np.nan), np.ones(n),
    )  # fmt: skip


def strange(scores: Scores, host: str, signal: str, *, score: float = 3.0, z: float = 8.0, onset: float | None = None) -> Scores:
    """The same scores with one series off; a negative z is below what is expected."""
    rows = scores.series.rows_of(signal=signal, host=host)
    out = {name: getattr(scores, name).copy() for name in ("value", "score", "z", "onset", "kind")}
    out["value"][rows] = 0.5 + 0.05 * z
    out["score"][rows], out["z"][rows] = score, z
    out["onset"][rows] = scores.time if onset is None else onset
    return replace(scores, **out)


def down(scores: Scores, host: str) -> Scores:
    """The same scores with a server that does not answer: `up` 0, nothing else sent."""
    rows = scores.series.rows_of(host=host)
    value, score = scores.value.copy(), scores.score.copy()
    value[rows], score[rows] = np.nan, np.nan
    up = scores.series.rows_of(signal="up", host=host)
    value[up], score[up] = 0.0, 5.0
    return replace(scores, value=value, score=score)
