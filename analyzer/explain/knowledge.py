"""What is known about each kind of failure: likely cause, what a usual reading rules out, first steps, queries.

In: `knowledge/<kind>.yml`, shipped and the user's own (whose keys replace the shipped ones; `more_actions` adds). Out:
`Knowledge` values. A file that is wrong stops the start and names itself and the key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from analyzer.explain.units import Shown
from analyzer.records import FAULT_KINDS

SHIPPED = Path(__file__).parent / "knowledge"
PLACES = frozenset({"host", "instance", "mount", "peer", "dependents", "since", "role"})
MOST_BYTES = 256 * 1024
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLACE = re.compile(r"\{(\w+)\}")
_KEYS = {"name", "runbook", "needs", "calm", "still", "cause", "rules_out", "actions", "more_actions", "queries"}
_CONDITIONS = {"for", "moved", "peer", "dependents", "while"}


class KnowledgeError(ValueError):
    """A knowledge file cannot be used; the message names the file and what to change."""


@dataclass(frozen=True, slots=True)
class RuledOut:
    """What it means when these signals stayed as usual. `every`: the first one must be known; otherwise any of them will do."""

    signals: tuple[str, ...]
    so: Shown
    every: bool = True


@dataclass(frozen=True, slots=True)
class Action:
    """A step to take, and when it applies: words in role or hostname, moved signals, a healthy peer, dependants, up or down."""

    text: Shown
    services: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    peer: bool = False
    dependents: bool = False
    during: str = ""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One kind of failure. `needs`: what the server depends on belongs to the story. `calm`: said in the headline of the benign."""

    kind: str
    name: Shown
    runbook: str
    cause: Shown
    rules_out: tuple[RuledOut, ...] = ()
    actions: tuple[Action, ...] = ()
    queries: tuple[str, ...] = ()
    needs: bool = False
    calm: Shown | None = None
    still: Shown | None = None
    origin: str = field(default="", compare=False)


def load(extra: Path | None = None) -> Mapping[str, Knowledge]:
    """All kinds: the shipped files, with the files of the user's folder laid over them."""
    raw = {path.stem: _read(path) for path in sorted(SHIPPED.glob("*.yml"))}
    if extra is not None:
        if not extra.is_dir():
            raise KnowledgeError(f"{extra}: no such folder; give the folder that holds <kind>.yml files")
        for path in sorted(extra.glob("*.yml")):
            raw[path.stem] = _laid_over(raw.get(path.stem, {}), _read(path))
    missing = sorted(set(FAULT_KINDS) - set(raw))
    if missing:
        raise KnowledgeError(f"no knowledge about {', '.join(missing)}: add {missing[0]}.yml")
    return {kind: _parse(kind, body) for kind, body in raw.items()}


def _laid_over(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**shipped, **own}
    merged["actions"] = [*own.get("more_actions", []), *merged.get("actions", [])]
    merged.pop("more_actions", None)
    return merged


def _read(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    if len(raw) > MOST_BYTES:
        raise KnowledgeError(f"{path}: larger than {MOST_BYTES} bytes")
    try:
        text = raw.decode()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=LOADER)):
            raise KnowledgeError(f"{path}: aliases (*name) are not taken; write the text out")
        body = yaml.load(text, Loader=LOADER)  # noqa: S506  the safe loader, in C where libyaml is there
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KnowledgeError(f"{path}: not YAML in UTF-8: {error}") from error
    if not isinstance(body, dict) or not set(body) <= _KEYS:
        extra = sorted(str(key) for key in set(body) - _KEYS) if isinstance(body, dict) else ["(not a mapping)"]
        raise KnowledgeError(f"{path}: unknown key {', '.join(extra)}; known are {', '.join(sorted(_KEYS))}")
    for action in body.get("more_actions") or []:
        _action(path.stem, action)
    return body


def _parse(kind: str, body: Mapping[str, Any]) -> Knowledge:
    try:
        return Knowledge(
            kind=kind,
            name=_both(kind, "name", body["name"]),
            runbook=str(body.get("runbook", kind)),
            cause=_both(kind, "cause", body["cause"]),
            rules_out=tuple(_ruled_out(kind, entry) for entry in body.get("rules_out") or ()),
            actions=tuple(_action(kind, entry) for entry in body["actions"]),
            queries=tuple(_checked(kind, "queries", str(q)) for q in body.get("queries") or ()),
            needs=body.get("needs") is True,
            calm=_both(kind, "calm", body["calm"]) if "calm" in body else None,
            still=_both(kind, "still", body["still"]) if "still" in body else None,
        )
    except KeyError as error:
        raise KnowledgeError(f"{kind}.yml: {error.args[0]} is missing") from error


def _both(kind: str, key: str, entry: object) -> Shown:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(lang), str) and entry[lang].strip() for lang in ("en", "ko")):
        raise KnowledgeError(f"{kind}.yml: {key} needs text in both languages, `en` and `ko`")
    return Shown(_checked(kind, key, entry["en"].strip()), _checked(kind, key, entry["ko"].strip()))


def _checked(kind: str, key: str, text: str) -> str:
    unknown = set(_PLACE.findall(text)) - PLACES
    if unknown:
        raise KnowledgeError(f"{kind}.yml: {key} uses {{{min(unknown)}}}; known are {', '.join(sorted(PLACES))}")
    if text.count("`") % 2:
        raise KnowledgeError(f"{kind}.yml: {key} has a backtick without its partner")
    return text


def _ruled_out(kind: str, entry: object) -> RuledOut:
    if not isinstance(entry, dict) or not entry.get("signals"):
        raise KnowledgeError(f"{kind}.yml: each of rules_out needs `signals`, `en` and `ko`")
    return RuledOut(_names(kind, "signals", entry["signals"]), _both(kind, "rules_out", entry), entry.get("any") is not True)


def _action(kind: str, entry: object) -> Action:
    if not isinstance(entry, dict):
        raise KnowledgeError(f"{kind}.yml: each action needs `en` and `ko`")
    unknown = set(entry) - _CONDITIONS - {"en", "ko"}
    if unknown:
        raise KnowledgeError(f"{kind}.yml: an action has {min(unknown)}; known are {', '.join(sorted(_CONDITIONS))}")
    during = entry.get("while", "")
    if during not in ("", "up", "down"):
        raise KnowledgeError(f"{kind}.yml: `while` is up or down, not {during}")
    return Action(
        _both(kind, "actions", entry),
        frozenset(_names(kind, "for", entry.get("for", []))),
        frozenset(_names(kind, "moved", entry.get("moved", []))),
        entry.get("peer") is True,
        entry.get("dependents") is True,
        during,
    )


def _names(kind: str, key: str, entry: object) -> tuple[str, ...]:
    if not isinstance(entry, list) or not all(isinstance(name, str) for name in entry):
        raise KnowledgeError(f"{kind}.yml: `{key}` is a list of names")
    return tuple(entry)
