"""`POST /api/v1/predict`: what comes next, of rows in the request or of a server that is watched.

Rows are forecast hour by hour with what `/analyze` uses; a server's forecast is the one of the newest cycle, at its horizons.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from aiohttp import web

from analyzer.api.account import Account
from analyzer.api.analyze import BODY_BYTES, DESK
from analyzer.api.present import Json, number, when
from analyzer.api.query import board_of
from analyzer.api.rows import MOST_ROWS, parse_rows
from analyzer.api.state import STATE
from analyzer.api.study import FULL, Study, study
from analyzer.records import Board, Forecast
from analyzer.signals import Signal
from analyzer.window import Key
from service.http import Problem, json_response, limits_of, read_json

HOUR = 3600.0
HOURS = 24.0
BEYOND = 0.1  # of the range seen, by which an expected value must leave it to be worth a line
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "oneOf": [{"required": ["server"]}, {"required": ["metrics"]}],
    "properties": {
        "server": {"type": "string", "minLength": 1, "maxLength": 256},
        "metrics": {"type": "array", "minItems": 1, "maxItems": MOST_ROWS},
        "hours": {"type": "number", "minimum": 1, "maximum": 168},
        "lang": {"enum": ["en", "ko"]},
    },
}


async def predict(request: web.Request) -> web.Response:
    """Expected values with bands, when limits are reached, what to do."""
    body = await read_json(request, schema=SCHEMA, limits=replace(limits_of(request), body_bytes=BODY_BYTES))
    lang, hours = body.get("lang") or request.app[STATE].default_language, float(body.get("hours", HOURS))
    if "server" in body:
        return json_response(of_server(board_of(request), body["server"], hours, lang))
    return json_response(await request.app[DESK].do(lambda: of_rows(body["metrics"], hours, lang)))


def of_rows(metrics: list[Any], hours: float, lang: str) -> Json:
    """The forecast of rows. Raises Problem 422."""
    rows = parse_rows(metrics)
    made = study(rows, horizons=[HOUR * h for h in range(1, math.ceil(hours) + 1)])
    reach = min(1.0, 2 * rows.span / (hours * HOUR))  # looking further ahead than twice as far back is guessing
    answer = {"confidence": round(made.confidence * math.sqrt(reach), 3), "recommendations": Account(made, lang).recommendations()}
    if made.forecast is None:
        return {"predictions": [], "anomalies": [], "saturation": [], **answer}
    names = dict(enumerate(rows.names))
    limits = {i: FULL for i, column in enumerate(made.columns) if column.percent}
    unusual = [line for i in names for line in _unusual(made, made.forecast, i)]
    return {**_ahead(made.forecast, names, limits, hours), **answer} | {
        "anomalies": _reached(made.forecast, names, limits, hours) + unusual
    }


def of_server(board: Board, host: str, hours: float, lang: str) -> Json:
    """The newest forecast of a watched server. Raises Problem 404, or 503 before the first forecast."""
    if host not in board.scores.series.hosts:
        raise Problem(404, "not_found", "no such server")
    if board.forecast is None:
        raise Problem(503, "not_ready", "nothing has been forecast yet", {"Retry-After": "60"})
    rows = board.forecast.series.rows_of(host=host).tolist()
    keys = {row: board.forecast.series.key(row) for row in rows}
    names = {row: _name(key, board.signals.get(key[0])) for row, key in keys.items()}
    limits = {row: s.limit for row, key in keys.items() if (s := board.signals.get(key[0])) and s.limit is not None}
    ready = np.nan_to_num(board.scores.ready[board.scores.series.rows_of(host=host)])
    incidents = [i.id for i in board.incidents if i.host == host]
    texts = [board.explanations[i].texts.get(lang) for i in incidents if i in board.explanations]
    return {
        **_ahead(board.forecast, names, limits, hours),
        "anomalies": _reached(board.forecast, names, limits, hours),
        "confidence": round(0.9 * float(ready.mean()), 3) if len(ready) else 0.0,
        "recommendations": [action for text in texts if text for action in text.actions],
    }


def _name(key: Key, signal: Signal | None) -> str:
    """A signal, with what tells it from its sisters on the same server: `disk /var`."""
    own = [value for name, value in key[1] if signal and name in signal.labels]
    return " ".join((key[0], *own))


def _ahead(forecast: Forecast, names: Mapping[int, str], limits: Mapping[int, float], hours: float) -> Json:
    """Expected values by time, and limits within reach, soonest first."""
    predictions = [
        {"timestamp": when(forecast.time + seconds)} | {name: _band(forecast, row, h) for row, name in names.items()}
        for h, seconds in enumerate(forecast.horizons)
        if seconds <= hours * HOUR
    ]
    saturation = [
        {
            "signal": names[row],
            "limit": limits[row],
            "eta": when(forecast.time + forecast.until_limit[row]),
            "eta_low": when(forecast.time + forecast.until_limit_low[row]),
            "eta_high": when(forecast.time + forecast.until_limit_high[row]),
        }
        for row in _soonest(forecast, limits, hours)
    ]
    return {"predictions": predictions, "saturation": saturation}


def _band(forecast: Forecast, row: int, h: int) -> Json:
    return {"yhat": number(forecast.yhat[row, h]), "lower": number(forecast.lower[row, h]), "upper": number(forecast.upper[row, h])}


def _soonest(forecast: Forecast, rows: Iterable[int], hours: float) -> list[int]:
    return sorted((r for r in rows if forecast.until_limit[r] <= hours * HOUR), key=lambda r: float(forecast.until_limit[r]))


def _reached(forecast: Forecast, names: Mapping[int, str], limits: Mapping[int, float], hours: float) -> list[Json]:
    return [
        {
            "timestamp": when(forecast.time + forecast.until_limit[row]),
            "signal": names[row],
            "kind": "limit",
            "value": limits[row],
            "limit": limits[row],
        }
        for row in _soonest(forecast, limits, hours)
    ]


def _unusual(made: Study, forecast: Forecast, i: int) -> list[Json]:
    """The first expected value that clearly leaves what the rows have seen."""
    there = made.rows.values[i][np.isfinite(made.rows.values[i])]
    low, high = float(there.min()), float(there.max())
    margin = BEYOND * (high - low)
    out = np.flatnonzero((forecast.yhat[i] > high + margin) | (forecast.yhat[i] < low - margin))
    if not len(out) or margin <= 0:
        return []
    value = float(forecast.yhat[i, out[0]])
    edge = high if value > high else low
    stamp = when(forecast.time + forecast.horizons[int(out[0])])
    return [{"timestamp": stamp, "signal": made.rows.names[i], "kind": "unusual", "value": number(value), "limit": number(edge)}]
