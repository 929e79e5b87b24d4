"""Writing back: 10,000 and 50,000 samples as remote write bodies, beside google.protobuf. Prints a table of times and ratios.

`python -m tests.bench.write`
"""

import time

import cramjam
import numpy as np

from analyzer.derived import Block, Family, LabelTable
from analyzer.sinks.encoding import Encoder
from tests.analyzer.sinks.receivers import WriteRequest, decode

NOW = 1_790_000_000.0


def table_of(n):
    """n label sets of five labels, as node_exporter's would be."""
    labels = tuple(
        (
            ("device", f"sd{i % 4}"),
            ("for", f"signal_{i % 40}"),
            ("instance", f"web-{i // 160:03d}"),
            ("job", "node"),
            ("role", "web"),
        )
        for i in range(n)
    )
    return LabelTable(labels, np.arange(n))


def by_google(table, values):
    """The same body by nested messages."""
    request = WriteRequest()
    for labels, value in zip(table.labels, values.tolist(), strict=True):
        one = request.timeseries.add()
        for name, text in (("__name__", "openmanager_y"), *labels):
            one.labels.add(name=name, value=text)
        one.samples.add(value=value, timestamp=int(NOW * 1000))
    return request.SerializeToString()


def best(work, times):
    """Milliseconds of the fastest of several runs, and what it made."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        made = work()
        taken.append(time.perf_counter() - began)
    return 1000 * min(taken), made


def main():
    print(
        f"{'samples':>8} {'google ms':>10} {'ours ms':>8} {'x':>6} {'snappy ms':>10} {'x with snappy':>14} {'bytes':>9} {'sent':>8}"
    )
    for n in (10_000, 50_000):
        table, values = table_of(n), np.random.default_rng(1).random(n)
        encoder, family = Encoder(), Family("openmanager_y", "y", table)
        block = Block(family, values, np.ones(n, bool))
        theirs, wanted = best(lambda table=table, values=values: by_google(table, values), 3)
        encoder.bodies((block,), NOW, n)  # laid out once, as in the service
        ours, bodies = best(lambda e=encoder, b=block, n=n: e.bodies((b,), NOW, n), 20)
        if decode(bodies[0].data) != decode(wanted):
            raise SystemExit("the two ways do not agree")
        pressed, body = best(lambda b=bodies: bytes(cramjam.snappy.compress_raw(b[0].data)), 20)
        whole = theirs + pressed
        sizes = f"{len(bodies[0].data):>9} {len(body):>8}"
        print(
            f"{n:>8} {theirs:>10.1f} {ours:>8.2f} {theirs / ours:>6.0f} {pressed:>10.2f} {whole / (ours + pressed):>14.0f} {sizes}"
        )


if __name__ == "__main__":
    main()
