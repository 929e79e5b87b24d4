"""State of many series as named arrays [series, ...]: grow, drop and reorder all of them together.

In: a specification of fields. Out: arrays. No per-series objects anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analyzer.window import Ints

Array = NDArray[Any]


class StateError(Exception):
    """A saved state does not fit this version or these settings: start cold."""


@dataclass(frozen=True, slots=True)
class Field:
    """One array: what a new series starts with, and the shape of one series' share."""

    fill: float
    shape: tuple[int, ...] = ()
    dtype: DTypeLike = np.float64


class Columns:
    """Named arrays that share their first axis."""

    def __init__(self, spec: Mapping[str, Field]) -> None:
        self.spec = dict(spec)
        self.arrays: dict[str, Array] = {k: np.full((0, *f.shape), f.fill, f.dtype) for k, f in self.spec.items()}

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __setitem__(self, name: str, value: Array) -> None:
        self.arrays[name][...] = value

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def nbytes(self) -> int:
        """Bytes held by all arrays."""
        return sum(a.nbytes for a in self.arrays.values())

    def grow(self, more: int) -> None:
        """Append `more` series in their starting state."""
        for name, f in self.spec.items():
            fresh = np.full((more, *f.shape), f.fill, f.dtype)
            self.arrays[name] = np.concatenate([self.arrays[name], fresh])

    def take(self, rows: Ints) -> None:
        """Keep these rows, in this order."""
        self.arrays = {name: a[rows] for name, a in self.arrays.items()}

    def reset(self, rows: Ints, names: tuple[str, ...]) -> None:
        """Put some fields of some rows back to their starting state."""
        for name in names:
            self.arrays[name][rows] = self.spec[name].fill

    def dump(self, prefix: str) -> dict[str, Array]:
        """Copies of all arrays under `prefix` + name."""
        return {prefix + name: a.copy() for name, a in self.arrays.items()}

    def load(self, state: Mapping[str, Array], prefix: str, rows: int) -> None:
        """Take arrays back. Raises StateError where one is missing or has another shape or type."""
        fresh = {}
        for name, f in self.spec.items():
            array = state.get(prefix + name)
            if array is None or array.shape != (rows, *f.shape) or array.dtype != np.dtype(f.dtype):
                raise StateError(f"state: {prefix + name} is missing or does not fit {rows} series")
            fresh[name] = array.copy()
        self.arrays = fresh
