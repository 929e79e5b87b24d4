"""A series that appears is judged by its role's peers until it is known itself.

In: the state of all series and the rows that just appeared. Out: the rows' state filled with what is typical of their peers.
"""

import numpy as np

from analyzer.detect.columns import Columns
from analyzer.detect.profile import sorted_median
from analyzer.detect.ring import CELLS, Ring
from analyzer.detect.rules import Rules
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Ints

COPIED = ("hourly", "hourly_n", "up", "down", "change", "change_n", "longest", "moves", "moves_n")
LENT = 0.8  # how far a borrowed profile is trusted
LEVEL_SECONDS = 1800.0  # the borrowed level gives way within the hour


def lend(c: Columns, rules: Rules, fresh: Ints, settings: DetectionSettings, tails: tuple[str, ...]) -> None:
    """Fill the state of the `fresh` rows from peers of the same signal and role that are ready."""
    for group in np.unique(rules.group[fresh]).tolist():
        if group < 0:
            continue
        members = np.flatnonzero(rules.group == group)
        peers = members[(c["known"][members] >= settings.ready_seconds) & ~np.isnan(c["center"][members])]
        if len(peers):
            _fill(c, fresh[rules.group[fresh] == group], peers, tails)


def _fill(c: Columns, rows: Ints, peers: Ints, tails: tuple[str, ...]) -> None:
    center = c["center"][peers]
    middle = float(np.median(center))
    apart = 1.4826 * float(np.median(np.abs(center - middle)))
    ring = Ring(c)
    shape = _middle((ring.read(peers) - center[:, None]).astype(np.float32)) + middle
    ring.write(rows, np.arange(CELLS), np.tile(shape, (len(rows), 1)))
    c["center"][rows], c["level"][rows], c["level_n"][rows] = middle, float(np.median(c["level"][peers])), LEVEL_SECONDS
    for name in COPIED:
        if name in c.arrays:
            c[name][rows] = np.median(c[name][peers], axis=0)
    c["spread"][rows] = 1.5 * float(np.median(c["spread"][peers])) + apart
    c["spread_n"][rows] = LEVEL_SECONDS
    c["hourly_n"][rows] = 0.0
    for tail in tails:
        for part in ("u", "e"):
            c[f"{tail}.{part}"][rows] = c[f"{tail}.{part}"][peers].max()
    c["lent"][rows] = LENT


def _middle(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Median over peers, NaN where none of them has a value; few peers, rare: no need to be fast."""
    return sorted_median(np.moveaxis(values, 0, -1))
