"""Anomaly bands as recording rules in a real Prometheus: what one evaluation costs it.

In: series and a day and two hours of them. Out: seconds of one evaluation of each group, from Prometheus's own metrics. The rules
are ours, of the kind that Grafana's promql-anomaly-detection made known: bands from averages and deviations, or from quantiles, of
the last 26 hours, and a look at the same hour of yesterday.
"""

import re
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import cramjam
import numpy as np

from deploy.local import servers
from deploy.local.seed import label_bytes, sample_template, series_bytes, write
from tests.bench.fleet import Fleet
from tests.bench.speed_data import PER_HOST

HOURS, MINUTE, EVERY = 26, 60.0, 10.0
PART = 120  # samples a series in one request
RULES = """groups:
- name: averages
  interval: 10s
  rules:
  - {record: "bench:mean:1h", expr: "avg_over_time(bench_signal[1h])"}
  - {record: "bench:mean:26h", expr: "avg_over_time(bench_signal[26h])"}
  - {record: "bench:deviation:26h", expr: "stddev_over_time(bench_signal[26h])"}
  - {record: "bench:mean:yesterday", expr: "avg_over_time(bench_signal[1h] offset 23h30m)"}
  - {record: "bench:high", expr: "bench:mean:1h + 3 * bench:deviation:26h > bench:mean:yesterday or bench:mean:yesterday"}
  - {record: "bench:low", expr: "bench:mean:1h - 3 * bench:deviation:26h < bench:mean:yesterday or bench:mean:yesterday"}
  - {record: "bench:outside", expr: "bench_signal > bench:high or bench_signal < bench:low"}
- name: quantiles
  interval: 10s
  rules:
  - {record: "bench:middle:26h", expr: "quantile_over_time(0.5, bench_signal[26h])"}
  - {record: "bench:upper:26h", expr: "quantile_over_time(0.75, bench_signal[26h])"}
  - {record: "bench:lower:26h", expr: "quantile_over_time(0.25, bench_signal[26h])"}
  - {record: "bench:top", expr: "bench:middle:26h + 3 * (bench:upper:26h - bench:lower:26h)"}
  - {record: "bench:bottom", expr: "bench:middle:26h - 3 * (bench:upper:26h - bench:lower:26h)"}
  - {record: "bench:beyond", expr: "bench_signal > bench:top or bench_signal < bench:bottom"}
"""
CPU = re.compile(r"^process_cpu_seconds_total (\S+)", re.MULTILINE)
LAST = re.compile(r'prometheus_rule_group_last_duration_seconds\{rule_group="[^;]*;(\w+)"\} (\S+)')


def measure(n: int, evaluations: int, progress: Callable[[float], None]) -> dict[str, float]:
    """Median seconds of one evaluation over n series, by group. Raises servers.ServerMissingError, RuntimeError, OSError."""
    with tempfile.TemporaryDirectory(prefix="openmanager-rules-") as name:
        folder = Path(name)
        config = folder / "prometheus.yml"
        config.write_text("rule_files: [rules.yml]\n")
        prometheus = servers.start_prometheus(config, folder)
        try:
            prometheus.wait_ready()
            _seed(prometheus.url, n, lambda share: progress(0.5 * share))
            (folder / "rules.yml").write_text(RULES)  # not before: what they record is newer than the history
            urllib.request.urlopen(urllib.request.Request(f"{prometheus.url}/-/reload", method="POST"), timeout=30).close()
            return _evaluated(prometheus.url, evaluations, lambda share: progress(0.5 + 0.5 * share))
        finally:
            prometheus.stop()


def _seed(url: str, n: int, progress: Callable[[float], None]) -> None:
    """Twenty-six hours, one sample a minute, up to now."""
    fleet, now = Fleet(3, int(n / PER_HOST) + 5), np.floor(time.time() / MINUTE) * MINUTE
    window = fleet.window(now - HOURS * 3600.0, now, MINUTE)
    labels = [
        label_bytes([("__name__", "bench_signal"), ("signal", window.series.key(i)[0]), *window.series.labels[i]]) for i in range(n)
    ]
    for start in range(0, len(window.times), PART):
        part = slice(start, start + PART)
        template = sample_template(window.times[part])
        body = b"".join(series_bytes(labels[i], template, window.values[i, part]) for i in range(n))
        write(url, bytes(cramjam.snappy.compress_raw(body)))
        progress(min(1.0, (start + PART) / len(window.times)))


def _evaluated(url: str, evaluations: int, progress: Callable[[float], None]) -> dict[str, float]:
    """Wait for some evaluations. `CPU`: of the server, for one evaluation of both groups."""
    seen: dict[str, list[float]] = {}
    time.sleep(EVERY)
    began = _metrics(url)
    for i in range(evaluations):
        time.sleep(EVERY)
        page = _metrics(url)
        for group, seconds in LAST.findall(page):
            seen.setdefault(group, []).append(float(seconds))
        progress((i + 1) / evaluations)
    spent = float(CPU.findall(page)[0]) - float(CPU.findall(began)[0])
    return {group: float(np.median(each)) for group, each in seen.items()} | {"CPU": spent / evaluations}


def _metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as reply:
        return reply.read().decode()
