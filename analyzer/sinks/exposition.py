"""Derived series as exposition text: what `/derived/metrics` answers where remote write is not open.

In: the newest blocks. Out: bytes in the Prometheus text format 0.0.4, without timestamps, to be scraped with `honor_labels`.
`name{labels} ` is kept as bytes for as long as a family lives; only the values are printed anew.
"""

from weakref import WeakKeyDictionary

import numpy as np

from analyzer.derived import HELP, Block, Family
from analyzer.window import Labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Renderer:
    """Prints blocks; keeps the unchanging part of every line."""

    def __init__(self) -> None:
        self._heads: WeakKeyDictionary[Family, list[bytes]] = WeakKeyDictionary()

    def render(self, blocks: tuple[Block, ...]) -> bytes:
        """All samples of the blocks, one family after the other."""
        parts: list[bytes] = []
        for block in blocks:
            rows = np.flatnonzero(block.written).tolist()
            if not rows:
                continue
            parts.append(_header(block.family))
            heads = self._heads_of(block.family)
            values = block.values[rows].tolist()
            parts += [heads[row] + _number(value) for row, value in zip(rows, values, strict=True)]
        return b"".join(parts)

    def _heads_of(self, family: Family) -> list[bytes]:
        known = self._heads.get(family)
        if known is None:
            known = self._heads[family] = [f"{family.name}{_labels(labels)} ".encode() for labels in family.table.labels]
        return known


def _header(family: Family) -> bytes:
    base = family.var.rsplit("_", 1)[0] if family.var not in HELP else family.var
    ahead = "" if family.var in HELP else f" In {family.var.rsplit('_', 1)[1]}:"
    text = HELP.get(base, "Derived by the analyzer.")
    return f"# HELP {family.name}{ahead} {text}\n# TYPE {family.name} gauge\n".encode()


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels) + "}"


def _number(value: float) -> bytes:
    if value != value:  # noqa: PLR0124  # NaN
        return b"NaN\n"
    if value in (float("inf"), float("-inf")):
        return b"+Inf\n" if value > 0 else b"-Inf\n"
    return b"%r\n" % value
