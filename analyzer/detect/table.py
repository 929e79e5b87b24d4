"""Which row of the engine belongs to which series: stable rows that only grow, and are packed when many have gone.

In: tables of series as sources give them, in any order. Out: positions in the engine's own table.
"""

import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.window import Ints, Key, Labels, Series

MOST_BYTES = 1 << 28  # of a table's labels


class Table:
    """The engine's own rows."""

    def __init__(self) -> None:
        self.series = Series.empty()
        self._at: dict[Key, int] = {}
        self._last: Series | None = None
        self._rows: Ints = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.series)

    def rows(self, series: Series, *, room: int) -> tuple[Ints, Ints]:
        """Positions of `series` here, -1 where there was no room for it; and the rows that are new. int64 each."""
        if self._last is not None and (series is self._last or _same(series, self._last)):
            return self._rows, np.zeros(0, np.int64)
        keys = series.keys()
        new = [i for i, key in enumerate(keys) if key not in self._at]
        fresh = self._add(series, keys, new[: max(room, 0)])
        rows = np.array([self._at.get(key, -1) for key in keys], np.int64)
        self._last, self._rows = series, rows
        return rows, fresh

    def _add(self, series: Series, keys: list[Key], new: list[int]) -> Ints:
        """Append these rows of `series`; a key given twice is one row."""
        first = len(self)
        picked: list[int] = []
        for i in new:
            if keys[i] not in self._at:
                self._at[keys[i]] = first + len(picked)
                picked.append(i)
        if picked:
            own = _rows_of(self.series)
            self.series = Series.build([*own, *_rows_of(series.take(np.array(picked, np.int64)))])
        return np.arange(first, first + len(picked), dtype=np.int64)

    def take(self, rows: Ints) -> None:
        """Keep these rows only, in this order."""
        self.series = Series.build(_rows_of(self.series.take(rows)))
        self._at = {key: i for i, key in enumerate(self.series.keys())}
        self._last = None

    def dump(self) -> NDArray[np.uint8]:
        """The rows as UTF-8 JSON, deflated: labels repeat themselves."""
        text = json.dumps(_rows_of(self.series), ensure_ascii=False, separators=(",", ":"))
        return np.frombuffer(zlib.compress(text.encode(), 1), np.uint8).copy()

    def load(self, data: NDArray[Any]) -> None:
        """Take `dump` back. Raises ValueError on what is not one."""
        rows = json.loads(_inflated(bytes(data.astype(np.uint8))).decode())
        if not isinstance(rows, list):
            raise ValueError("not a list of series")
        self.series = Series.build((str(a), str(h), str(r), tuple((str(k), str(v)) for k, v in pairs)) for a, h, r, pairs in rows)
        self._at = {key: i for i, key in enumerate(self.series.keys())}
        self._last = None


def _inflated(data: bytes) -> bytes:
    """What `dump` deflated, if it is no larger than any table. Raises ValueError."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not stream.eof:
        raise ValueError("cut short, or too much")
    return text


def _same(a: Series, b: Series) -> bool:
    """Whether two tables have the same rows in the same order; quick when the label tuples are the same objects."""
    return len(a) == len(b) and a.signals == b.signals and np.array_equal(a.signal, b.signal) and a.labels == b.labels


def _rows_of(series: Series) -> list[tuple[str, str, str, Labels]]:
    """(alias, host, role, labels) of every row, as `Series.build` takes them."""
    signal, host = series.signal.tolist(), series.host.tolist()
    hosts, roles, signals = series.hosts, series.roles, series.signals
    return [(signals[s], hosts[h], roles[h], p) for s, h, p in zip(signal, host, series.labels, strict=True)]
