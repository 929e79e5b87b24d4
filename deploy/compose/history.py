"""Fills a fresh Prometheus with the simulated fleet's last week, so that the analyzer knows what is usual from its first minute.

In: Prometheus's address, its write receiver on. Out: samples; a second run fills only what is missing since the first.
"""

import sys
import time
import urllib.error

import click

from analyzer.signals import load_presets
from deploy.local import seed
from deploy.local.demo import target_labels
from exporter.fleet.load import Load

DAY = 86400.0


@click.command()
@click.option("--prometheus", default="http://127.0.0.1:9090", show_default=True, help="where to write")
@click.option("--days", type=click.FloatRange(0.1, 7), default=7, show_default=True, help="how far back")
def main(prometheus: str, days: float) -> None:
    """Write the fleet's past into Prometheus."""
    now = time.time()
    try:
        last = seed.newest(prometheus, now, days * DAY)
        start = max(now - days * DAY, last + 1 if last else 0)
        if now - start < 2 * seed.STEP:
            click.echo("the history is there already")
            return
        load = Load()
        labels = {server.hostname: target_labels(server) for server in load.servers}
        past, signals = seed.Past(load, labels.__getitem__), load_presets(("node", "fleet"))
        done = seed.seed(prometheus, past, signals, start=start, end=now, progress=seed.bar("history"))
    except (urllib.error.URLError, OSError) as error:
        click.echo(f"history: {prometheus}: {error}", err=True)
        sys.exit(1)
    click.echo(f"{done.samples:,} samples of {done.series} series written in {done.seconds:.1f} s")


if __name__ == "__main__":
    main()
