"""Series that a source knows: label texts in, parsed labels with host and role out, remembered and bounded.

Parsing labels costs more than parsing numbers, and they are the same every cycle: each text is parsed once. A cap holds whatever
comes; series that no longer come make room, known ones are never pushed out by new ones.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from analyzer.identity import Identity
from analyzer.sources.observer import Observer
from analyzer.window import Bools, Floats, Ints, Labels, Series

OWN = "openmanager_"  # what we wrote ourselves is never read as something to watch
Row = tuple[str, str, str, Labels]  # alias, host, role, labels: what Series.build takes
_METRIC: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Answers of one signal as rows. `kept`: int64 [row], positions in the answer that the rows come from."""

    metrics: list[bytes]
    rows: list[Row]
    kept: Ints


class Registry:
    """Knows at most `max_series` series over all signals."""

    def __init__(self, identity: Identity, max_series: int, observer: Observer) -> None:
        self._identity, self._max, self._observer = identity, max_series, observer
        self._rows: dict[tuple[str, bytes], Row] = {}
        self._seen: dict[tuple[str, Labels], int] = {}
        self._parts: dict[str, Part] = {}  # the newest of each alias, and the read that it was last used in
        self._used: dict[str, int] = {}
        self._whole: tuple[list[Part], Series] = ([], Series.empty())
        self._shown: tuple[Bools, Series] = (np.zeros(0, bool), Series.empty())
        self._read = self._forgot = 0
        self.refused = 0

    def begin(self) -> None:
        """A new read: what was refused before gets another chance."""
        self._read += 1
        self.refused = 0
        if len(self._rows) > 4 * self._max:  # texts of series long gone
            self._rows.clear()

    def part(self, alias: str, metrics: list[bytes]) -> Part:
        """The rows of one signal's answer; the very same object as last time when nothing but values changed."""
        last = self._parts.get(alias)
        if last is not None and last.metrics == metrics:
            self._used[alias] = self._read
            return last
        found: dict[Labels, tuple[int, Row]] = {}
        odd: Counter[str] = Counter()
        for position, text in enumerate(metrics):
            row = self._row(alias, text)
            if isinstance(row, str):
                odd[row] += 1
            elif row[3] in found:
                odd["duplicate"] += 1
            elif not self._admit(alias, row[3]):
                odd["series_limit"] += 1
            else:
                found[row[3]] = position, row
        for reason, count in odd.items():
            self._observer.dropped(reason=reason, count=count)
        made = Part(metrics, [row for _, row in found.values()], np.array([at for at, _ in found.values()], np.int64))
        self.refused += odd["series_limit"]
        if not odd["series_limit"]:
            self._parts[alias], self._used[alias] = made, self._read
        return made

    def series(self, parts: Sequence[Part], some: Bools) -> Series:
        """One table of all parts, in order, of the rows that have `some` value; the same object as last time if nothing changed."""
        if len(self._whole[0]) != len(parts) or not all(a is b for a, b in zip(self._whole[0], parts, strict=True)):
            self._whole = list(parts), Series.build(row for part in parts for row in part.rows)
            self._shown = np.zeros(0, bool), self._whole[1]
        if not np.array_equal(self._shown[0], some):
            self._shown = some, self._whole[1] if some.all() else self._whole[1].take(np.flatnonzero(some))
        return self._shown[1]

    def _row(self, alias: str, text: bytes) -> Row | str:
        """The row of a label text, or why there is none."""
        asked = (alias, text)
        known = self._rows.get(asked)
        if known is not None:
            return known
        try:
            labels = _METRIC.decode(text)
            for value in labels.values():
                value.encode()  # a lone surrogate could never be written back
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return "bad_labels"
        if labels.pop("__name__", "").startswith(OWN):
            return "own_series"
        pairs = tuple(sorted((name, value) for name, value in labels.items() if value))
        self._rows[asked] = row = (alias, self._identity.host(labels), self._identity.role(labels), pairs)
        return row

    def _admit(self, alias: str, labels: Labels) -> bool:
        key = (alias, labels)
        if key not in self._seen and len(self._seen) >= self._max:
            if self._forgot < self._read:  # once a read: it looks at every series
                self._forgot = self._read
                self._forget()
            if len(self._seen) >= self._max:
                return False
        self._seen[key] = self._read
        return True

    def _forget(self) -> None:
        """Series that neither this read nor the one before it has seen make room."""
        for alias, read in self._used.items():
            self._seen.update(((alias, row[3]), read) for row in self._parts[alias].rows)
        gone = [key for key, read in self._seen.items() if read < self._read - 1]
        for key in gone:
            del self._seen[key]
        if gone:
            self._observer.dropped(reason="series_evicted", count=len(gone))


def place(shape: tuple[int, int], part: Part, answer: Any, times: Floats, step: float) -> Floats:
    """The points of an answer on the grid of times; what lies beside the grid is no sample of it. float64 [row, time]."""
    values = np.full(shape, np.nan)
    if not len(part.rows) or not len(answer.values):
        return values
    if len(answer.values) == len(answer.metrics) * len(times) and len(part.kept) == len(answer.metrics):
        block = answer.times.reshape(len(answer.metrics), len(times))
        if (np.abs(block - times) < 0.0015).all():  # no gaps: the answer is the matrix
            values[:] = answer.values.reshape(block.shape)
            return _finite(values)
    to = np.full(len(answer.metrics), -1)
    to[part.kept] = np.arange(len(part.kept))
    with np.errstate(invalid="ignore"):
        offset = (answer.times - times[0]) / step
    near = np.isfinite(offset) & (np.abs(offset) < 1e9)
    column = np.rint(np.where(near, offset, -1)).astype(np.int64)
    good = near & (column >= 0) & (column < len(times)) & (to[answer.row] >= 0)
    good[good] &= np.abs(answer.times[good] - times[column[good]]) < 0.0015  # milliseconds are all that travels
    values[to[answer.row[good]], column[good]] = answer.values[good]
    return _finite(values)


def _finite(values: Floats) -> Floats:
    values[~np.isfinite(values)] = np.nan
    return values
