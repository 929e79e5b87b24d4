"""A server that has gone still: its signals move less than they ever did at this hour. Dead feeds, stuck processes, lost traffic.

In: standardised rows. Out: how much less every signal moves than is usual at this hour, in usual sizes, averaged over the signals;
0 where they move as usual or more. No single value needs to be strange for it.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import Array32, HostMeasure, Past, Row, rate_of
from analyzer.window import Floats, Ints

DAY, HOURS = 86400.0, 24
HALF = 17.0  # minutes, and at least as many rows, make a movement
JUMP = np.float32(3.0)  # steps, in usual sizes, count up to here
LEAST = np.float32(0.1)  # movement below it is as good as none
FAR = np.float32(8.0)


class Quiet:
    """Lack of movement."""

    kind = "quiet"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.slots, self.rate = columns, slots, rate_of(HALF, spacing)
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The row before, the usual step, the present movement, what is usual by the hour and its scatter."""
        row = Field(0.0, (slots,), np.float32)
        return {
            f"{cls.kind}.before": Field(np.nan, (slots,), np.float32),
            f"{cls.kind}.step": Field(1.0, (slots,), np.float32),
            f"{cls.kind}.moves": row,
            f"{cls.kind}.hours": Field(0.0, (HOURS, slots), np.float16),
            f"{cls.kind}.scatter": Field(1.0, (slots,), np.float32),
        }

    def fit(self, past: Past) -> None:
        """Nothing is shared."""

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Usual steps, and the usual logarithm of the movement: median of each hour, over three hours."""
        size, hour = _step_size(past), _hour(past.times)
        said = _movement(past, size, self.rate)
        hours = np.full((len(said), HOURS, self.slots), np.nan, np.float32)
        for at in np.unique(hour).tolist():
            hours[:, at] = np.median(said[:, hour == at], axis=1)
        hours = np.where(np.isnan(hours), np.nanmean(hours, axis=1, keepdims=True), hours)
        hours = (np.roll(hours, 1, axis=1) + hours + np.roll(hours, -1, axis=1)) / np.float32(3)
        for at in np.unique(hour).tolist():
            said[:, hour == at] -= hours[:, at, None]
        self.c[f"{self.kind}.step"][hosts], self.c[f"{self.kind}.hours"][hosts] = size, hours
        self.c[f"{self.kind}.scatter"][hosts] = np.maximum(said[:, past.skip :].std(axis=1), 0.05)

    def measure(self, row: Row) -> HostMeasure:
        """The mean lack."""
        c, k = self.c, self.kind
        moves, hour = c[f"{k}.moves"], int(_hour(np.array([row.now]))[0])
        step = np.minimum(np.nan_to_num(np.abs(row.z - c[f"{k}.before"])) / c[f"{k}.step"], JUMP)
        c[f"{k}.before"] = row.z
        moves += self.rate * (step - moves)
        less = (c[f"{k}.hours"][:, hour] - np.log(moves + LEAST)) / c[f"{k}.scatter"]
        lack = np.where(row.seen, np.clip(less, 0.0, FAR), 0.0)
        return HostMeasure(lack.sum(axis=1, dtype=np.float64) / np.maximum(row.count, 1))


def _step_size(past: Past) -> Array32:
    """Root mean square difference of neighbouring rows: float32 [hosts, slots]."""
    squares = np.zeros(past.z[:, 0].shape)
    for at in range(1, len(past)):
        squares += (past.z[:, at] - past.z[:, at - 1]) ** 2
    size: Array32 = np.maximum(np.sqrt(squares / max(len(past) - 1, 1)), 0.02).astype(np.float32)
    return size


def _movement(past: Past, size: Array32, rate: np.float32) -> Array32:
    """Logarithm of the movement at every row: float32 [hosts, time, slots]."""
    out, moves = np.empty_like(past.z), np.zeros_like(size)
    for at in range(len(past)):
        step = np.abs(past.z[:, at] - past.z[:, max(at - 1, 0)]) / size
        moves += rate * (np.minimum(step, JUMP) - moves)
        out[:, at] = moves
    np.log(out + LEAST, out=out)
    return out


def _hour(times: Floats) -> Ints:
    hour: Ints = np.minimum(times % DAY / DAY * HOURS, HOURS - 1).astype(np.int64)
    return hour
