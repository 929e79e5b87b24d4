"""The clock, and how well the kernel keeps it, -> readings."""

from __future__ import annotations

import ctypes
import os
import re
import time
from collections.abc import Iterator

from exporter.host.files import Paths, attribute, exists, names
from exporter.render import Reading

TIME_ERROR = 5
STATUS_NANO = 0x2000
PPM = 1e6 * 65536.0  # the kernel scales frequencies: parts per million with 16 fraction bits


class Timex(ctypes.Structure):
    """What adjtimex(2) fills in."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    ]


def adjtimex() -> tuple[int, Timex]:
    """The clock's state and its parameters, read without changing any."""
    filled = Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(filled))
    if state < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return state, filled


def timex(paths: Paths) -> Iterator[Reading]:
    """node_timex_*, in seconds, hertz and ratios."""
    state, it = adjtimex()
    fraction = 1e9 if it.status & STATUS_NANO else 1e6
    values = {
        "sync_status": 0.0 if state == TIME_ERROR else 1.0,
        "offset_seconds": it.offset / fraction,
        "frequency_adjustment_ratio": 1.0 + it.freq / PPM,
        "maxerror_seconds": it.maxerror / 1e6,
        "estimated_error_seconds": it.esterror / 1e6,
        "status": it.status,
        "loop_time_constant": it.constant,
        "tick_seconds": it.tick / 1e6,
        "pps_frequency_hertz": it.ppsfreq / PPM,
        "pps_jitter_seconds": it.jitter / fraction,
        "pps_shift_seconds": it.shift,
        "pps_stability_hertz": it.stabil / PPM,
        "pps_jitter_total": it.jitcnt,
        "pps_calibration_total": it.calcnt,
        "pps_error_total": it.errcnt,
        "pps_stability_exceeded_total": it.stbcnt,
        "tai_offset_seconds": it.tai,
    }
    for name, value in values.items():
        yield "node_timex_" + name, (), float(value)


def clock(paths: Paths) -> Iterator[Reading]:
    """Time, zone, and the hardware that the time comes from."""
    now = time.time()
    local = time.localtime(now)
    yield "node_time_seconds", (), now
    yield "node_time_zone_offset_seconds", (("time_zone", local.tm_zone),), float(local.tm_gmtoff)
    folder = paths.sys("devices/system/clocksource")
    for entry in names(folder) if exists(folder) else ():
        device = re.fullmatch(r"clocksource(\d+)", entry)
        if device is None:
            continue
        for source in (attribute(f"{folder}/{entry}/available_clocksource") or "").split():
            labels = (("clocksource", source), ("device", device[1]))
            yield "node_time_clocksource_available_info", labels, 1.0
        current = attribute(f"{folder}/{entry}/current_clocksource")
        if current:
            labels = (("clocksource", current), ("device", device[1]))
            yield "node_time_clocksource_current_info", labels, 1.0
