"""Records <-> what JSON can hold, for the trackers' state. In and out: plain dicts, lists and numbers; NaN is null."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from analyzer.records import Cause, Finding, Incident, Reason
from analyzer.window import Key, Labels

OPTIONAL = frozenset({"ended"})  # null means None there, and not NaN


def number(value: float) -> float | None:
    """A float, or None where JSON has no word for it."""
    return float(value) if np.isfinite(value) else None


def text(state: Mapping[str, Any]) -> str:
    """A tracker's state as JSON text."""
    return _bytes(state).decode()


def key(value: Key) -> list[Any]:
    """A series key as JSON."""
    return [value[0], [list(pair) for pair in value[1]]]


def to_key(value: Any) -> Key:
    """Back from `key`."""
    alias, labels = value
    return str(alias), to_labels(labels)


def to_labels(value: Any) -> Labels:
    """Label pairs as tuples again."""
    return tuple((str(a), str(b)) for a, b in value)


def finding(value: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return _plain(value)


def to_finding(value: Mapping[str, Any]) -> Finding:
    """Back from `finding`. Raises KeyError or TypeError on what is not one."""
    fields = _fields(value)
    fields["labels"] = to_labels(value["labels"])
    return Finding(**fields)


def incident(value: Incident) -> dict[str, Any]:
    """An incident as JSON."""
    return _plain(value)


def to_incident(value: Mapping[str, Any]) -> Incident:
    """Back from `incident`. Raises KeyError or TypeError on what is not one."""
    fields = _fields(value)
    fields["labels"] = to_labels(value["labels"])
    fields["findings"] = tuple(to_finding(f) for f in value["findings"])
    fields["causes"] = tuple(to_cause(c) for c in value["causes"])
    fields["affected"] = tuple(str(h) for h in value["affected"])
    return Incident(**fields)


def to_cause(value: Mapping[str, Any]) -> Cause:
    """A cause from JSON."""
    fields = _fields(value)
    for side in ("reasons_for", "reasons_against"):
        fields[side] = tuple(Reason(**_fields(r)) for r in value[side])
    return Cause(**fields)


def _plain(value: Finding | Incident) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(_bytes(value))  # in C; what is not finite becomes null on the way
    return fields


def _bytes(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=lambda number: number.item())  # numpy's numbers


def _fields(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: np.nan if v is None and k not in OPTIONAL else v for k, v in value.items()}
