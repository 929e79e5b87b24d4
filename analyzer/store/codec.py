"""Records as text and back. JSON with NaN written as such: it never leaves the file, and unknown is not null."""

import json
from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")


def encode(record: object) -> str:
    """A record, or anything made of records, dicts, lists and plain values."""
    return json.dumps(msgspec.to_builtins(record, enc_hook=_plain), ensure_ascii=True, separators=(",", ":"))


def decode(text: str, kind: type[T]) -> T:
    """The record of a given type back from its text. Raises msgspec.ValidationError or ValueError."""
    value: Any = json.loads(text)
    return msgspec.convert(value, kind, strict=False)


def _plain(value: Any) -> Any:
    """What numpy computed, as Python's own; anything stranger as its text, since one odd fact must not cost a whole report."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
