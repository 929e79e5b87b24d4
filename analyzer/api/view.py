"""The board as servers: what one server is like now, with its signals, bands, forecasts, incidents and neighbours. Pure.

In: a board. Out: JSON rows. What all rows share is looked up once, so that a page of 1,000 servers stays cheap.
"""

import math
from collections import defaultdict
from functools import cached_property

from analyzer.api.present import Json, number, signal_json, when
from analyzer.records import Board, Forecast
from analyzer.window import Key

UNKNOWN_LAST = 101.0  # servers without a health come after the healthy


class View:
    """One board, indexed by server.

    Parameters
    ----------
    lang : language of the signals' titles.
    """

    def __init__(self, board: Board, lang: str) -> None:
        self.board, self.lang = board, lang

    @cached_property
    def hosts(self) -> list[str]:
        """Every server known, worst first."""
        health = self.board.health
        return sorted(self.board.scores.series.hosts, key=lambda host: (health.get(host, UNKNOWN_LAST), host))

    @cached_property
    def roles(self) -> dict[str, str]:
        """Role by server."""
        series = self.board.scores.series
        return dict(zip(series.hosts, series.roles, strict=True))

    @cached_property
    def incidents(self) -> dict[str, list[str]]:
        """Incidents that began on a server or reach it, by server."""
        found: dict[str, list[str]] = defaultdict(list)
        for incident in self.board.incidents:
            for host in dict.fromkeys((incident.host, *incident.affected)):
                found[host].append(incident.id)
        return found

    @cached_property
    def _neighbours(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        on: dict[str, list[str]] = defaultdict(list)
        dependents: dict[str, list[str]] = defaultdict(list)
        for dependent, needed in self.board.topology.edges:
            on[dependent].append(needed)
            dependents[needed].append(dependent)
        return on, dependents

    def server(self, host: str) -> Json:
        """One server: health, how strange it is, what is open on it, its neighbours."""
        board, (on, dependents) = self.board, self._neighbours
        return {
            "hostname": host,
            "role": self.roles[host],
            "health": number(board.health.get(host, math.nan)),
            "score": number(board.server_score.get(host, math.nan)),
            "state": board.server_state.get(host),
            "incidents": self.incidents.get(host, []),
            "time": when(board.time),
            "depends_on": on.get(host, []),
            "dependents": dependents.get(host, []),
        }

    def signals(self, host: str) -> list[Json]:
        """Every series of a server with what is usual now and what is expected."""
        forecast = self.board.forecast
        ahead: dict[Key, Json] = {}
        if forecast is not None:
            ahead = {forecast.series.key(row): forecast_json(forecast, row) for row in forecast.series.rows_of(host=host).tolist()}
        rows = self.board.scores.series.rows_of(host=host).tolist()
        return [self._row(row) | {"forecast": ahead.get(self.board.scores.series.key(row))} for row in rows]

    def _row(self, row: int) -> Json:
        """One series now: observed, expected, band, score, readiness."""
        scores = self.board.scores
        alias, labels = scores.series.key(row)
        signal = self.board.signals.get(alias)
        return {
            **(signal_json(signal, self.lang) if signal else {"alias": alias}),
            "labels": dict(labels),
            "observed": number(scores.value[row]),
            "expected": number(scores.yhat[row]),
            "lower": number(scores.lower[row]),
            "upper": number(scores.upper[row]),
            "score": number(scores.score[row]),
            "onset": when(scores.onset[row]),
            "ready": number(scores.ready[row]),
        }


def forecast_json(forecast: Forecast, row: int) -> Json:
    """What is expected of one series, and when it reaches its limit."""
    ahead = [
        {
            "seconds": horizon,
            "expected": number(forecast.yhat[row, i]),
            "lower": number(forecast.lower[row, i]),
            "upper": number(forecast.upper[row, i]),
        }
        for i, horizon in enumerate(forecast.horizons)
    ]
    limit = {
        "seconds": number(forecast.until_limit[row]),
        "low": number(forecast.until_limit_low[row]),
        "high": number(forecast.until_limit_high[row]),
    }
    return {"made": when(forecast.time), "ahead": ahead, "until_limit": limit}
