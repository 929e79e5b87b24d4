"""Derived series -> bodies of remote write 1.0 requests (protobuf `prometheus.WriteRequest`).

In: blocks of samples at one time. Out: uncompressed bodies of at most `limit` series each. The bytes of a series (its labels and
the frame of its one sample) are laid out once; a cycle patches the eight bytes of the value and the six of the time, all rows at
once. Values are moved as bits, so a stale marker or another NaN arrives as it left. Milliseconds exist only here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from analyzer.derived import METRIC_NAME, Block, Family, LabelTable
from analyzer.window import Bools, Floats, Ints, Labels

MAX_SERIES = 10_000  # newer servers refuse bodies that decode to more than 32 MB
_TIME_BYTES = 6  # a varint of six bytes holds the milliseconds from 1971 to 2109
_SAMPLE = b"\x12\x10\x09" + bytes(8) + b"\x10" + bytes(_TIME_BYTES)  # field 2 {1: double, 2: int64}
_FIRST_MS, _LAST_MS = 1 << 35, (1 << 42) - 1


@dataclass(frozen=True, slots=True)
class Body:
    """One request before compression: protobuf bytes, and how many series they hold."""

    series: int
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All series of a family as bytes, with zero for value and time.

    data : uint8 [bytes]. ends : int64 [series], where each row stops; the last fifteen bytes are value, tag and time.
    values, words : the same bytes, as a float64 and as a uint64 that begins at each of them.
    """

    data: NDArray[np.uint8]
    ends: Ints
    values: Floats
    words: NDArray[np.uint64]


class Encoder:
    """Keeps the layout of every family that is still in use."""

    def __init__(self) -> None:
        self._layouts: WeakKeyDictionary[Family, Layout] = WeakKeyDictionary()
        self._labels: WeakKeyDictionary[LabelTable, list[tuple[bytes, bytes]]] = WeakKeyDictionary()

    def bodies(self, blocks: Iterable[Block], time: float, limit: int = MAX_SERIES) -> list[Body]:
        """All samples of the blocks at `time` (unix seconds), in requests of at most `limit` series."""
        stamp = varint_time(time)
        done: list[Body] = []
        parts: list[bytes] = []
        count = 0
        for block in blocks:
            data, ends = self._fill(block, stamp)
            start = 0
            while start < len(ends):
                stop = min(len(ends), start + limit - count)
                parts.append(data[(int(ends[start - 1]) if start else 0) : int(ends[stop - 1])])
                count, start = count + stop - start, stop
                if count == limit:
                    done.append(Body(count, b"".join(parts)))
                    parts, count = [], 0
        return [*done, Body(count, b"".join(parts))] if count else done

    def _fill(self, block: Block, stamp: NDArray[np.uint8]) -> tuple[bytes, Ints]:
        """The rows of a block that have a sample, as bytes, and where each row stops."""
        layout = self._layout(block.family)
        return _patched(layout, block.values, block.written, stamp)

    def _layout(self, family: Family) -> Layout:
        known = self._layouts.get(family)
        if known is None:
            known = self._layouts[family] = lay_out(family.name, self._parts(family.table))
        return known

    def _parts(self, table: LabelTable) -> list[tuple[bytes, bytes]]:
        known = self._labels.get(table)
        if known is None:
            known = self._labels[table] = [label_parts(labels) for labels in table.labels]
        return known


def _patched(layout: Layout, values: Floats, written: Bools, stamp: NDArray[np.uint8]) -> tuple[bytes, Ints]:
    data, ends = layout.data, layout.ends  # patched in place: what it held before is of no use to anyone
    layout.words[ends - 8] = np.frombuffer(b"\x00\x10" + stamp.tobytes(), "<u8")  # the first byte is the value's last
    layout.values[ends - 15] = values
    if written.all():
        return data.tobytes(), ends
    turns = np.flatnonzero(np.diff(written.astype(np.int8), prepend=0, append=0))
    edges, all_of_it = np.concatenate([[0], ends])[turns].tolist(), data.data
    runs = [all_of_it[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return b"".join(runs), np.cumsum(np.diff(ends, prepend=0)[written])


def varint_time(time: float) -> NDArray[np.uint8]:
    """Milliseconds of a time as the bytes of a varint: uint8 [6]. Rounded down, so never later than what it was made from."""
    ms = int(np.floor(time * 1000 + 1e-3))  # 1e-3: 0.1 s steps are not exact in binary
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise ValueError(f"time {time} is not a unix time in seconds between 1971 and 2109")
    return np.frombuffer(varint(ms), np.uint8)


def varint(number: int) -> bytes:
    """Protobuf's variable-length form of a number >= 0."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def label(name: str, value: str) -> bytes:
    """One label pair as field 1 of a series."""
    key, text = name.encode(), value.encode()
    body = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(text)) + text
    return b"\x0a" + varint(len(body)) + body


def label_parts(labels: Labels) -> tuple[bytes, bytes]:
    """The labels that sort before `__name__` (upper-case ones) and those after it."""
    before = b"".join(label(name, value) for name, value in labels if name < "__name__")
    return before, b"".join(label(name, value) for name, value in labels if name >= "__name__")


def lay_out(name: str, parts: Sequence[tuple[bytes, bytes]]) -> Layout:
    """Bytes of every series of one metric, ready to be patched."""
    if not METRIC_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a metric name")
    middle = label("__name__", name)
    fixed = len(middle) + len(_SAMPLE)
    rows = [b"\x0a" + varint(len(head) + len(tail) + fixed) + head + middle + tail + _SAMPLE for head, tail in parts]
    ends = np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)))
    data = np.frombuffer(bytearray(b"".join(rows)), np.uint8)
    starts = (max(len(data) - 7, 0),)
    values: Floats = np.ndarray(starts, "<f8", data, strides=(1,))
    words: NDArray[np.uint64] = np.ndarray(starts, "<u8", data, strides=(1,))
    return Layout(data, ends, values, words)


def split_series(data: bytes) -> list[bytes]:
    """The series of a body, each with its frame; joined again they are the body. For halving a refused request."""
    rows, at = [], 0
    while at < len(data):
        start, length, shift = at, 0, 0
        at += 1  # the tag of field 1
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += length
        rows.append(data[start:at])
    return rows
