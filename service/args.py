"""Query arguments, each with its range; what does not fit is a 400 that says what would.

In: the query string. Out: plain values; times as unix seconds.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import overload

from aiohttp import web

from service import text
from service.problems import Problem

MAX_POINTS = 11_000  # what Prometheus allows in one answer
_DURATION = re.compile(r"(?P<n>\d{1,9}(?:\.\d{1,9})?)(?P<unit>ms|[smhdwy])?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0, None: 1.0}
_LAST_TIME = 253402300799.0  # the end of year 9999


def _bad(name: str, value: str, wanted: str, error: str = "bad_argument") -> Problem:
    return Problem(400, error, f"{name}={text.printable(value, 60)!r}: {wanted}", entry="query")


def _one(request: web.Request, name: str) -> str | None:
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise _bad(name, values[1], "given twice")
    return values[0] if values and values[0] != "" else None


def text_arg(request: web.Request, name: str, default: str = "", longest: int = 1000) -> str:
    """A text argument without control characters, at most `longest` characters."""
    value = _one(request, name)
    if value is None:
        return default
    if len(value) > longest:
        raise _bad(name, value, f"at most {longest} characters")
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", value):
        raise _bad(name, value, "no control characters")
    return value


@overload
def int_arg(request: web.Request, name: str, default: int, lo: int = ..., hi: int = ...) -> int: ...
@overload
def int_arg(request: web.Request, name: str, default: None, lo: int = ..., hi: int = ...) -> int | None: ...
def int_arg(request: web.Request, name: str, default: int | None, lo: int = 0, hi: int = 2**31 - 1) -> int | None:
    """A whole number in [lo, hi]."""
    value = _one(request, name)
    if value is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", value) or not lo <= int(value) <= hi:
        raise _bad(name, value, f"a whole number from {lo} to {hi}")
    return int(value)


@overload
def float_arg(request: web.Request, name: str, default: float, lo: float = ..., hi: float = ...) -> float: ...
@overload
def float_arg(request: web.Request, name: str, default: None, lo: float = ..., hi: float = ...) -> float | None: ...
def float_arg(request: web.Request, name: str, default: float | None, lo: float = -math.inf, hi: float = math.inf) -> float | None:
    """A finite number in [lo, hi]."""
    value = _one(request, name)
    if value is None:
        return default
    try:
        number = float(value) if len(value) <= 64 and "_" not in value else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or not lo <= number <= hi:
        raise _bad(name, value, f"a number from {lo:g} to {hi:g}")
    return number


def choice_arg(request: web.Request, name: str, default: str, choices: Collection[str]) -> str:
    """One of `choices`."""
    value = _one(request, name)
    if value is None:
        return default
    if value not in choices:
        raise _bad(name, value, "one of " + ", ".join(sorted(choices)))
    return value


def bool_arg(request: web.Request, name: str, default: bool = False) -> bool:
    """``1``, ``true``, ``yes`` or ``0``, ``false``, ``no``."""
    value = choice_arg(request, name, "", ("1", "true", "yes", "0", "false", "no"))
    return default if value == "" else value in {"1", "true", "yes"}


def parse_time(value: str) -> float:
    """RFC 3339 or unix seconds to unix seconds.

    Raises
    ------
    ValueError
        For anything else, and for times before 1970 or after year 9999.
    """
    seconds = math.nan
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
        seconds = float(value)
    elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.,]{5,20}([Zz]|[+-][0-9]{2}:?[0-9]{2})", value):
        seconds = dt.datetime.fromisoformat(value.upper()).timestamp()
    if not 0 <= seconds <= _LAST_TIME:
        raise ValueError("RFC 3339 (2026-05-01T12:00:00Z) or unix seconds")
    return seconds


@overload
def time_arg(request: web.Request, name: str, default: float) -> float: ...
@overload
def time_arg(request: web.Request, name: str, default: None) -> float | None: ...
def time_arg(request: web.Request, name: str, default: float | None) -> float | None:
    """A time, RFC 3339 or unix seconds, as unix seconds."""
    value = _one(request, name)
    if value is None:
        return default
    try:
        return parse_time(value.replace(" ", "+") if "T" in value else value)  # an unescaped + arrives as a space
    except (ValueError, OverflowError):
        raise _bad(name, value, "RFC 3339 (2026-05-01T12:00:00Z) or unix seconds") from None


@overload
def duration_arg(request: web.Request, name: str, default: float) -> float: ...
@overload
def duration_arg(request: web.Request, name: str, default: None) -> float | None: ...
def duration_arg(request: web.Request, name: str, default: float | None) -> float | None:
    """Seconds, or Prometheus's words for them: ``90s``, ``5m``, ``1.5h``, ``7d``."""
    value = _one(request, name)
    if value is None:
        return default
    match = _DURATION.fullmatch(value)
    if match is None:
        raise _bad(name, value, "seconds, or a duration like 5m or 1h")
    return float(match["n"]) * _SECONDS[match["unit"]]


@dataclass(frozen=True)
class Range:
    """A span of evaluation times: start and end in unix seconds, step in seconds."""

    start: float
    end: float
    step: float

    @property
    def points(self) -> int:
        """How many evaluation times it has."""
        return int((self.end - self.start) / self.step) + 1


def range_args(request: web.Request, *, start: float, end: float, step: float = 60.0, max_points: int = MAX_POINTS) -> Range:
    """``start`` (or ``from``), ``end`` (or ``to``) and ``step`` of the query, with these defaults; 400 bad_range where
    they make no span or more than `max_points`."""
    first, last = ("from", "to") if "from" in request.query or "to" in request.query else ("start", "end")
    begin, finish = time_arg(request, first, start), time_arg(request, last, end)
    width = duration_arg(request, "step", step)
    if finish < begin:
        raise _bad(last, text.rfc3339(finish), f"before {first}", "bad_range")
    if width <= 0:
        raise _bad("step", str(width), "above 0", "bad_range")
    if (finish - begin) / width + 1 > max_points:
        raise _bad("step", str(width), f"gives more than {max_points} points; take a larger one", "bad_range")
    return Range(begin, finish, width)
