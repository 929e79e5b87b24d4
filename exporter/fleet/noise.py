"""Noise with random access: seed, names and unix seconds in, unit-variance noise out; nothing is ever drawn in sequence.

Value noise on lattices of several periods (Perlin 1985), lattice values hashed with splitmix64 (Steele, Lea, Flood 2014),
so the value at a time never depends on what was asked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FRESH_SECONDS = 15  # the shortest period is held, not interpolated: each scrape of a usual interval meets a new value


def mixed(words: Words) -> Words:
    """Finalise words with splitmix64; the argument is overwritten."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def keys(seed: int, *parts: npt.ArrayLike) -> Words:
    """Hash a seed and any broadcastable whole numbers to one word each."""
    word = mixed(np.array(seed % 2**64, dtype=np.uint64).reshape(1) + GOLDEN)
    for part in parts:
        word = mixed(word * GOLDEN + np.asarray(part).astype(np.int64).astype(np.uint64))
    return word


def uniform(words: Words) -> Floats:
    """Words to floats in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normalish(words: Words) -> Floats:
    """Words to a unit-variance triangular variable: the sum of their two halves."""
    halves = (words >> np.uint64(32)) + (words & np.uint64(0xFFFFFFFF))
    out = halves.astype(np.float64)
    out *= 2.0**-32
    out -= 1.0
    out *= 6.0**0.5
    return out


class Bank:
    """Several noise channels for many servers at once.

    Parameters
    ----------
    seed
        The only source of chance.
    servers
        Whole numbers that identify the servers.
    channels
        Channel name to its octaves, each (period in seconds, weight); weights are rescaled to unit variance.
    """

    def __init__(self, seed: int, servers: Sequence[int], channels: Mapping[str, Sequence[tuple[int, float]]]) -> None:
        self.names = tuple(channels)
        self.count = len(servers)
        periods = sorted({period for octaves in channels.values() for period, _ in octaves})
        self._octaves: list[tuple[int, list[int], Words, list[float]]] = []
        ids = np.asarray(servers, dtype=np.int64)
        for period in periods:
            used = [c for c, name in enumerate(self.names) if any(p == period for p, _ in channels[name])]
            weights = [self._weight(channels[self.names[c]], period) for c in used]
            key = keys(seed, period, np.asarray(used)[:, None], ids[None, :])
            self._octaves.append((period, used, key.reshape(-1, 1), weights))

    @staticmethod
    def _weight(octaves: Sequence[tuple[int, float]], period: int) -> float:
        # 2/3 is the mean variance of a linear blend of two independent values
        power = sum(w * w * (1.0 if p <= FRESH_SECONDS else 2.0 / 3.0) for p, w in octaves)
        return float(sum(w for p, w in octaves if p == period) / power**0.5)

    def at(self, times: Floats) -> dict[str, Floats]:
        """Noise of every channel at times [T]: name -> [servers, T]."""
        out: dict[str, Floats] = {}
        for period, used, key, weights in self._octaves:
            block = self._octave(period, key, times).reshape(len(used), self.count, -1)
            for i, channel in enumerate(used):
                name = self.names[channel]
                plane = block[i]
                plane *= weights[i]
                if name in out:
                    out[name] += plane
                else:
                    out[name] = plane
        return out

    @staticmethod
    def _octave(period: int, key: Words, times: Floats) -> Floats:
        position = times / period
        floor = np.floor(position)
        index = floor.astype(np.int64)
        held = period <= FRESH_SECONDS
        wanted = index if held else np.concatenate([index, index + 1])
        unique = np.unique(wanted)
        lattice = normalish(mixed(key + unique.astype(np.uint64)[None, :] * GOLDEN))
        first = lattice.take(np.searchsorted(unique, index), axis=1)
        if held:
            return first
        second = lattice.take(np.searchsorted(unique, index + 1), axis=1)
        second -= first
        second *= position - floor
        second += first
        return second


def smooth(seed: int, name: int, period: float, times: Floats) -> Floats:
    """One unit-variance slow curve [T] with the given period."""
    key = keys(seed, 7919, name)
    position = times / period
    floor = np.floor(position)
    index = floor.astype(np.int64)
    share = position - floor
    share = share * share * (3.0 - 2.0 * share)
    first = normalish(mixed(key + index.astype(np.uint64) * GOLDEN))
    second = normalish(mixed(key + (index + 1).astype(np.uint64) * GOLDEN))
    return first + (second - first) * share
