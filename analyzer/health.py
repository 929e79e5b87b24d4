"""How well each server is, as two numbers: a health of 0..100 and an anomaly score.

In: Scores of one instant and the open incidents. Out: per host; a host that sends nothing is in neither: no data is not health. A
server is strange when several of its series are, or when their combination is.
"""

from collections.abc import Sequence

import numpy as np

from analyzer.records import Incident, Scores
from analyzer.window import Bools, Floats

COST = {"critical": 60.0, "warning": 30.0, "info": 8.0}
STRANGE_MOST = 25.0  # what strange series may cost before anything is an incident
FELT = 0.4  # what an incident elsewhere costs a server that only feels it
TOP = 3  # one wild series is a series, three are a server


def server_scores(scores: Scores) -> dict[str, float]:
    """How strange each server is, by its series or by their combination, whichever is more; not those that send nothing."""
    by_series, whole = _by_series(scores), scores.whole
    if whole is None:
        return by_series
    together = dict(zip(whole.hosts, np.nan_to_num(whole.score).tolist(), strict=True))
    return {host: max(score, together.get(host, 0.0)) for host, score in by_series.items()}


def server_states(scores: Scores) -> dict[str, str]:
    """What each server is doing: idle, normal, busy or stressed; those of which it cannot be said are left out."""
    whole = scores.whole
    return {} if whole is None else {host: state for host, state in zip(whole.hosts, whole.state, strict=True) if state}


def _by_series(scores: Scores) -> dict[str, float]:
    """Mean of each server's strangest series."""
    top = _strangest(scores)
    with np.errstate(invalid="ignore"):
        known: Bools = np.isfinite(top).sum(1) > 0
    mean = np.nansum(top, 1) / np.maximum(np.isfinite(top).sum(1), 1)
    return {host: float(mean[i]) for i, host in enumerate(scores.series.hosts) if known[i]}


def health(scores: Scores, incidents: Sequence[Incident]) -> dict[str, float]:
    """100 = nothing is wrong, 0 = down. A server that is down has a health although it sends nothing else."""
    strange = _by_series(scores)
    out = {host: 100.0 - STRANGE_MOST * min(max(score - 0.5, 0.0) / 2.0, 1.0) for host, score in strange.items()}
    for incident in incidents:
        if incident.state != "open":
            continue
        cost = COST[incident.severity] * (0.3 if incident.benign else 1.0)
        for host in (incident.host, *incident.affected):
            if host in out:
                out[host] -= cost if host == incident.host else FELT * cost
    for host in _down(scores):
        out[host] = 0.0
    return {host: float(min(max(value, 0.0), 100.0)) for host, value in out.items()}


def _strangest(scores: Scores) -> Floats:
    """The TOP highest scores of each host. float64 [host, TOP], NaN where it has fewer."""
    out = np.full((len(scores.series.hosts), TOP), np.nan)
    rows = np.flatnonzero(np.isfinite(scores.score))
    host, score = scores.series.host[rows], scores.score[rows]
    order = np.argsort(-score)
    order = order[np.argsort(host[order].astype(np.min_scalar_type(len(out))), kind="stable")]  # narrow: in linear time
    host, score = host[order], score[order]
    first = np.searchsorted(host, host)
    place = np.arange(len(host)) - first
    keep = place < TOP
    out[host[keep], place[keep]] = score[keep]
    return out


def _down(scores: Scores) -> list[str]:
    rows = scores.series.rows_of(signal="up")
    return [scores.series.host_of(row) for row in rows.tolist() if scores.value[row] < 0.5]
