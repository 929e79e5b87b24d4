"""POST /api/v1/predict: rows hour by hour, a watched server at the horizons of its cycle."""

from dataclasses import replace

import numpy as np
import pytest

from tests.analyzer.api.test_analyze import leaking, noise, rows
from tests.analyzer.reports import forecast, report, series

PATH = "/api/v1/predict"


async def test_rows_are_forecast_hour_by_hour(api):
    status, body = await api.post(PATH, {"metrics": rows(600, cpu=noise(600)), "hours": 3})
    assert (status, len(body["predictions"])) == (200, 3)
    assert [p["timestamp"][11:16] for p in body["predictions"]] == ["01:12", "02:12", "03:12"]
    band = body["predictions"][0]["cpu"]
    assert band["lower"] < 40 < band["upper"]
    assert (body["saturation"], body["anomalies"]) == ([], [])


async def test_a_leak_has_its_end(api):
    _, body = await api.post(PATH, {"metrics": leaking(), "hours": 4})
    assert [(s["signal"], s["limit"], s["eta"][11:16]) for s in body["saturation"]] == [("memory", 100.0, "18:23")]
    assert [(a["signal"], a["kind"]) for a in body["anomalies"]] == [("memory", "limit"), ("memory", "unusual")]
    assert "Make room before 18:23 UTC" in " ".join(body["recommendations"])


async def test_few_rows_are_not_forecast(api):
    status, body = await api.post(PATH, {"metrics": rows(3, cpu=noise(3))})
    assert (status, body["predictions"], body["saturation"]) == (200, [], [])
    assert body["confidence"] < 0.2


async def test_looking_further_ahead_is_less_sure(api):
    metrics = rows(200, cpu=noise(200))
    near, far = [(await api.post(PATH, {"metrics": metrics, "hours": h}))[1]["confidence"] for h in (1, 168)]
    assert near > 2 * far


async def test_a_servers_forecast_is_the_newest_cycles(told):
    table = series(("cpu", "web-01"), ("disk", "web-01", ("mountpoint", "/")), ("cpu", "web-02"))
    ahead = forecast(table)
    ahead.until_limit[0] = np.nan
    signals = told.board.signals | {"disk": replace(told.board.signals["disk"], labels=("mountpoint",))}
    told.board = replace(told.board, scores=report(table).board.scores, forecast=ahead, signals=signals)
    _, body = await told.post(PATH, {"server": "web-01", "hours": 6})
    assert [set(p) for p in body["predictions"]] == [{"timestamp", "cpu", "disk /"}] * 2
    assert [(s["signal"], s["eta"][11:16]) for s in body["saturation"]] == [("disk /", "16:13")]
    assert body["recommendations"] == ["Look at top."]


async def test_what_cannot_be_forecast_yet_or_is_not_there(told):
    assert (await told.post(PATH, {"server": "nobody"}))[0] == 404
    assert (await told.post(PATH, {"server": "web-01"}))[0] == 503
    told.board = None
    assert (await told.post(PATH, {"server": "web-01"}))[0] == 503


@pytest.mark.parametrize(
    "body",
    [{}, {"server": "a", "metrics": [{"timestamp": 1, "cpu": 1}]}, {"server": "a", "hours": 169}, {"server": ""}, {"metrics": []}],
)
async def test_a_request_that_cannot_be_meant_is_422(told, body):
    assert (await told.post(PATH, body))[0] == 422
