"""Dashboards: the committed JSON is as the code makes, the SDK loses none of it, every query parses and asks for what we write."""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser

from analyzer.derived import HELP, PER_SERIES, horizon_name
from analyzer.selfmetrics import SelfMetrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK points at schema v2, which the supported Grafanas do not all read
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from grafana.dashboards.build import DASHBOARDS, FOLDER, text

VARIABLES = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "3h"}
HISTOGRAM = ("_bucket", "_sum", "_count")
Json = dict[str, Any]


def committed() -> list[Path]:
    """Every dashboard file."""
    return sorted(FOLDER.glob("*.json"))


def agree() -> list[str]:
    """Files that are not what the code makes."""
    wrong = [f"{path.name}: no code makes it" for path in committed() if path.name not in DASHBOARDS]
    for name in DASHBOARDS:
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text(name):
            wrong.append(f"{name}: run python -m grafana.dashboards.build")
    return wrong


def lost_keys(dashboard: Json) -> list[str]:
    """Keys that the SDK does not know: a misspelt one is silently ignored by Grafana."""
    back = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
    return sorted(set(keys(dashboard)) - set(keys(back)))


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Every key with its place; list positions are kept apart."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}".lstrip(".")
            yield from keys(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from keys(inner, f"{path}[{at}]")


def expressions(dashboard: Json) -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every target and variable, Grafana's variables filled in."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            if "expr" in target:
                yield panel["title"], filled(target["expr"])
    for variable in dashboard["templating"]["list"]:
        query = variable.get("query")
        if isinstance(query, dict):
            inner = re.sub(r"^query_result\((.*)\)$|^label_values\((.*), \w+\)$", r"\1\2", query["query"])
            yield f"variable {variable['name']}", filled(inner)


def filled(expression: str) -> str:
    """With Grafana's variables replaced by something of their kind."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\w+", "x", expression)


def bad_queries(dashboard: Json) -> list[str]:
    """Queries that do not parse, or that ask for a metric that nobody writes."""
    wrong, known = [], known_metrics()
    for where, expression in expressions(dashboard):
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            wrong.append(f"{where}: {error}: {expression}")
        wrong += [f"{where}: nobody writes {name}" for name in set(re.findall(r"\bopenmanager_\w+", expression)) - known]
    return wrong


def known_metrics() -> set[str]:
    """Names of the derived series and of the analyzer's own metrics."""
    names = {f"openmanager_{var}" for var in HELP}
    names |= {f"openmanager_{v}_{horizon_name(h)}" for v in PER_SERIES[1:4] for h in (3600, 21600, 86400)}
    for family in SelfMetrics().registry.collect():
        kind = {"counter": ("_total",), "histogram": HISTOGRAM}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in kind}
    return names


def layout(dashboard: Json) -> list[str]:
    """Panels that overlap, lack a title, a description, a source, or share an id."""
    wrong, taken, ids = [], {}, set()
    for panel in dashboard["panels"]:
        name, place = panel.get("title") or "a panel", panel["gridPos"]
        wrong += [f"{name}: lacks {key}" for key in ("title", "description", "datasource", "id") if not panel.get(key)]
        if panel.get("id") in ids:
            wrong.append(f"{name}: shares its id")
        ids.add(panel.get("id"))
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), name)
                if other != name or x >= 24:
                    wrong.append(f"{name}: lies over {other}" if other != name else f"{name}: beyond the grid")
    return sorted(set(wrong))


def all_wrong() -> list[str]:
    """Everything about every file."""
    wrong = agree()
    for path in committed():
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for check in (lost_keys, bad_queries, layout):
            wrong += [f"{path.name}: {problem}" for problem in check(dashboard)]
    return wrong
