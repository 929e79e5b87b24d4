"""The node-mixin on our host and our simulated servers, and node_exporter beside our host: `make check-compat FROM=folder`.

`folder/node-mixin/` holds the mixin's compiled `rules.yml` and `alerts.yml`. A real Prometheus finds all targets over `/sd`,
scrapes them every second and evaluates every rule; each recording rule must give data for our host and for every simulated server.
Exit code 1 where one does not, where a rule fails, or where a series of node_exporter's is not ours without a written reason.
"""

import contextlib
import json
import shutil
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import yaml

from deploy.local import servers
from tests.exporter.compat import Page, Verdict, compare, parse

LOOKS = 8


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        text: str = reply.read().decode()
        return text


def api(url: str, path: str, **arguments: str) -> dict:
    return json.loads(get(f"{url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"))["data"]


@contextlib.contextmanager
def exporter(folder: Path, size: int) -> Iterator[servers.Running]:
    """Ours, with every simulated server deployed at once."""
    port = servers.free_port()
    command = [
        sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{port}", f"--fleet.size={size}",
        "--fleet.deploy-interval=0s", f"--collector.textfile.directory={folder}", "--collector.timeout=5s", "--log.level=warn",
    ]  # fmt: skip
    running = servers.start("exporter", command, url=f"http://127.0.0.1:{port}", folder=folder)
    try:
        yield running.wait_ready()
    finally:
        running.stop()


@contextlib.contextmanager
def prometheus(folder: Path, target: str, mixin: Path) -> Iterator[servers.Running]:
    """A Prometheus that scrapes what `target`'s /sd lists, with the mixin's rules and alerts."""
    for name in ("rules.yml", "alerts.yml"):
        shutil.copy(mixin / name, folder / name)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(folder / "rules.yml"), str(folder / "alerts.yml")],
        "scrape_configs": [
            {"job_name": "node", "http_sd_configs": [{"url": f"{target}/sd?host=1", "refresh_interval": "1s"}]},
        ],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    running = servers.start_prometheus(path, folder, receiver=False)
    try:
        yield running.wait_ready()
    finally:
        running.stop()


def instances(url: str, query: str) -> set[str]:
    return {row["metric"].get("instance", "") for row in api(url, "query", query=query)["result"]}


def recording_rules(mixin: Path) -> list[str]:
    groups = yaml.safe_load((mixin / "rules.yml").read_text())["groups"]
    return [rule["record"] for group in groups for rule in group["rules"]]


def targets(url: str) -> set[str]:
    """The instances that /sd lists, our own host among them."""
    return {entry["labels"].get("instance", entry["targets"][0]) for entry in json.loads(get(f"{url}/sd?host=1"))}


def wait_for_rules(url: str, rules: list[str], wanted: set[str], seconds: float) -> dict[str, set[str]]:
    """Record -> the instances for which it gives nothing, as soon as there are none or time is up."""
    deadline = time.monotonic() + seconds
    while True:
        lacking = {rule: wanted - instances(url, f'{{__name__="{rule}",job="node"}}') for rule in rules}
        if not any(lacking.values()) or time.monotonic() > deadline:
            return lacking
        time.sleep(1)


def unhealthy(url: str) -> list[str]:
    groups = api(url, "rules")["groups"]
    return [f"{rule['name']}: {rule['lastError']}" for it in groups for rule in it["rules"] if rule["health"] == "err"]


def alerts(url: str) -> tuple[int, list[str]]:
    """How many alert rules are loaded, and which are pending or firing for whom."""
    rules = [rule for it in api(url, "rules")["groups"] for rule in it["rules"] if rule["type"] == "alerting"]
    active = sorted({f"{it['labels']['alertname']} ({it['labels'].get('instance')})" for rule in rules for it in rule["alerts"]})
    return len(rules), active


def check_mixin(folder: Path, mixin: Path, size: int, seconds: float) -> bool:
    """Print a line for each recording rule; True when all are well."""
    with exporter(folder, size) as ours, prometheus(folder, ours.url, mixin) as prom:
        wait_for_fleet(ours.url, size, seconds)
        wanted = targets(ours.url)
        print(f"{len(wanted)} targets: our host and {len(wanted) - 1} simulated servers\n")
        lacking = wait_for_rules(prom.url, recording_rules(mixin), wanted, seconds)
        time.sleep(2)
        errors = unhealthy(prom.url)
        print(f"{'recording rule':<64} with data  without")
        for rule, missing in lacking.items():
            print(f"{rule:<64} {len(wanted) - len(missing):>4}/{len(wanted):<4} {' '.join(sorted(missing)[:5]) or '-'}")
        loaded, active = alerts(prom.url)
        print(f"\n{loaded} alert rules evaluated, {len(errors)} failed; pending or firing: {', '.join(active) or 'none'}")
        print("".join(f"  {error}\n" for error in errors), end="")
    return size + 1 == len(wanted) and not errors and not any(lacking.values())


def wait_for_fleet(url: str, size: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while len(targets(url)) < size + 1 and time.monotonic() < deadline:
        time.sleep(0.5)


def check_node_exporter(folder: Path) -> bool:
    """Print what differs; True when every series is ours or has a reason."""
    beside = servers.start_node_exporter(folder, extra=[f"--collector.textfile.directory={folder}"])
    try:
        beside.wait_ready("/metrics")
        with exporter(folder, 0) as ours:
            looks = [tuple(parse(get(f"{it.url}/metrics")) for it in (ours, beside, ours)) for _ in range(LOOKS)]
    finally:
        beside.stop()
    verdicts = compare(looks)
    report(verdicts, looks[0][0], looks[0][1])
    return all(verdict.good for verdict in verdicts)


def report(verdicts: list[Verdict], ours: Page, theirs: Page) -> None:
    words = Counter(verdict.word for verdict in verdicts)
    print(f"\nbeside node_exporter: {len(verdicts)} series, {len(theirs.names)} names")
    for word, meaning in (
        ("equal", "same name, labels and type; value between two looks of ours"),
        ("noise", "same, value within noise"),
        ("own", "each process tells of itself"),
        ("absent", "not ours, reason below"),
        ("missing", "not ours, and nobody knows why"),
        ("type", "of another type"),
        ("value", "with another value"),
    ):
        print(f"  {words[word]:>5} {word:<8} {meaning}")
    reasons: dict[str, Counter] = {}
    for verdict in verdicts:
        if verdict.word == "absent":
            reasons.setdefault(verdict.detail, Counter())[verdict.series[0]] += 1
    for why, names in reasons.items():
        print(f"  absent, {why}: {', '.join(sorted(names)[:6])}{' ...' if len(names) > 6 else ''}")
    for verdict in verdicts:
        if verdict.word in ("noise", "missing", "type", "value"):
            labels = ",".join(f'{label}="{value}"' for label, value in verdict.series[1])
            print(f"  {verdict.word}: {verdict.series[0]}{{{labels}}} {verdict.detail}")
    extra = sorted(name for name in ours.names - theirs.names if name.startswith("node_"))
    print(f"  ours and not theirs (newer node_exporters have them): {', '.join(extra) or 'none'}")


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that holds node-mixin/rules.yml and node-mixin/alerts.yml.",
)
@click.option("--size", default=20, show_default=True, help="Simulated servers.")
@click.option("--seconds", default=60.0, show_default=True, help="How long rules may take to give data.")
def main(source: Path, size: int, seconds: float) -> None:
    """Check our dialect against the node-mixin and against a real node_exporter."""
    with tempfile.TemporaryDirectory() as folder:
        mixin = check_mixin(Path(folder), source / "node-mixin", size, seconds)
        beside = check_node_exporter(Path(folder))
    print(f"\nnode-mixin: {'ok' if mixin else 'NOT ok'}; beside node_exporter: {'ok' if beside else 'NOT ok'}")
    sys.exit(0 if mixin and beside else 1)


if __name__ == "__main__":
    main()
