"""One cycle, the only door to a score: samples in, a Report out. The service, replays and benchmarks all run this code.

read (a Window) -> score -> forecast -> find -> group and rank -> explain -> Report. Pure: the samples and the time are handed in.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from analyzer.detect.engine import Engine, StateError
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.health import health, server_scores, server_states
from analyzer.incidents import Incidents
from analyzer.people import NOBODY, People
from analyzer.ports import Explainer
from analyzer.records import Board, Explanation, Forecast, Incident, Report, Scores, Topology
from analyzer.signals import Signal
from analyzer.window import Bools, Series, Window

Muted = Callable[[Series, float], Bools]
EXPLAIN_AGAIN = 60.0  # seconds after which an open incident's numbers are said anew
KEEP_CLOSED = 3600.0  # seconds for which the words about a closed incident stay on the board


class Cycle:
    """What is known, and how one more column of samples changes it.

    Parameters
    ----------
    signals : what is watched, by alias.
    engine, forecaster, findings, incidents : the stages, in the order in which they run.
    explainer : writes the words; None leaves incidents without (benchmarks).
    horizons, forecast_every : seconds.
    utc_offset : seconds that the users' zone is ahead of UTC at a time; asked at every column, so that a usual hour stays the same
        hour when the clocks change. None = as the stages were made.

    Attributes
    ----------
    people : what people told us beside the samples, asked at every column.
    """

    def __init__(
        self,
        signals: Mapping[str, Signal],
        *,
        engine: Engine,
        forecaster: Forecaster,
        findings: Findings,
        incidents: Incidents,
        explainer: Explainer | None = None,
        horizons: tuple[float, ...] = (3600.0, 21600.0, 86400.0),
        forecast_every: float = 120.0,
        utc_offset: Callable[[float], float] | None = None,
    ) -> None:
        self.signals, self.utc_offset = signals, utc_offset
        self.engine, self.forecaster = engine, forecaster
        self.findings, self.incidents = findings, incidents
        self.people: Callable[[], People] = lambda: NOBODY
        self.explainer, self.horizons, self.forecast_every = explainer, horizons, forecast_every
        self._forecast: Forecast | None = None
        self._explanations: dict[str, Explanation] = {}
        self._sent: Series = Series.empty()
        self._sent_of: tuple[Series, Bools] = self._sent, np.zeros(0, bool)

    def bootstrap(self, history: Window, *, guarded: bool = False) -> None:
        """Learn from the past, in time order, in as many chunks as the caller likes. Opens nothing.

        guarded : the past was missed in an absence; what is strange in it is kept out of what is usual.
        """
        if len(history.times):
            self._follow_zone(float(history.times[0]))
        self.engine.bootstrap(history, guarded=guarded)
        self.forecaster.bootstrap(history)

    def settle(self) -> None:
        """After the last of the past: learn what needs all of it at once."""
        self.engine.settle()

    def run(self, window: Window, *, topology: Topology | None = None, muted: Muted | None = None) -> list[Report]:
        """One Report for each column of the window, in time order."""
        reports = []
        for column in range(len(window.times)):
            at = slice(column, column + 1)
            one = replace(window, times=window.times[at], values=window.values[:, at])
            reports.append(self._one(one, topology or Topology(), muted))
        return reports

    def _one(self, window: Window, topology: Topology, muted: Muted | None) -> Report:
        now = float(window.times[0])
        scores = self._judge(window, muted)
        if self._forecast is None or abs(now - self._forecast.time) >= self.forecast_every:  # a clock may have been set back
            self._forecast = self.forecaster.forecast(now, self.horizons)
        quiet, people = muted(scores.series, now) if muted else None, self.people()
        edges = people.edges(scores.series)
        found, held = self.findings.step(scores, muted=quiet, partial=window.partial, edges=edges)
        step = self.incidents.step(found, scores, self._forecast, topology, now, partial=window.partial, people=people)
        board = Board(
            now, self.signals, scores, self._forecast, tuple(f for f in found if f.state != "resolved"), tuple(step.open), {},
            topology, health(scores, step.open), server_scores(scores), server_states(scores),
            people.resting(scores.series, now, quiet),
            self.engine.learning(),
        )  # fmt: skip
        board = self._explain(board, step.changed)
        ended = self._ended(scores, partial=window.partial)
        return Report(now, board, tuple(step.changed), tuple(step.superseded), (*held, *step.suppressions), ended, window.partial)

    def _judge(self, window: Window, muted: Muted | None) -> Scores:
        """Score one column and learn from it."""
        now = float(window.times[0])
        self._follow_zone(now)
        resting = self.people().resting(window.series, now, muted(window.series, now) if muted else None)
        scores = self.engine.step(window, muted=resting)[0]
        self.forecaster.learn(window, muted=resting)
        return scores

    def _follow_zone(self, now: float) -> None:
        if self.utc_offset is not None:
            self.engine.profile.utc_offset = self.forecaster.offset = self.utc_offset(now)

    def _explain(self, board: Board, changed: list[Incident]) -> Board:
        """The board with words: new for what changed, and said anew once a minute for what stays open."""
        if self.explainer is not None:
            due = {i.id: i for i in board.incidents if abs(board.time - self._said(i.id)) >= EXPLAIN_AGAIN} | {
                i.id: i for i in changed
            }
            for incident in due.values():
                self._explanations[incident.id] = self.explainer.explain(incident, board)
        open_ids = {i.id for i in board.incidents}
        kept = {k: e for k, e in self._explanations.items() if k in open_ids or board.time - e.time < KEEP_CLOSED}
        self._explanations = kept
        return replace(board, explanations=dict(kept))

    def _said(self, incident: str) -> float:
        return self._explanations[incident].time if incident in self._explanations else -np.inf

    def _ended(self, scores: Scores, *, partial: bool) -> Series:
        """Series that sent a sample last time and none now: their derived series end with a stale marker."""
        sends = np.isfinite(scores.value)
        if partial or not sends.any():  # what is missing from half an answer, or from none, has not ended
            return Series.empty()
        if scores.series is self._sent_of[0] and np.array_equal(sends, self._sent_of[1]):
            return Series.empty()
        self._sent_of = scores.series, sends
        now = scores.series.take(np.flatnonzero(sends))
        before, self._sent = self._sent, now
        if before.labels == now.labels and np.array_equal(before.signal, now.signal):
            return Series.empty()
        gone = np.flatnonzero(now.positions(before.keys()) < 0)
        return before.take(gone)

    def state(self) -> dict[str, Any]:
        """What a restart needs of the trackers, JSON-able; detectors' arrays are `arrays`."""
        return {"findings": self.findings.state(), "incidents": self.incidents.state()}

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Detector and forecaster state as plain arrays, for a snapshot."""
        engine = {f"engine.{k}": v for k, v in self.engine.state().items()}
        return engine | {f"forecaster.{k}": v for k, v in self.forecaster.state().items()}

    def restore_arrays(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take `arrays` back, all or nothing. Raises analyzer.detect.engine.StateError; the detectors can learn anew then."""
        try:
            self.engine.restore({k[7:]: v for k, v in arrays.items() if k.startswith("engine.")})
            self.forecaster.restore({k[11:]: v for k, v in arrays.items() if k.startswith("forecaster.")})
        except StateError:
            for part in (self.engine, self.forecaster):
                with suppress(StateError):
                    part.restore({})  # refused, and left empty
            raise

    def restore_trackers(self, state: Mapping[str, Any]) -> None:
        """Take `state` back, all or nothing. Raises ValueError, KeyError, TypeError or AttributeError on what is not one."""
        before = self.state()
        try:
            self.findings.restore(state["findings"])
            self.incidents.restore(state["incidents"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.findings.restore(before["findings"])
            self.incidents.restore(before["incidents"])
            raise

    def catch_up(self, window: Window, *, muted: Muted | None = None) -> None:
        """Score and learn one column whose findings are known already (a restart); opens nothing."""
        self._judge(window, muted)
