"""Rows of a request -> arrays: `[{timestamp, cpu, memory, …}]` as columns, checked row by row because a schema would take minutes.

In: the parsed body of `POST /analyze`. Out: `Rows`, or a Problem 422 that names the place. Times are RFC 3339 (without a zone: UTC)
or unix seconds; values are numbers or null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analyzer.window import Floats
from service.http import Problem

MOST_ROWS = 100_000
MOST_COLUMNS = 64
MOST_NAME = 128
LAST_TIME = 253402300799.0  # the end of year 9999; anything later is milliseconds
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["metrics"],
    "properties": {
        "query": {"type": "string", "maxLength": 4000},
        "metrics": {"type": "array", "minItems": 1, "maxItems": MOST_ROWS},
        "context": {"type": "object"},
        "lang": {"enum": ["en", "ko"]},
    },
}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns by name: times float64 [time] in order, values float64 [columns, time], NaN = null or not given."""

    names: tuple[str, ...]
    times: Floats
    values: Floats

    @property
    def span(self) -> float:
        """Seconds from the first row to the last."""
        return float(self.times[-1] - self.times[0])


def parse_rows(metrics: Sequence[Any]) -> Rows:
    """The rows as columns, in order of time. Raises Problem 422."""
    times = np.empty(len(metrics))
    columns: dict[str, Floats] = {}
    for i, row in enumerate(metrics):
        if not isinstance(row, Mapping):
            raise _bad(i, "", "an object with a timestamp and numbers")
        times[i] = _time(i, row.get("timestamp"))
        for name, value in row.items():
            if name == "timestamp" or value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _bad(i, name, "a number or null; leave columns of text out")
            if name not in columns:
                columns[name] = _column(i, name, columns, len(metrics))
            columns[name][i] = value
    if not columns:
        raise _bad(0, "", "at least one column of numbers beside the timestamp")
    order = np.argsort(times, kind="stable")
    return Rows(tuple(columns), times[order], np.array(list(columns.values()))[:, order])


def _column(row: int, name: str, columns: Mapping[str, Floats], rows: int) -> Floats:
    if len(columns) >= MOST_COLUMNS:
        raise _bad(row, name, f"at most {MOST_COLUMNS} columns")
    if not name or len(name) > MOST_NAME:
        raise _bad(row, name[:MOST_NAME], f"a name of 1 to {MOST_NAME} characters")
    return np.full(rows, np.nan)


def _time(row: int, value: Any) -> float:
    seconds = np.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and len(value) <= 64:
        try:
            at = datetime.fromisoformat(value)
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            seconds = np.nan
    if not 0 <= seconds <= LAST_TIME:
        raise _bad(row, "timestamp", "RFC 3339 (2026-05-01T12:00:00Z) or unix seconds, not milliseconds")
    return seconds


def _bad(row: int, name: str, wanted: str) -> Problem:
    place = f"metrics[{row}]" + (f".{name}" if name else "")
    return Problem(422, "schema", f"{place}: {wanted}", entry="json")
