"""What others would forecast, in plain numpy: the same day yesterday, medians by time of day, Holt, Holt-Winters, a pool of nine.

In: all rows of a machine (float64 [rows, metrics]), its step, and origins (row numbers). Out: float32 [origins, horizons, metrics];
row t is forecast from rows up to t. Each is its textbook form with one setting for all.
"""

import math
from collections.abc import Callable

import numpy as np

HORIZONS = (3600, 21600, 86400)
DAY = 86400
POWER, WINDOW = 8, 168  # of the pool's weights; hours of its memory
Forecasts = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]  # yhat, lower, upper


def steps(seconds: float, step: float) -> int:
    """Seconds in rows, at least one."""
    return max(round(seconds / step), 1)


def newest(rows: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    """Median of the last `count` rows."""
    return np.median(rows[np.maximum(at[:, None] - np.arange(count), 0)], axis=1)


def same_time(rows: np.ndarray, at: np.ndarray, target: np.ndarray, days: int, step: float) -> np.ndarray:
    """Median of the rows within a quarter of an hour of the target's time of day on the days before, known at `at`."""
    around = np.arange(-steps(900, step), steps(900, step) + 1)
    back = np.arange(1, days + 1) * steps(DAY, step)
    out = np.empty((len(at), rows.shape[1]))
    for i, (t, goal) in enumerate(zip(at.tolist(), target.tolist(), strict=True)):
        index = (goal - back[:, None] + around).ravel()
        out[i] = np.median(rows[index[(index >= 0) & (index <= t)]], axis=0)
    return out


def by_horizon(rows: np.ndarray, at: np.ndarray, step: float, one: Callable[[np.ndarray], np.ndarray]) -> Forecasts:
    """The same method at every horizon."""
    return np.stack([one(at + steps(h, step)) for h in HORIZONS], axis=1), None, None


def yesterday(rows: np.ndarray, at: np.ndarray, step: float) -> Forecasts:
    """The row of the target's time on the last day that is known."""
    return by_horizon(rows, at, step, lambda goal: rows[goal - steps(DAY, step)])


def median7(rows: np.ndarray, at: np.ndarray, step: float) -> Forecasts:
    """Median of the same time, seven days."""
    return by_horizon(rows, at, step, lambda goal: same_time(rows, at, goal, 7, step))


def profile14(rows: np.ndarray, at: np.ndarray, step: float) -> Forecasts:
    """Median of the same time, fourteen days."""
    return by_horizon(rows, at, step, lambda goal: same_time(rows, at, goal, 14, step))


def holt(rows: np.ndarray, at: np.ndarray, step: float) -> Forecasts:
    """Damped trend (Gardner and McKenzie 1985): a level of an hour, a trend of a day."""
    alpha, beta, phi = 1 - 0.5 ** (step / 3600), 1 - 0.5 ** (step / DAY), 0.5 ** (step / 21600)
    level, slope, out, wanted = rows[0].copy(), np.zeros(rows.shape[1]), {}, set(at.tolist())
    for t in range(1, int(at[-1]) + 1):
        before = level
        level = alpha * rows[t] + (1 - alpha) * (level + phi * slope)
        slope = beta * (level - before) + (1 - beta) * phi * slope
        if t in wanted:
            out[t] = [level + slope * phi * (1 - phi ** steps(h, step)) / (1 - phi) for h in HORIZONS]
    return np.array([out[t] for t in at.tolist()]), None, None


def holt_winters(rows: np.ndarray, at: np.ndarray, step: float) -> Forecasts:
    """Level and additive season of one day (Winters 1960): a level of a day, a season of a week."""
    day, alpha, gamma = steps(DAY, step), 1 - 0.5 ** (step / DAY), 1 - 0.5 ** (1 / 3)
    level = rows[:day].mean(axis=0)
    season, out, wanted = rows[:day] - level, {}, set(at.tolist())
    for t in range(day, int(at[-1]) + 1):
        s = t % day
        level = alpha * (rows[t] - season[s]) + (1 - alpha) * level
        season[s] = gamma * (rows[t] - level) + (1 - gamma) * season[s]
        if t in wanted:
            out[t] = [level + season[(t + steps(h, step)) % day] for h in HORIZONS]
    return np.array([out[t] for t in at.tolist()]), None, None


def pool9(rows: np.ndarray, at: np.ndarray, step: float) -> Forecasts:
    """Nine simple experts that forecast every hour, weighted by their errors of a week; bands from its residuals of that week."""
    hour = steps(3600, step)
    hours = np.arange(int(at[0]) % hour + 8 * 24 * hour, int(at[-1]) + 1, hour)
    now = [newest(rows, hours, steps(s, step)) for s in (step, 900, 3600, DAY)]
    usual_now = same_time(rows, hours, hours, 7, step)
    pick = np.searchsorted(hours, at)
    found = []
    for h in HORIZONS:
        goal = hours + steps(h, step)
        usual = same_time(rows, hours, goal, 7, step)
        off = [usual + math.exp(-h / 3600 / fade) * (now[1] - usual_now) for fade in (2, 8)]
        made = np.stack([*now, rows[goal - steps(DAY, step)], usual, same_time(rows, hours, goal, 14, step), *off])
        found.append(_pooled(made, rows, goal, h // 3600, pick))
    return tuple(np.stack(part, axis=1) for part in zip(*found, strict=True))


def _pooled(made: np.ndarray, rows: np.ndarray, goal: np.ndarray, lag: int, pick: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weigh hourly forecasts [experts, hours, metrics] with what was known `lag` hours before; yhat, lower, upper at `pick`."""
    known = goal < len(rows)
    truth = rows[np.minimum(goal, len(rows) - 1)]
    wrong = np.where(known[None, :, None], np.abs(made - truth), 0.0)
    total = np.concatenate([np.zeros_like(wrong[:, :1]), np.cumsum(wrong, axis=1)], axis=1)
    end = np.maximum(np.arange(len(goal)) - lag + 1, 0)
    begin = np.maximum(end - WINDOW, 0)
    error = (total[:, end] - total[:, begin]) / np.maximum(end - begin, 1)[None, :, None] + 1e-12
    weight = (error.min(axis=0) / error) ** POWER
    yhat = (weight * made).sum(axis=0) / weight.sum(axis=0)
    residual = truth - yhat
    edges = [np.quantile(residual[begin[i] : max(end[i], begin[i] + 1)], (0.05, 0.95), axis=0) for i in pick.tolist()]
    low, high = np.stack(edges, axis=1)
    return yhat[pick], yhat[pick] + low, yhat[pick] + high


PEERS: dict[str, Callable[[np.ndarray, np.ndarray, float], Forecasts]] = {
    "same time yesterday": yesterday,
    "median7": median7,
    "profile14": profile14,
    "damped Holt": holt,
    "Holt-Winters": holt_winters,
    "pool9": pool9,
}
