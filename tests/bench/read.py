"""What reading costs: decoding answers into a matrix, a local evaluation, a page of exposition text.

`python -m tests.bench.read [SERIES] [POINTS]` prints a table; ratios hold inside one run only.
"""

import json
import resource
import sys
import time

import msgspec
import numpy as np

from analyzer.evaluate import Plan, Raw
from analyzer.exposition import scan
from analyzer.identity import Identity
from analyzer.signals import PRESETS, load_presets
from analyzer.sources.decode import decode
from analyzer.sources.observer import Silent
from analyzer.sources.registry import Registry, place
from tests.analyzer.raw_hosts import raw_hosts


def best(what, repeat=3):
    """Seconds of the quickest run, and what it gave."""
    took, given = [], None
    for _ in range(repeat):
        began = time.perf_counter()
        given = what()
        took.append(time.perf_counter() - began)
    return min(took), given


def body(values, start, step, *, vector):
    """An answer of the query API over values [series, time]."""
    rows = []
    for i, row in enumerate(values.tolist()):
        labels = f'{{"instance":"host-{i // 40:04d}:9100","job":"node","role":"web","device":"d{i % 40}"}}'
        if vector:
            rows.append(f'{{"metric":{labels},"value":[{start},"{row[-1]!r}"]}}')
        else:
            points = ",".join(f'[{start + step * j},"{value!r}"]' for j, value in enumerate(row))
            rows.append(f'{{"metric":{labels},"values":[{points}]}}')
    kind = "vector" if vector else "matrix"
    return f'{{"status":"success","data":{{"resultType":"{kind}","result":[{",".join(rows)}]}}}}'.encode()


def ours(text, times, registry):
    """Bytes -> Window's matrix, as the source does it."""
    answer = decode(text)
    registry.begin()
    part = registry.part("s", answer.metrics)
    return place((len(part.rows), len(times)), part, answer, times, times[1] - times[0] if len(times) > 1 else 1.0)


def by_json(text):
    """As most programs do it."""
    result = json.loads(text)["data"]["result"]
    return np.array([[float(v) for _, v in (row.get("values") or [row["value"]])] for row in result])


class _Row(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, float]] = []
    value: tuple[float, float] = (0.0, 0.0)


class _Data(msgspec.Struct):
    result: list[_Row]


class _Reply(msgspec.Struct):
    data: _Data


_TYPED = msgspec.json.Decoder(_Reply, strict=False)


def by_msgspec(text):
    """Typed structs."""
    return np.array([row.values or [row.value] for row in _TYPED.decode(text).data.result])[:, :, 1]


def decoding(series, points):
    """Rows of the table: [what, ms, times as quick as json]."""
    rng = np.random.default_rng(1)
    for name, values in (
        ("3 decimals", np.round(rng.uniform(0, 1e3, (series, points)), 3)),
        ("17 digits", rng.random((series, points))),
    ):
        for vector in (False, True):
            text = body(values, 1_700_000_000, 15, vector=vector)
            times = np.array([1_700_000_000.0]) if vector else 1_700_000_000.0 + 15 * np.arange(points)
            registry = Registry(Identity(), 10**6, Silent())
            quick, matrix = best(lambda t=text, at=times, r=registry: ours(t, at, r))
            assert (matrix == (values[:, -1:] if vector else values)).all()
            typed, _ = best(lambda t=text: by_msgspec(t))
            slow, _ = best(lambda t=text: by_json(t), 1)
            shape = f"{series} x {1 if vector else points}, {name}"
            yield [f"json + float, {shape}", slow, 1.0]
            yield [f"msgspec typed, {shape}", typed, slow / typed]
            yield [f"ours, {shape}", quick, slow / quick]


def evaluating():
    """A local evaluation of all presets over two hosts at 10,000 times."""
    raw = raw_hosts(1_700_000_000.0, columns=10_000)
    signals = load_presets(PRESETS)
    build, plan = best(lambda: Plan.build(signals, raw.names, raw.labels, Identity()))
    for name, values in (("gaps in most rows", raw.values), ("no gaps", np.nan_to_num(raw.values))):
        took, _ = best(lambda v=values: plan.run(raw.times, v, raw.times, rate_window=60))
        yield [
            f"evaluate {len(raw.names)} raw x 10,000 times, {name} ({took / raw.values.size * 1e9:.0f} ns a raw sample)",
            took,
            0,
        ]
    yield [f"plan of {len(raw.names)} raw series", build, 0]
    newest = Raw(raw.names, raw.labels, raw.times[-40:], raw.values[:, -40:])
    took, _ = best(lambda: plan.run(newest.times, newest.values, newest.times[-1:], rate_window=60))
    yield ["evaluate the newest instant", took, 0]


def scanning():
    """A page of 10,000 samples, new and known."""
    page = "\n".join(f'node_cpu_seconds_total{{cpu="{i // 8}",mode="m{i % 8}"}} {i * 1.5}' for i in range(10_000)).encode()
    known, given = {}, iter(range(10_000))
    first, _ = best(lambda: scan(page, known, lambda name, labels: next(given)), 1)
    again, _ = best(lambda: scan(page, known, lambda name, labels: -1))
    yield ["page of 10,000 samples, first time", first, 0]
    yield [f"page of 10,000 samples, again ({again / 10_000 * 1e6:.2f} us a sample)", again, 0]


def main(series=10_000, points=60):
    """Print the table."""
    for what, seconds, ratio in (*decoding(series, points), *evaluating(), *scanning()):
        print(f"{seconds * 1e3:10.1f} ms  {f'{ratio:5.1f}x' if ratio else '      '}  {what}")
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
