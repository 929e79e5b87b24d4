"""How far each series is known, what it lacks, and for how long yet: one row a series, filtered, by page."""

from dataclasses import dataclass

import numpy as np
from aiohttp import web

from analyzer.api.present import Json, number, when
from analyzer.api.query import board_of, language, page, paging
from analyzer.api.state import STATE
from analyzer.readiness import READY, REASONS, WORDS, Readiness
from analyzer.readiness import readiness as judged
from analyzer.records import Board
from analyzer.window import Bools, Floats, Series
from service.http import Problem, choice_arg, text_arg

STATES = ("learning", "ready", "all")
FIGURES = ("ready", "seen_seconds", "eta_seconds", "judged_in_seconds")


async def readiness(request: web.Request) -> web.Response:
    """Series that still learn (or `state`), with the reason in words; means by signal, and counts by reason."""
    board, part = board_of(request), paging(request)
    if board.learning is None:
        raise Problem(503, "not_ready", request.app[STATE].reason() or "no cycle has been completed yet", {"Retry-After": "5"})
    listed = Listing(board, judged(board.learning, board.muted), np.nan_to_num(board.scores.ready), language(request))
    signal, host = text_arg(request, "signal", "", 128) or None, text_arg(request, "server", "", 256) or None
    state, reason = choice_arg(request, "state", "learning", STATES), choice_arg(request, "reason", "", ("", *REASONS))
    asked = np.zeros(len(board.scores.series), bool)
    asked[board.scores.series.rows_of(signal=signal, host=host)] = True
    rows: list[int] = np.flatnonzero(asked & listed.wanted(state, reason)).tolist()
    out = board.learning.left_out if state != "ready" and reason in ("", "no_room") else Series.empty()
    left: list[int] = out.rows_of(signal=signal, host=host).tolist()
    first, last = part["offset"], part["offset"] + part["limit"]
    told = [listed.known(row) for row in rows[first:last]]
    told += [listed.refused(row) for row in left[max(first - len(rows), 0) : max(last - len(rows), 0)]]
    return page("learning", told, len(rows) + len(left), first, time=when(board.time), **listed.summary(asked))


@dataclass(frozen=True, slots=True)
class Listing:
    """One board's series as rows. `ready`: float64 [series], without NaN."""

    board: Board
    judged: Readiness
    ready: Floats
    lang: str

    def wanted(self, state: str, reason: str) -> Bools:
        """Which series a filter asks for: bool [series]."""
        known = (self.judged.reason == READY) & (self.ready >= 1)
        some: Bools = {"learning": ~known, "ready": known, "all": np.ones(len(known), bool)}[state]
        return some & (self.judged.reason == REASONS.index(reason)) if reason else some

    def known(self, row: int) -> Json:
        """A series of the engine's table."""
        said, of = self.judged.words(row), self.judged
        figures = (self.ready[row], of.learning.known[row], of.eta[row], of.judged[row])
        more = {name: number(float(value)) for name, value in zip(FIGURES, figures, strict=True)}
        return {**_who(self.board.scores.series, row), **more, "reason": REASONS[int(of.reason[row])], "text": said.say(self.lang)}

    def refused(self, row: int) -> Json:
        """A series that found no room."""
        figures = dict.fromkeys(FIGURES) | {"ready": 0.0, "seen_seconds": 0.0}
        return {**_who(self.judged.learning.left_out, row), **figures, "reason": "no_room", "text": WORDS["no_room"].say(self.lang)}

    def summary(self, asked: Bools) -> Json:
        """The mean of all that were asked for, by signal, and how many lack what in all."""
        series, signals = self.board.scores.series, []
        for i, alias in enumerate(series.signals):
            mine = self.ready[asked & (series.signal == i)]
            if len(mine):
                mean, learning = number(float(mine.mean())), int((mine < 1).sum())
                signals.append({"signal": alias, "series": len(mine), "ready": mean, "learning": learning})
        overall = number(float(self.ready[asked].mean())) if asked.any() else None
        return {"ready": overall, "signals": signals, "reasons": self.judged.counts()}


def _who(series: Series, row: int) -> Json:
    alias, labels = series.key(row)
    return {"signal": alias, "hostname": series.host_of(row), "labels": dict(labels)}
