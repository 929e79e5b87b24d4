"""The house stands: imports go downwards only, and nothing that makes the data helps to judge it (house.md, "Floors")."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "analyzer": {
        0: ("window", "signals", "records", "duration", "yamlfile", "config", "identity", "policy"),
        1: ("detect", "forecast", "findings", "incidents", "causes", "kinds", "health", "maintenance", "explain", "promql",
            "evaluate", "exposition", "derived", "states", "ledger", "plain", "limits", "graph", "symptoms", "habits",
            "grouping", "cases", "paging", "readiness", "backtest", "silences", "verdicts", "people"),
        2: ("pipeline", "ports", "intake"),
        3: ("sources", "sinks", "store", "snapshot", "archive", "cache", "selfmetrics", "troubles", "uncut", "remote",
            "table", "progress"),
        4: ("api", "inbox", "resume", "runner", "replay", "past"),
        5: ("__main__", "ctl", "ctl_backtest", "ctl_replay", "ctl_page", "ctl_words", "build"),
    }
}  # fmt: skip
IMPURE = {"time", "os", "socket", "asyncio", "aiohttp", "requests", "urllib", "subprocess", "random", "threading"}


def modules(package):
    return sorted(p for p in (ROOT / package).rglob("*.py") if "pb2" not in p.name)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def room(path):
    return path.relative_to(ROOT / "analyzer").parts[0].removesuffix(".py")


def floor_of(name):
    return next((f for f, rooms in FLOORS["analyzer"].items() if name in rooms), None)


def test_every_room_of_the_analyzer_has_a_floor():
    unknown = {room(p) for p in modules("analyzer") if room(p) != "__init__" and floor_of(room(p)) is None}
    assert unknown == set()


@pytest.mark.parametrize("path", modules("analyzer"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_downwards(path):
    here = floor_of(room(path)) if room(path) != "__init__" else 5
    names = [n.split(".")[1] for n in imports(path) if n.startswith("analyzer.") and n.count(".")]
    climbing = [n for n in names if floor_of(n) is not None and floor_of(n) > here and n != "ports"]
    assert climbing == []


@pytest.mark.parametrize("path", [p for p in modules("analyzer") if room(p) != "__init__" and (floor_of(room(p)) or 0) <= 1])
def test_the_pure_floors_know_no_clock_network_or_environment(path):
    assert {n.split(".")[0] for n in imports(path)} & IMPURE == set()


@pytest.mark.parametrize(
    ("package", "never"), [("analyzer", "exporter"), ("exporter", "analyzer"), ("service", "analyzer"), ("service", "exporter")]
)
def test_packages_that_must_not_know_each_other_do_not(package, never):
    knowing = [str(p) for p in modules(package) if any(n.split(".")[0] == never for n in imports(p))]
    assert knowing == []
