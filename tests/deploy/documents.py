"""The documents against what they describe: configuration keys, metrics, alerts, links, commands; one language and the other."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from analyzer.derived import HELP, horizon_name

ROOT = Path(__file__).resolve().parents[2]
HANGUL = re.compile(r"[\uac00-\ud7a3]")
HTTP = {"basic_auth", "authorization", "tls_config", "headers"}


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def schema_keys(rule: dict[str, Any]) -> Iterator[str]:
    """Every key that the configuration can have."""
    for name, inner in rule.get("properties", {}).items():
        yield name
        yield from schema_keys(inner)
    if isinstance(rule.get("items"), dict):
        yield from schema_keys(rule["items"])


def configuration(document: str) -> list[str]:
    """Keys of the schema that the document does not name, and keys in its tables that the schema does not have."""
    rules = json.loads(text("analyzer/config.schema.json"))
    keys = set(schema_keys(rules))
    prose = re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)
    spoken = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", prose))))
    wrong = [f"docs/configuration.md does not name {key}" for key in sorted(keys - spoken)]
    rows = {key.split(".")[-1] for key in re.findall(r"^\| `([a-z_.]+)` \|", document, re.MULTILINE)}
    return wrong + [f"docs/configuration.md: no key {key}" for key in sorted(rows - keys)]


def defaults(document: str) -> list[str]:
    """Defaults in the tables that are not the schema's."""
    rules, wrong = json.loads(text("analyzer/config.schema.json"))["properties"], []
    for section in re.split(r"^## ", document, flags=re.MULTILINE)[1:]:
        name = re.match(r"`(\w+)`", section)
        known = rules[name[1]]["properties"] if name else rules
        for key, said in re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", section, re.MULTILINE):
            rule: dict[str, Any] = {"properties": known}
            for part in key.split("."):
                rule = rule["properties"].get(part, {})
            real = rule.get("default")
            shown = str(real).lower() if isinstance(real, bool) else str(real)
            if real is not None and said.replace('"', "") != shown.replace("'", ""):
                wrong.append(f"docs/configuration.md: the default of {key} is {shown}, not {said}")
    return wrong


def own_metrics() -> set[str]:
    """What our services and the derived series are called."""
    from analyzer.selfmetrics import SelfMetrics
    from service import app
    from service.guard import Guard
    from service.limits import Limits
    from service.webfiles import WebFiles

    registry = SelfMetrics(CollectorRegistry()).registry
    app.create_app(name="documents", registry=registry)
    WebFiles(None, None, Guard(), Limits(), registry)
    suffix = {"counter": "_total", "info": "_info"}
    names = {f.name + suffix.get(f.type, "") for f in registry.collect() if f.name.startswith("openmanager_")}
    names |= {f"openmanager_{var}" for var in HELP}
    names |= {f"openmanager_{var}_{horizon_name(h)}" for var in ("yhat", "yhat_lower", "yhat_upper") for h in (3600, 21600, 86400)}
    source = subprocess.run(["git", "grep", "-hoE", r"openmanager_(exporter|fleet)_[a-z_]*[a-z]\b", "--", "exporter"],
                            cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    return names | {name for name in source.stdout.split() if not name.endswith("_gpu")}


def metrics(document: str) -> list[str]:
    """Metrics without a row, and rows without a metric."""
    rows = {n for row in re.findall(r"^\| (`openmanager_[^|]*) \|", document, re.MULTILINE) for n in re.findall(r"`(\w+)`", row)}
    real = own_metrics()
    wrong = [f"docs/metrics.md lacks {name}" for name in sorted(real - rows)]
    return wrong + [f"docs/metrics.md: nobody writes {name}" for name in sorted(rows - real)]


def alert_names() -> set[str]:
    """Every alert of the rules and of the code."""
    names = set()
    for file in sorted((ROOT / "alert_rules").glob("*.yml")):
        groups = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        names |= {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    code = subprocess.run(["git", "grep", "-hoE", r"\"OpenManager[A-Z][A-Za-z]+\"", "--", "analyzer"],
                          cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    return names | {name.strip('"') for name in code.stdout.split()}


def runbooks(document: str) -> list[str]:
    """Alerts without a section in both languages and with commands; sections without an alert."""
    sections = {part.split("\n", 1)[0].strip(): part for part in re.split(r"^## ", document, flags=re.MULTILINE)[1:]}
    names, wrong = alert_names(), []
    for name in sorted(names):
        part = sections.get(name, "")
        if not part:
            wrong.append(f"docs/runbooks.md: no section for {name}")
        elif not HANGUL.search(part) or "```sh" not in part or "Silence:" not in part:
            wrong.append(f"docs/runbooks.md: {name} lacks Korean, commands, or when to silence it")
    return wrong + [f"docs/runbooks.md: nobody fires {name}" for name in sorted(sections.keys() - names)]


def anchors(document: str) -> set[str]:
    """The headings of a document as links call them."""
    heads = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def links() -> list[str]:
    """Links inside the repository that lead nowhere."""
    wrong = []
    for file in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://)([^)]+)\)", file.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            there = (file.parent / path) if path else file
            if not there.exists():
                wrong.append(f"{file.name}: {target} is not there")
            elif anchor and anchor not in anchors(there.read_text(encoding="utf-8")):
                wrong.append(f"{file.name}: {target} has no such heading")
    return wrong


def blocks(document: str) -> list[str]:
    """The commands and configuration of a document, without what programs answered."""
    return [body for kind, body in re.findall(r"^```(\w*)\n(.*?)^```", document, re.MULTILINE | re.DOTALL) if kind]


def readmes(english: str, korean: str) -> list[str]:
    """Both READMEs have the same commands and configuration; every make target in them exists."""
    wrong = [] if blocks(english) == blocks(korean) else ["README.ko.md: commands or configuration differ from README.md"]
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    said = set(re.findall(r"(?:^|`)make ([a-z-]+)", english + korean, re.MULTILINE))
    return wrong + [f"README: no make target {name}" for name in sorted(said - targets)]


def all_wrong() -> list[str]:
    """Everything about every document."""
    configured = text("docs/configuration.md")
    return [
        *configuration(configured),
        *defaults(configured),
        *metrics(text("docs/metrics.md")),
        *runbooks(text("docs/runbooks.md")),
        *readmes(text("README.md"), text("README.ko.md")),
        *links(),
    ]
