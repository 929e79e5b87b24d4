"""Other people's forecasters and detectors on our matrix; runs in the peers' own environment and imports nothing of ours.

python tests/bench/peers.py FOLDER [SECONDS]

In: `day-*.npy` [series, time] and `picked.json` (rows without gaps). Out: a line of JSON for each peer: what it is, microseconds a
series (median over series), on how many, the mean error of its forecasts; or why there is none. Each gets SECONDS at most.
"""

import json
import logging
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

DAY_SAMPLES, HOURLY = 288, 12
AHEAD = (1, 6, 24)  # hours
Forecast = Callable[[np.ndarray], np.ndarray]


def main(folder: Path, seconds: float) -> None:
    """Run them all, the quick ones first."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    picked = json.loads((folder / "picked.json").read_text())
    x = np.hstack([np.load(file)[picked] for file in sorted(folder.glob("day-*.npy"))])
    for name, make in ONLINE.items():
        tell(name, "online", lambda make=make: online(x, make(), seconds))
    for name, make in REFIT.items():
        tell(name, "refit", lambda make=make: refit(x, make(), seconds))


def tell(name: str, kind: str, work: Callable[[], dict]) -> None:
    """Print what one peer did, or why it did not."""
    try:
        said = work()
    except Exception as error:
        said = {"reason": f"{type(error).__name__}: {error}"[:90]}
    print(json.dumps({"name": name, "kind": kind, **said}), flush=True)


def online(x: np.ndarray, step: Callable[[], Callable[[float], float]], seconds: float) -> dict:
    """The newest sample of each series, state kept: a day of samples each; the state is warm before."""
    began, spent = time.perf_counter(), []
    for row in x:
        take = step()
        for value in row[:DAY_SAMPLES].tolist():
            take(value)
        start = cpu()
        for value in row[DAY_SAMPLES : 2 * DAY_SAMPLES].tolist():
            take(value)
        spent.append((cpu() - start) / DAY_SAMPLES)
        if time.perf_counter() - began > seconds:
            break
    return {"us": 1e6 * float(np.median(spent)), "n": len(spent)}


def refit(x: np.ndarray, forecast: Forecast, seconds: float) -> dict:
    """Fitted anew on six days of hourly samples, 24 hours ahead; judged on the seventh day."""
    hourly = x[:, HOURLY - 1 :: HOURLY]
    cut = hourly.shape[1] - 24
    forecast(hourly[0, :cut])  # what it compiles or loads once is not counted
    began, spent, errors = time.perf_counter(), [], []
    for row, all_of_it in zip(hourly, x, strict=True):
        start = cpu()
        made = forecast(row[:cut])
        spent.append(cpu() - start)
        at = [cut - 1 + h for h in AHEAD]
        errors.append(np.mean([abs(made[h - 1] - row[i]) for h, i in zip(AHEAD, at, strict=True)]) / np.std(all_of_it))
        if time.perf_counter() - began > seconds:
            break
    return {"us": 1e6 * float(np.median(spent)), "n": len(spent), "error": float(np.mean(errors))}


def cpu() -> float:
    """CPU seconds of this process and of those it ended: prophet's fit runs in one."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def river_ewm() -> Callable:
    """Mean and variance, exponentially weighted: a z-score."""
    from river import stats

    def step() -> Callable[[float], float]:
        mean, variance = stats.EWMean(0.05), stats.EWVar(0.05)

        def take(value: float) -> float:
            z = (value - mean.get()) / ((variance.get() or 1.0) ** 0.5 + 1e-9)
            mean.update(value)
            variance.update(value)
            return z

        return take

    return step


def river_holt_winters() -> Callable:
    """Triple exponential smoothing, a season of a day."""
    from river import time_series

    def step() -> Callable[[float], float]:
        model = time_series.HoltWinters(alpha=0.3, beta=0.1, gamma=0.3, seasonality=DAY_SAMPLES)
        seen = 0

        def take(value: float) -> float:
            nonlocal seen
            seen += 1
            off = value - model.forecast(1)[0] if seen > DAY_SAMPLES else 0.0
            model.learn_one(value)
            return off

        return take

    return step


def river_half_space_trees() -> Callable:
    """Half-space trees as shipped."""
    from river import anomaly

    def step() -> Callable[[float], float]:
        model = anomaly.HalfSpaceTrees(seed=1)

        def take(value: float) -> float:
            one = {"x": value}
            score = model.score_one(one)
            model.learn_one(one)
            return score

        return take

    return step


def statsmodels_holt_winters() -> Forecast:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    return lambda y: ExponentialSmoothing(y, trend="add", seasonal="add", seasonal_periods=24).fit().forecast(24)


def statsforecast_holt_winters() -> Forecast:
    from statsforecast.models import HoltWinters

    return lambda y: HoltWinters(season_length=24).forecast(y=y, h=24, level=[90])["mean"]


def statsforecast_auto_ets() -> Forecast:
    from statsforecast.models import AutoETS

    return lambda y: AutoETS(season_length=24).forecast(y=y, h=24, level=[90])["mean"]


def prophet() -> Forecast:
    import pandas as pd
    from prophet import Prophet

    def forecast(y: np.ndarray) -> np.ndarray:
        frame = pd.DataFrame({"ds": pd.date_range("2026-01-05", periods=len(y), freq="h"), "y": y})
        model = Prophet(interval_width=0.9, yearly_seasonality=False)
        model.fit(frame)
        return model.predict(model.make_future_dataframe(24, freq="h", include_history=False))["yhat"].to_numpy()

    return forecast


ONLINE = {
    "river EWMean + EWVar": river_ewm,
    "river HoltWinters, season a day": river_holt_winters,
    "river HalfSpaceTrees": river_half_space_trees,
}
REFIT = {
    "statsforecast HoltWinters(24)": statsforecast_holt_winters,
    "statsforecast AutoETS(24)": statsforecast_auto_ets,
    "statsmodels HoltWinters(24)": statsmodels_holt_winters,
    "prophet": prophet,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 12.0)
