"""What the analyzer reads: many series over a span of time as one matrix.

In: label sets and samples from a source. Out: `Series` (who the rows are) and `Window` (rows and columns). Floor 0: no clock,
no I/O. Values are base units; times are unix seconds; NaN means that there is no sample, which is not zero.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Who the rows of a matrix are, column by column, so that 100,000 rows are five arrays and not 100,000 objects.

    Attributes
    ----------
    signals : the distinct signal aliases.
    hosts : the distinct identities (`instance`, or `cluster/instance`).
    roles : one a host; "" where nothing tells.
    signal, host : int64 [series], positions in `signals` and `hosts`.
    labels : one a series: sorted pairs, as the source gave them, without `__name__`.
    """

    signals: tuple[str, ...]
    hosts: tuple[str, ...]
    roles: tuple[str, ...]
    signal: Ints
    host: Ints
    labels: tuple[Labels, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def build(cls, rows: Iterable[tuple[str, str, str, Labels]]) -> Self:
        """From (alias, host, role, labels) rows; the order of the rows is kept."""
        signals: dict[str, int] = {}
        hosts: dict[str, int] = {}
        roles: list[str] = []
        signal, host, labels = [], [], []
        for alias, name, role, pairs in rows:
            signal.append(signals.setdefault(alias, len(signals)))
            if name not in hosts:
                hosts[name] = len(hosts)
                roles.append(role)
            elif role and not roles[hosts[name]]:
                roles[hosts[name]] = role
            host.append(hosts[name])
            labels.append(pairs)
        return cls(
            tuple(signals),
            tuple(hosts),
            tuple(roles),
            np.array(signal, np.int64),
            np.array(host, np.int64),
            tuple(labels),
        )

    @classmethod
    def empty(cls) -> Self:
        """No rows at all."""
        return cls.build(())

    def key(self, row: int) -> Key:
        """What makes a series the same series tomorrow: its alias and labels."""
        return self.signals[int(self.signal[row])], self.labels[row]

    def keys(self) -> list[Key]:
        """`key` of every row, in order."""
        aliases = [self.signals[i] for i in self.signal.tolist()]
        return list(zip(aliases, self.labels, strict=True))

    def host_of(self, row: int) -> str:
        """The identity of the server that a row belongs to."""
        return self.hosts[int(self.host[row])]

    def role_of(self, row: int) -> str:
        """The role of the server that a row belongs to; "" where unknown."""
        return self.roles[int(self.host[row])]

    def positions(self, keys: Sequence[Key]) -> Ints:
        """For each key the row that has it, -1 where none has. int64 [keys]."""
        at = {key: i for i, key in enumerate(self.keys())}
        return np.array([at.get(key, -1) for key in keys], np.int64)

    def rows_of(self, *, signal: str | None = None, host: str | None = None) -> Ints:
        """Rows of one signal, of one host, or of one signal on one host. int64 [n]."""
        keep = np.ones(len(self), bool)
        if signal is not None:
            keep &= self.signal == (self.signals.index(signal) if signal in self.signals else -1)
        if host is not None:
            keep &= self.host == (self.hosts.index(host) if host in self.hosts else -1)
        return np.flatnonzero(keep)

    def take(self, rows: Ints) -> Self:
        """The same table with only these rows, in this order; the lists of signals and hosts are kept whole."""
        picked = tuple(self.labels[i] for i in rows.tolist())
        return type(self)(self.signals, self.hosts, self.roles, self.signal[rows], self.host[rows], picked)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Samples of many series at common times.

    Attributes
    ----------
    series : who the rows are.
    times : float64 [time], unix seconds, increasing.
    values : float64 [series, time], base units; NaN = no sample.
    partial : the source said that the answer is not whole; nothing may be concluded from what is missing.
    warnings : what the source said about it.
    refused : series that the source left out because there were too many; what it did read is whole all the same.
    """

    series: Series
    times: Floats
    values: Floats
    partial: bool = False
    warnings: tuple[str, ...] = ()
    refused: int = 0

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.series), len(self.times)):
            raise ValueError(f"values {self.values.shape} do not fit {len(self.series)} series x {len(self.times)} times")

    @classmethod
    def empty(cls, times: Floats | None = None) -> Self:
        """A window without series: empty is not failed."""
        at = np.zeros(0) if times is None else times
        return cls(Series.empty(), at, np.zeros((0, len(at))))

    def at(self, column: int) -> Floats:
        """One column: float64 [series]."""
        return self.values[:, column]


def apart(times: Floats, least: float) -> Bools:
    """The columns to keep so that they lie at least `least` seconds apart, the first one included: bool [time]."""
    keep = np.zeros(len(times), bool)
    last = -np.inf
    for i, t in enumerate(times.tolist()):
        if t - last >= 0.999 * least:
            keep[i], last = True, t
    return keep
