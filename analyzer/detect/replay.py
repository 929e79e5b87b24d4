"""A recorded data set through the live code: what the analyzer would have said at every row, knowing only the rows before.

In: arrays of one file, either a host (`train` [T, M], `test` [T, M], `step_s`) or a single series from a cold start (`value`
[T], `ts` [T]). Out: arrays by name: `score`, `flag`, `dim_score`, and for hosts forecasts (`horizons_s`, `yhat`, `lower`,
`upper`). The engine takes one row after the other, however many it is given, so that no chunking can
change the answer; a row that cannot be judged scores 0.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.engine import Engine
from analyzer.forecast import Forecaster
from analyzer.records import HostScores, Scores
from analyzer.window import Floats, Series, Window

Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[int], None]  # called with the number of rows done
HORIZONS = (3600.0, 21600.0, 86400.0)
FORECAST_EVERY = 21600.0
COLD_START = 1_700_006_400.0  # a midnight: files without times begin here
CHUNK = 1000


class DatasetError(Exception):
    """The arrays are not one of the two known forms."""


def replay(arrays: Arrays, *, chunk: int = CHUNK, progress: Progress | None = None) -> dict[str, NDArray[Any]]:
    """Scores of every row of `test` or `value`. `chunk`: rows between calls of `progress`."""
    tell = progress or (lambda rows: None)
    if {"train", "test", "step_s"} <= set(arrays):
        train, test = _matrix(arrays["train"], "train"), _matrix(arrays["test"], "test")
        if train.shape[1] != test.shape[1]:
            raise DatasetError(f"train has {train.shape[1]} columns, test {test.shape[1]}")
        step = float(arrays["step_s"])
        if not step > 0:
            raise DatasetError(f"step_s {step} is not positive")
        return _host(train, test, step, max(chunk, 1), tell)
    if {"value", "ts"} <= set(arrays):
        value, ts = np.asarray(arrays["value"], np.float64), np.asarray(arrays["ts"], np.float64)
        if value.ndim != 1 or value.shape != ts.shape:
            raise DatasetError(f"value {value.shape} and ts {ts.shape} differ")
        return _series(ts, value, max(chunk, 1), tell)
    raise DatasetError("neither train, test and step_s nor value and ts are in it")


def rows(arrays: Arrays) -> int:
    """How many rows `replay` will answer for."""
    return len(arrays["test"] if "test" in arrays else arrays["value"])


def _matrix(array: NDArray[Any], name: str) -> Floats:
    matrix = np.asarray(array, np.float64)
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise DatasetError(f"{name} {matrix.shape} is not rows x metrics")
    return matrix


def _host(train: Floats, test: Floats, step: float, chunk: int, tell: Progress) -> dict[str, NDArray[Any]]:
    """A host with a past: every metric on its own and all of them together."""
    m, n = train.shape[1], len(test)
    series = Series.build((f"c{i:02d}", "host", "", (("column", f"c{i:02d}"), ("instance", "host"))) for i in range(m))
    times = np.asarray(COLD_START + step * np.arange(len(train) + n), np.float64)
    engine, forecaster = Engine({}), Forecaster({})
    history = Window(series, times[: len(train)], train.T)
    engine.bootstrap(history)
    forecaster.bootstrap(history)
    out: dict[str, NDArray[Any]] = {
        "score": np.zeros(n), "flag": np.zeros(n, bool), "dim_score": np.zeros((n, m), np.float32),
        "horizons_s": np.array(HORIZONS, np.int64),
    } | {name: np.full((n, len(HORIZONS), m), np.nan, np.float32) for name in ("yhat", "lower", "upper")}  # fmt: skip
    said = -np.inf
    for first in range(0, n, chunk):
        window = Window(series, times[len(train) :][first : first + chunk], test[first : first + chunk].T)
        for i, scores in enumerate(engine.step(window), first):
            whole = _whole(scores)
            out["score"][i], out["flag"][i] = np.nan_to_num(whole.score[0]), whole.alarm[0]
            out["dim_score"][i] = whole.blame
            forecaster.learn(Window(series, np.array([scores.time]), test[i][:, None]))
            if scores.time - said >= FORECAST_EVERY - 1e-6:
                said = scores.time
                made = forecaster.forecast(said, HORIZONS)
                out["yhat"][i], out["lower"][i], out["upper"][i] = made.yhat.T, made.lower.T, made.upper.T
        tell(min(first + chunk, n))
    return out


def _whole(scores: Scores) -> HostScores:
    """What is said of the one host."""
    nobody = HostScores(scores.time, ("host",), np.full(1, np.nan), np.zeros(1, bool), np.zeros(len(scores.series)), ("",))
    return scores.whole if scores.whole is not None and scores.whole.hosts else nobody


def _series(ts: Floats, value: Floats, chunk: int, tell: Progress) -> dict[str, NDArray[Any]]:
    """One series without a past."""
    series = Series.build([("value", "host", "", (("instance", "host"),))])
    engine, n = Engine({}), len(value)
    score = np.zeros(n)
    for first in range(0, n, chunk):
        window = Window(series, ts[first : first + chunk], value[first : first + chunk][None])
        score[first : first + chunk] = [_onset(s.surprise) for s in engine.step(window)]
        tell(min(first + chunk, n))
    return {"score": score, "flag": score >= 1.0, "dim_score": score[:, None].astype(np.float32)}


def _onset(surprise: Floats | None) -> float:
    """What is said of the only series; 0 where nothing can be said."""
    return 0.0 if surprise is None or not len(surprise) else float(np.nan_to_num(surprise[0]))
