"""PromQL on a real Prometheus and the local evaluation are the same function."""

import json
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest

from analyzer.evaluate import evaluate
from analyzer.promql import compile as promql
from analyzer.signals import PRESETS, load_presets
from tests.analyzer.raw_hosts import prometheus_with, raw_hosts

SIGNALS = {signal.alias: signal for signal in load_presets(PRESETS)}
END = float(int(time.time()) // 60 * 60 - 3 * 3600)


@pytest.fixture(scope="module")
def raw():
    return raw_hosts(END)


@pytest.fixture(scope="module")
def server(raw, tmp_path_factory):
    running = prometheus_with(raw, tmp_path_factory.mktemp("tsdb"))
    yield running
    running.stop()


def ask(server, query, start, end, step):
    body = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step}).encode()
    with urllib.request.urlopen(f"{server.url}/api/v1/query_range", body, timeout=20) as reply:
        return json.load(reply)["data"]["result"]


@pytest.mark.servers
@pytest.mark.parametrize(("step", "offset", "window"), [(15.0, 0.0, 60.0), (7.001, 0.338, 47.5), (60.0, 0.0, 120.0)])
@pytest.mark.parametrize("alias", SIGNALS)
def test_local_numbers_equal_prometheus(server, raw, alias, step, offset, window):
    at = np.round(np.arange(raw.times[0] - 60 + offset, END + 400, step), 3)
    ours = evaluate([SIGNALS[alias]], raw, at, rate_window=window)
    found = dict(zip(ours.series.labels, ours.values, strict=True))
    theirs = {}
    for result in ask(server, promql(SIGNALS[alias], rate_window=window), at[0], at[-1], step):
        row = np.full(len(at), np.nan)
        for when, text in result["values"]:
            row[round((when - at[0]) / step)] = float(text)
        row[~np.isfinite(row)] = np.nan
        if not np.isnan(row).all():
            theirs[tuple(sorted((k, v) for k, v in result["metric"].items() if k != "__name__"))] = row
    assert set(found) == set(theirs)
    assert theirs
    for labels, row in theirs.items():
        np.testing.assert_allclose(found[labels], row, rtol=1e-9, atol=1e-12, err_msg=str(labels))
