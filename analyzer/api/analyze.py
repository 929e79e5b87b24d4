"""`POST /analyze`: data in the request -> what is odd in it, where it goes, what to do. One at a time, off the event loop."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from aiohttp import web

from analyzer.api.account import Account, language_of
from analyzer.api.present import Json, number, when
from analyzer.api.rows import SCHEMA, Rows, parse_rows
from analyzer.api.state import STATE
from analyzer.api.study import Study, study
from analyzer.detect.offline import Anomaly
from service.http import Problem, json_response, limits_of, read_json

T = TypeVar("T")
BODY_BYTES = 32 << 20
MOST_SHOWN = 1000  # anomalies in an answer; `count` has them all
MOST_WAITING = 8
NAMES = ("hostname", "server", "host", "instance")  # of the context, what the rows are about


class Desk:
    """One analysis at a time, a few waiting; more are told to come back."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._thread, self._places = ThreadPoolExecutor(1, "analyze"), threading.BoundedSemaphore(most)

    async def do(self, work: Callable[[], T]) -> T:
        """Run it in the thread. Raises Problem 503 when too many wait; one that was given up keeps its place until it ends."""
        if not self._places.acquire(blocking=False):
            raise Problem(503, "busy", "too many analyses wait already", {"Retry-After": "5"})
        future = self._thread.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    async def close(self, _app: web.Application) -> None:
        """Give up what waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)


DESK = web.AppKey("desk", Desk)


async def analyze(request: web.Request) -> web.Response:
    """Offline analysis of the rows in the body."""
    state, began = request.app[STATE], time.perf_counter()
    body = await read_json(request, schema=SCHEMA, limits=replace(limits_of(request), body_bytes=BODY_BYTES))
    lang = body.get("lang") or language_of(body.get("query", "")) or state.default_language
    answer = await request.app[DESK].do(lambda: answer_to(body, lang))
    return json_response({**answer, "processing_time": round(time.perf_counter() - began, 4)})


def answer_to(body: Mapping[str, Any], lang: str) -> Json:
    """The answer to a request that fits the schema. Raises Problem 422."""
    made = study(parse_rows(body["metrics"]))
    account = Account(made, lang, body.get("query", ""), _where(body.get("context") or {}))
    anomalies = made.analysis.anomalies
    return {
        "success": True,
        "analysis": account.analysis(),
        "recommendations": account.recommendations(),
        "confidence": made.confidence,
        "anomalies": {
            "count": len(anomalies),
            "severity": made.severity,
            "data": [_anomaly(a) for a in anomalies[:MOST_SHOWN]],
        },
        "trends": {
            name: {"slope_per_hour": number(t.slope_per_hour), "direction": t.direction, "r2": number(t.r2)}
            for name, t in made.analysis.trends.items()
        },
        "predictions": _predictions(made),
        "method": ", ".join(made.analysis.methods) or "none",
        "evidence": _evidence(made),
        "lang": lang,
    }


def _where(context: Mapping[str, Any]) -> str:
    return next((context[name] for name in NAMES if isinstance(context.get(name), str)), "")


def _anomaly(a: Anomaly) -> Json:
    return {
        "timestamp": when(a.time),
        "column": a.column or None,  # none: the row as a whole
        "value": number(a.value),
        "expected": number(a.expected),
        "score": number(a.score),
        "methods": list(a.methods),
    }


def _predictions(made: Study) -> list[Json]:
    forecast = made.forecast
    if forecast is None:
        return []
    return [
        {
            "timestamp": when(forecast.time + horizon),
            **{
                name: {
                    "yhat": number(forecast.yhat[i, h]),
                    "lower": number(forecast.lower[i, h]),
                    "upper": number(forecast.upper[i, h]),
                }
                for i, name in enumerate(made.rows.names)
            },
        }
        for h, horizon in enumerate(forecast.horizons)
    ]


def _evidence(made: Study) -> list[Json]:
    """The numbers behind the words: a line a column, the states of whole rows, and what could not be said."""
    lines = [_column_line(made, i, made.rows) for i in range(len(made.columns))]
    states: list[Json] = [{"kind": "state", "state": name, "share": number(share)} for name, share in made.analysis.states]
    notes: list[Json] = [{"kind": "note", "text": note} for note in made.analysis.notes]
    return [*lines, *states, *notes]


def _column_line(made: Study, i: int, rows: Rows) -> Json:
    values = rows.values[i]
    there = values[np.isfinite(values)]
    until = made.until[i]
    return {
        "kind": "column",
        "column": rows.names[i],
        "unit": "percent" if made.columns[i].percent else None,
        "rows": len(there),
        "missing": int(len(values) - len(there)),
        "min": number(float(there.min())),
        "median": number(float(np.median(there))),
        "max": number(float(there.max())),
        "newest": number(float(there[-1])),
        "full_at": when(float(rows.times[-1]) + until) if math.isfinite(until) else None,
    }
