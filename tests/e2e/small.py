"""A small installation for tests of outages and restarts: three servers watched, two hours of history, quick to open and to close.

What is found in it is certain without learning (a server that does not answer), so that the tests are about what happens to it.
"""

import json
import time
import urllib.request
from contextlib import contextmanager

from analyzer.signals import load_presets
from deploy.local import servers
from tests.e2e.stack import stack

ILL = "auth-01"
KEPT = {"up", "memory", "disk"}  # signals; the rest of a crash's traces would make its end a long story
WATCHED = f"{ILL}|mail-01|backup-01"
CRASH = ("crash", ILL, 1.0, 240, 5400)


@contextmanager
def small(folder, *, faults=(CRASH,), seeded=True, **changes):
    """A Stack whose analyzer has done a first live cycle; with the crash of ILL, people have been told of it."""
    with stack(folder, interval=2, scrape=2) as world:
        world.start_servers(**changes.pop("servers", {}))
        if seeded:
            world.seed(faults, days=0.1, fine=1200.0)
        world.start_exporter()
        world.changes = quick(world) | changes
        world.start_analyzer(**world.changes)
        world.wait("first live cycle", world.scored, 60)
        if faults:
            world.wait("alert", lambda: ours(world), 40)
        yield world


def quick(world):
    """Sections of the analyzer's configuration."""
    return {
        "reader": {
            "url": world.url("prometheus"), "presets": ["node"], "selector": f'job="node", instance=~"{WATCHED}"',
            "signals": {s.alias: False for s in load_presets(("node",)) if s.alias not in KEPT},
            "interval": world.interval, "scrape_interval": world.scrape, "history": "2h", "judge_last": "10m", "timeout": "2s",
        },
        "alerting": {
            "mode": "on", "hold": "10s", "resolve_after": "6s", "alertmanagers": [{"url": world.url("alertmanager")}],
        },
    }  # fmt: skip


def ours(world):
    """The alert about ILL as Alertmanager has it, or None."""
    found = [a for a in world.alerts() if a["labels"].get("instance") == ILL]
    assert len(found) <= 1, "an incident never has two alerts firing"
    return found[0] if found else None


def identity(alert):
    """What must never change while it fires."""
    return alert["fingerprint"], alert["startsAt"], alert["labels"]


def told(world):
    """What people were told about ILL: status of each notification, in order."""
    return [a["status"] for a in world.notes.alerts if a["labels"].get("instance") == ILL]


def self_alerts(world):
    """Names of the alerts about the analyzer itself that are firing."""
    return [a["labels"]["alertname"] for a in world.alerts() if a["labels"].get("job") == "openmanager-analyzer"]


def watch(world, seconds, check):
    """Call `check` all the time for some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(0.2)


def prometheus_again(world):
    """Start Prometheus once more on its data and port."""
    file = world.folder / "prometheus.yml"
    world.add(servers.start_prometheus(file, world.folder, port=world.ports["prometheus"])).wait_ready()


def lift(world):
    """End every planted fault."""
    for fault in world.get("exporter", "/api/fleet/faults")["faults"]:
        world.post("exporter", f"/api/fleet/faults/{fault['id']}", {}, "DELETE")


def page(world, path="/metrics"):
    """A text page of the analyzer, and the seconds it took."""
    began = time.monotonic()
    with urllib.request.urlopen(world.url("analyzer") + path, timeout=10) as reply:
        return reply.read().decode(), time.monotonic() - began


def newest_sample(world, selector):
    """Time of the newest sample that any matching series has, looking four minutes into the future as well; 0 without one."""
    found = world.get("prometheus", "/api/v1/query", query=f"{selector}[5m]", time=time.time() + 240)
    return max((float(row["values"][-1][0]) for row in found["data"]["result"]), default=0.0)


def scrapes_are_well(world):
    """Every target but the crashed one answered every scrape of the last minute, and none of its samples was refused."""
    bad = world.query(f'min_over_time(up{{instance!="{ILL}"}}[1m]) == 0')
    lost = world.query("scrape_samples_scraped > 0 and scrape_samples_post_metric_relabeling == 0")
    return json.dumps(bad + lost) == "[]"
