"""What every host detector looks like to the model of whole servers.

A group is a set of hosts that share what is large (weights, centres, matrices: `shared`), while what is small lies in Columns
[hosts, ...]. A row is one moment of all hosts of a group; rows are `spacing` seconds apart. `fit` and `adapt` learn from rows of
the past, `measure` judges the next row and moves on by it. No labels, no clock, no configuration file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.columns import Array, Columns, Field
from analyzer.window import Bools, Floats, Ints

Array32 = NDArray[np.float32]
CLIP = np.float32(30.0)  # standard deviations; beyond it everything is equally far


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One moment.

    Attributes
    ----------
    now : unix seconds.
    z : float32 [hosts, slots], standardised by the host's own past; where there is no sample, what is usual.
    usual : float32 [hosts, slots], what is usual at this hour, in the same units. left : z - usual, clipped.
    seen : bool [hosts, slots], there is a sample.
    count : int64 [hosts], how many slots the host really has.
    """

    now: float
    z: Array32
    usual: Array32
    left: Array32
    seen: Bools
    count: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Rows of the past: times float64 [time], the rest [hosts, time, slots] as in `Row`; count int64 [hosts]."""

    times: Floats
    z: Array32
    usual: Array32
    left: Array32
    seen: Bools
    count: Ints

    def __len__(self) -> int:
        return len(self.times)

    @property
    def skip(self) -> int:
        """Rows at the beginning that only warm up what remembers."""
        return min(200, len(self.times) // 4)

    def row(self, at: int) -> Row:
        """One of the rows."""
        return Row(float(self.times[at]), self.z[:, at], self.usual[:, at], self.left[:, at], self.seen[:, at], self.count)

    def last(self, rows: int) -> "Past":
        """The newest rows only."""
        k = slice(max(len(self.times) - rows, 0), None)
        return Past(self.times[k], self.z[:, k], self.usual[:, k], self.left[:, k], self.seen[:, k], self.count)


@dataclass(frozen=True, slots=True, eq=False)
class HostMeasure:
    """One detector's view of one row.

    value : float64 [hosts], how far off the host is, in a unit of its own; 0 = not at all.
    residual : float32 [hosts, slots], signed, in usual sizes: who is to blame; None = this detector cannot tell.
    """

    value: Floats
    residual: Array32 | None = None


class HostDetector(Protocol):
    """Something that finds one kind of strangeness in whole hosts, many at once."""

    kind: str
    shared: dict[str, Array]  # plain arrays by name, empty before `fit`

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        """Bind to the state that holds this detector's fields."""
        ...

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """State arrays of one host by name, each beginning with the kind."""
        ...

    def fit(self, past: Past) -> None:
        """Learn what the hosts share, from some of them."""
        ...

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Learn what is these hosts' own (rows of `past` = positions in the columns)."""
        ...

    def measure(self, row: Row) -> HostMeasure:
        """Judge a row of all hosts with what was learned, and move on by it."""
        ...


def rows_in(seconds: float, spacing: float, least: int) -> int:
    """A span of time as rows, at least so many."""
    return max(least, round(seconds / spacing))


def rate_of(minutes: float, spacing: float) -> np.float32:
    """Share a row of an exponential average whose half-life is so many minutes, and at least as many rows."""
    return np.float32(1.0 - 0.5 ** (1.0 / max(minutes, minutes * 60.0 / spacing)))


def pushed(ring: Array, row: Array32) -> Array:
    """A ring [hosts, rows, slots], oldest first, with one more row at its end and without its oldest."""
    return np.concatenate([ring[:, 1:], row[:, None].astype(ring.dtype)], axis=1)


def sample(n: int, most: int) -> Ints:
    """At most `most` of n positions, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def windows_of(left: Array32, rows: int, most: int) -> Array32:
    """At most `most` windows of `rows` rows out of [hosts, time, slots], flattened: float32 [windows, rows * slots]."""
    hosts, time, slots = left.shape
    starts = time - rows + 1
    if starts < 1:
        return np.zeros((0, rows * slots), np.float32)
    pick = sample(hosts * starts, most)
    host, start = pick // starts, pick % starts
    at = start[:, None] + np.arange(rows)
    windows: Array32 = left[host[:, None], at].reshape(len(pick), rows * slots)
    return windows


def averaged(x: Array32, rate: float, back: int) -> Array32:
    """Exponential average, at every row, of the rows at least `back` older: [hosts, time, slots], beginning at 0."""
    out = np.zeros_like(x)
    average = np.zeros_like(x[:, 0])
    for at in range(back, x.shape[1]):
        average += np.float32(rate) * (x[:, at - back] - average)
        out[:, at] = average
    return out
