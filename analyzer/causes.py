"""Which server began it and what kind of failure it looks like, ranked, with what speaks for and against.

Every (server, kind) is a hypothesis. It earns by its own marks (`kinds`), by strangeness elsewhere that it would explain through
the dependency graph, and by having begun first; it pays for marks that contradict it or that it leaves unexplained. The deepest
dependency that is itself strange so beats its dependents. All hypotheses are judged at once, as matrix products.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from analyzer.graph import Graph
from analyzer.kinds import PATTERNS, UNKNOWN, Marks, Pattern
from analyzer.records import Cause, Finding, Reason, Scores
from analyzer.symptoms import SEEN, Symptoms
from analyzer.window import Floats

KINDS = (*PATTERNS, "unknown")
TEMPERATURE = 0.5  # how much better a hypothesis must be to be much surer
CORE, USUAL, ELSEWHERE, UNEXPLAINED = 2.0, 1.0, 0.35, 0.45
MOST_ELSEWHERE = 4.0  # being felt by many is not more certain than being felt by some
FIRST = 0.4  # what having begun first is worth
HABIT = 1.6  # what having come at this hour before is worth to a batch job
LEAST_CORE = 0.3
UNNAMED = 0.6  # the most that can be sure of a failure that has no name
COVER = 2.0  # what it costs to leave all that an incident is made of unexplained
MOST_PEAK = 3.0
NO_MORE_VISITORS = 1.5
NEVER = -9.0
Hypothesis = tuple[str, str]


class Matrices:
    """The table of kinds over one list of signals: [kind, signal] for marks above and below."""

    def __init__(self, signals: tuple[str, ...]) -> None:
        patterns: list[Pattern] = [*PATTERNS.values(), UNKNOWN]
        self.signals = signals
        self.core = self._pair([p.core for p in patterns])
        self.usual = self._pair([p.usual for p in patterns])
        self.against = self._pair([p.against for p in patterns])
        self.up = self._pair([p.up for p in patterns])
        self.down = self._pair([p.down for p in patterns])
        self.peers = self._pair([p.peers for p in patterns])
        self.own = self._pair([dict.fromkeys((*p.core, *p.usual, *p.may), 1.0) for p in patterns])
        self.usual_total = np.maximum([sum(p.usual.values()) for p in patterns], 1e-9)
        self.usual_any = np.array([bool(p.usual) for p in patterns])

    def _pair(self, tables: list[Marks]) -> tuple[Floats, Floats]:
        above, below = np.zeros((2, len(tables), len(self.signals)))
        at = {s: i for i, s in enumerate(self.signals)}
        for k, table in enumerate(tables):
            for mark, weight in table.items():
                column = at.get(mark if mark.startswith("!") else mark[1:])
                if column is None:
                    continue
                if mark[0] in "+~!":
                    above[k, column] = max(above[k, column], weight)
                if mark[0] in "-~":
                    below[k, column] = max(below[k, column], weight)
        return above, below


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Merit of every hypothesis: float64 [host, kind]; NEVER where the core is missing."""

    hosts: tuple[str, ...]
    merit: Floats

    def best(self) -> Hypothesis:
        """The most deserving (host, kind)."""
        h, k = np.unravel_index(int(np.argmax(self.merit)), self.merit.shape)
        return self.hosts[int(h)], KINDS[int(k)]

    def hypotheses(self) -> dict[Hypothesis, float]:
        """Merit of those whose core is there."""
        rows, columns = np.nonzero(self.merit > NEVER / 2)
        return {(self.hosts[h], KINDS[k]): float(self.merit[h, k]) for h, k in zip(rows.tolist(), columns.tolist(), strict=True)}


class Judge:
    """Weighs hypotheses over one table of signals.

    Parameters
    ----------
    signals : column names of the symptoms that will be judged.
    """

    def __init__(self, signals: tuple[str, ...]) -> None:
        self.matrices = Matrices(signals)
        self._follows: dict[tuple[tuple[bool, bool, bool], tuple[int, int]], Floats] = {}

    def weigh(self, symptoms: Symptoms, graph: Graph, hosts: Iterable[str], habits: Iterable[str] = ()) -> Verdict:
        """Merit of every kind on the given hosts.

        Parameters
        ----------
        hosts : the candidates.
        habits : hosts on which something like this came at this hour on earlier days.
        """
        names = tuple(dict.fromkeys(h for h in hosts if h in graph.at))
        if not names:
            return Verdict((), np.zeros((0, len(KINDS))))
        m = self.matrices
        at = np.array([graph.at[h] for h in names])
        seen = np.where(np.abs(symptoms.strength) >= SEEN, symptoms.strength, 0.0)
        above, below = np.fmax(seen, 0), np.fmax(-seen, 0)
        core = np.minimum(_sum(m.core, above[at], below[at]), 1.0)
        batch = KINDS.index("batch_job")  # what began long after the rest is no job that made the rest
        core[:, batch] = np.minimum(_sum(m.core, np.where(symptoms.late[at], 0.0, above[at]), below[at])[:, batch], 1.0)
        usual = np.where(m.usual_any, _sum(m.usual, above[at], below[at]) / m.usual_total, 0.5)
        against = _sum(m.against, above[at], below[at])
        left = np.abs(seen[at]).sum(1)[:, None] - _sum(m.own, above[at], below[at])
        elsewhere = np.stack([self._elsewhere(above, below, graph, int(h)) for h in at])
        merit = CORE * core + USUAL * usual - against - UNEXPLAINED * np.minimum(left, 3.0)
        merit = np.where(core >= LEAST_CORE, merit, NEVER)
        merit[:, -1] = 0.5 + 0.35 * np.minimum(np.abs(seen[at]).sum(1), 3.0)
        merit += np.where(merit > NEVER, ELSEWHERE * np.minimum(elsewhere, MOST_ELSEWHERE), 0.0)
        merit += np.where(merit > NEVER, self._first(symptoms, at)[:, None], 0.0)
        felt = elsewhere[:, -1] * (1.0 - np.clip(_column(symptoms, "nice")[at], 0.0, 1.0))  # who gives way to others says so
        merit[:, batch] -= np.minimum(felt, 2.0)  # a job that others feel is none
        self._adjust(merit, names, graph, set(habits))
        self._demand(merit, symptoms, graph, at.tolist())
        return Verdict(names, merit)

    def _elsewhere(self, above: Floats, below: Floats, graph: Graph, host: int) -> Floats:
        """Strangeness around a host that each kind on it would explain. float64 [kind]."""
        m, out = self.matrices, np.zeros(len(KINDS))
        near = graph.dependents(host)
        if near:
            rows = np.array(list(near))
            fade = 0.8 ** (np.array(list(near.values())) - 1.0)
            out += _sum(m.up, above[rows] * fade[:, None], below[rows] * fade[:, None], cap=1.5)
        beside, peers = graph.beside(host), graph.peers(host)
        if len(beside):
            out += 0.5 * _sum(m.down, above[beside], below[beside], cap=1.5)
        if len(peers):
            out += 0.5 * _sum(m.peers, above[peers], below[peers], cap=1.5)
        return out

    def _first(self, symptoms: Symptoms, at: Floats) -> Floats:
        """A little for having begun before the other candidates, a little off for after. float64 [host]."""
        onset = symptoms.onset[at]
        if np.isfinite(onset).sum() < 2:
            return np.zeros(len(at))
        with np.errstate(invalid="ignore"):
            lead = np.tanh((np.nanmedian(onset) - onset) / 300.0)
        bonus: Floats = FIRST * np.nan_to_num(lead)
        return bonus

    def _adjust(self, merit: Floats, names: tuple[str, ...], graph: Graph, habits: set[str]) -> None:
        """Kinds that need a role; what came at this hour before is a batch job."""
        batch = KINDS.index("batch_job")
        for i, name in enumerate(names):
            role = graph.roles[graph.at[name]].lower()
            for k, kind in enumerate(KINDS[:-1]):
                words = PATTERNS[kind].roles
                if words and not any(word in role or word in name.lower() for word in words):
                    merit[i, k] = NEVER
            if name in habits:
                merit[i, batch] = max(merit[i, batch], merit[i, -1]) + HABIT

    def _demand(self, merit: Floats, symptoms: Symptoms, graph: Graph, at: list[int]) -> None:
        """More visitors come in through those who depend on a server; where these have no more, it is no surge of visitors."""
        if "requests" not in symptoms.signals:
            return
        requests, surge = symptoms.signals.index("requests"), KINDS.index("traffic_surge")
        for i, host in enumerate(at):
            asking = [n for n, hops in graph.dependents(host).items() if hops == 1 and symptoms.row[n, requests] >= 0]
            if asking and max(symptoms.strength[n, requests] for n in asking) < SEEN:
                merit[i, surge] -= NO_MORE_VISITORS

    def explains(self, host: str, kind: str, finding: Finding, graph: Graph) -> float:
        """How naturally a finding follows from a kind of failure on a host: 0 not at all, 1 its own mark."""
        place = self._place(finding)
        if finding.host not in graph.at or host not in graph.at:
            return 0.0
        a, b = graph.at[host], graph.at[finding.host]
        natural = 0.0 if place is None else float(self._natural(a, b, place, graph)[KINDS.index(kind)])
        return max(natural, 0.3) if a == b and kind == "unknown" else natural

    def covers(self, hosts: Iterable[str], findings: Iterable[Finding], graph: Graph) -> Floats:
        """Share of what is strange that follows from each kind on each host, strong findings counting more.

        hosts : names that the graph knows. Returns float64 [host, kind], 0..1; "unknown" may be anything on its own host.
        """
        at = [graph.at[host] for host in hosts]
        out, total = np.zeros((len(at), len(KINDS))), 1e-9
        for finding in findings:
            weight, b = min(max(finding.peak, 1.0), MOST_PEAK), graph.at.get(finding.host, -1)
            place = self._place(finding)
            total += weight
            if place is None:
                continue
            for i, a in enumerate(at):
                out[i] += weight * self._natural(a, b, place, graph)
                out[i, -1] += weight * float(a == b)
        return np.minimum(out / total, 1.0)

    def _natural(self, a: int, b: int, place: tuple[int, int], graph: Graph) -> Floats:
        """How naturally a mark (side, column) on b follows from each kind on a. float64 [kind]."""
        m, (below, column) = self.matrices, place
        if a == b:
            return m.own[below][:, column]
        near = graph.relation(a, b)
        known = self._follows.get((near, place))
        if known is not None:
            return known
        weight, (dependent, beside, peer) = np.zeros(len(KINDS)), near
        if dependent:
            weight = m.up[below][:, column]
        if beside:
            weight = np.where(weight > 0, weight, 0.8 * m.down[below][:, column])
        if peer:
            weight = np.where(weight > 0, weight, 0.8 * m.peers[below][:, column])
        self._follows[near, place] = weight
        return weight

    def evidence(self, symptoms: Symptoms, graph: Graph, host: str, kind: str) -> float:
        """Own marks of a kind, each at most 1, and a part of what others show."""
        m, k, at = self.matrices, KINDS.index(kind), graph.at[host]
        seen = np.where(np.abs(symptoms.strength) >= SEEN, symptoms.strength, 0.0)
        above, below = np.fmax(seen, 0), np.fmax(-seen, 0)
        if kind == "unknown":
            own = float(np.abs(seen[at]).sum())
        else:
            weight = [np.minimum(m.core[i][k] + m.usual[i][k], 1.0) for i in (0, 1)]
            own = float(above[at] @ weight[0] + below[at] @ weight[1])
        return own + 0.3 * min(float(self._elsewhere(above, below, graph, at)[k]), 3.0)

    def is_core(self, kind: str, finding: Finding) -> bool:
        """Is the finding one of the marks that make a kind?"""
        return self._mark(self.matrices.core, KINDS.index(kind), finding) >= 0.8

    def _mark(self, pair: tuple[Floats, Floats], kind: int, finding: Finding) -> float:
        place = self._place(finding)
        return 0.0 if place is None else float(pair[place[0]][kind, place[1]])

    def _place(self, finding: Finding) -> tuple[int, int] | None:
        """Where a finding stands in the matrices: (0 above, 1 below) and its column."""
        signals = self.matrices.signals
        name = f"!{finding.kind}" if f"!{finding.kind}" in signals else finding.signal
        if name not in signals:
            return None
        return int(not name.startswith("!") and side(finding) < 0), signals.index(name)


def _column(symptoms: Symptoms, signal: str) -> Floats:
    """Strength of one signal on every host, 0 where it is not known. float64 [host]."""
    if signal not in symptoms.signals:
        return np.zeros(len(symptoms.hosts))
    column: Floats = symptoms.strength[:, symptoms.signals.index(signal)]
    return column


def side(finding: Finding) -> float:
    """+1 above what was expected, -1 below."""
    if abs(finding.z) >= 1:
        return float(np.sign(finding.z))
    gap = finding.observed - finding.expected
    return float(np.sign(gap)) if np.isfinite(gap) else 1.0


def _sum(pair: tuple[Floats, Floats], above: Floats, below: Floats, *, cap: float | None = None) -> Floats:
    """Strengths weighted by marks: [host, kind]; with `cap`, each host counts at most so much and hosts are added up: [kind]."""
    each: Floats = above @ pair[0].T + below @ pair[1].T
    return each if cap is None else np.minimum(each, cap).sum(0)


def ranked(merit: dict[Hypothesis, float], most: int = 4) -> list[tuple[Hypothesis, float]]:
    """Hypotheses by confidence (softmax of merit), the best first; that no kind fits better makes "unknown" no certainty."""
    keys = [key for key, value in merit.items() if value > NEVER / 2]
    if not keys:
        return []
    values = np.array([merit[key] for key in keys])
    share = np.exp((values - values.max()) / TEMPERATURE)
    share /= share.sum()
    order = np.argsort(-share, kind="stable")[:most]
    return [(keys[i], float(share[i]) * (UNNAMED if keys[i][1] == "unknown" else 1.0)) for i in order.tolist()]


def cause(hypothesis: Hypothesis, confidence: float, symptoms: Symptoms, scores: Scores, graph: Graph) -> Cause:
    """The hypothesis with its reasons."""
    host, kind = hypothesis
    at = graph.at[host]
    pattern = PATTERNS.get(kind, UNKNOWN)
    own = {**pattern.may, **pattern.usual, **pattern.core}
    reasons_for = _own_reasons(host, at, {m: own.get(m, 0.2) for m in own} or _everything(symptoms), symptoms, scores)
    reasons_for += _felt(at, pattern, symptoms, scores, graph)
    against = _own_reasons(host, at, pattern.against, symptoms, scores)
    against += _missing(host, at, pattern, symptoms, scores)
    onset = float(symptoms.onset[at])
    others = [float(symptoms.onset[h]) for h in graph.dependents(at) if np.isfinite(symptoms.onset[h])]
    if others and np.isfinite(onset):
        lead = float(np.median(others)) - onset
        line = Reason(host, "", "earlier" if lead >= 0 else "later", onset, onset + lead, FIRST)
        if abs(lead) >= 30:
            (reasons_for if lead > 0 else against).append(line)
    key = sorted(reasons_for, key=lambda r: -r.weight)[:8], sorted(against, key=lambda r: -r.weight)[:4]
    return Cause(host, kind, round(confidence, 4), onset, tuple(key[0]), tuple(key[1]))


def _everything(symptoms: Symptoms) -> Marks:
    return {f"~{s}" if not s.startswith("!") else s: 1.0 for s in symptoms.signals}


def _own_reasons(host: str, at: int, marks: Marks, symptoms: Symptoms, scores: Scores) -> list[Reason]:
    out = []
    for mark, weight in marks.items():
        name = mark if mark.startswith("!") else mark[1:]
        if name not in symptoms.signals:
            continue
        column = symptoms.signals.index(name)
        strength = float(symptoms.strength[at, column])
        fits = abs(strength) >= SEEN and (mark[0] in "~!" or (strength > 0) == (mark[0] == "+"))
        if fits:
            out.append(_reason((host, name, int(symptoms.row[at, column])), strength, abs(strength) * weight, scores))
    return out


def _reason(place: tuple[str, str, int], strength: float, weight: float, scores: Scores) -> Reason:
    host, name, row = place
    value, expected = (float(scores.value[row]), float(scores.yhat[row])) if row >= 0 else (np.nan, np.nan)
    signal = scores.series.signals[int(scores.series.signal[row])] if row >= 0 else name.lstrip("!")
    special = {"!down": "gone", "!vanished": "gone", "!stuck": "frozen", "!restart": "restarted"}
    base = Reason(host, signal, "above" if strength > 0 else "below", value, expected, round(weight, 4))
    if name in special:
        return replace(base, what=special[name])  # type: ignore[arg-type]  # the four words above are all in Reason.what
    return base


def _felt(at: int, pattern: Pattern, symptoms: Symptoms, scores: Scores, graph: Graph) -> list[Reason]:
    """One reason for each direct neighbour that shows what would follow."""
    out = []
    for near, hops in graph.dependents(at).items():
        hits = _own_reasons(symptoms.hosts[near], near, pattern.up, symptoms, scores) if hops <= 2 else []
        if hits:
            best = max(hits, key=lambda r: r.weight)
            out.append(replace(best, what="depends", weight=round(0.5 * best.weight / hops, 4)))
    return out


def _missing(host: str, at: int, pattern: Pattern, symptoms: Symptoms, scores: Scores) -> list[Reason]:
    """What usually goes with it and looks as usual."""
    out = []
    for mark, weight in pattern.usual.items():
        name = mark.lstrip("+-~")
        column = symptoms.signals.index(name) if name in symptoms.signals else -1
        row = int(symptoms.row[at, column]) if column >= 0 else -1
        if row >= 0 and weight >= 0.5 and abs(float(symptoms.strength[at, column])) < SEEN:
            out.append(Reason(host, name, "usual", float(scores.value[row]), float(scores.yhat[row]), round(0.3 * weight, 4)))
    return out
