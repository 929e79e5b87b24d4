"""Strict JSON text: what may be read and what is written.

In: the bytes of a body, or plain values. Out: plain values, or UTF-8 JSON without NaN, infinities and lone surrogates. Nothing
here knows a request; a refusal is a :class:`BadText` with the machine word that clients see.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

FIRST_SECOND, LAST_SECOND = -62135596800.0, 253402300799.0  # the years 1 to 9999, all that RFC 3339 can say
CONTAINER_BYTES, VALUE_BYTES = 200, 64  # an object with a few members; an element or member with a short value
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class BadText(ValueError):  # noqa: N818 - says what it is
    """Text that is refused.

    `reason` is one of bad_json, too_deep, bad_number, not_finite, bad_encoding, bad_text, schema, too_large.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parsed_size(raw: bytes) -> int:
    """Bytes that a JSON document takes when it is parsed, estimated without parsing it."""
    text = len(raw) * (1 if raw.isascii() else 4)  # one wide character widens the whole text
    return text + CONTAINER_BYTES * (raw.count(b"{") + raw.count(b"[")) + VALUE_BYTES * raw.count(b",")


def loads(raw: bytes, *, depth: int = 32, number_digits: int = 64, parsed_bytes: int | None = None) -> Any:
    """Parse one JSON document.

    Parameters
    ----------
    raw
        UTF-8 bytes.
    depth
        Deepest nesting of arrays and objects.
    number_digits
        Most characters of one number.
    parsed_bytes
        Most bytes that it may take when parsed, as :func:`parsed_size` estimates.

    Raises
    ------
    BadText
        With the reason and, where it is known, the place.
    """
    if parsed_bytes is not None and parsed_size(raw) > parsed_bytes:
        raise BadText("too_large", "too many values in one body; send it in parts")
    try:
        source = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BadText("bad_encoding", f"not UTF-8 at byte {exc.start}") from None
    try:
        value = _decoder(number_digits).decode(source)
    except RecursionError:
        raise BadText("too_deep", f"nested deeper than {depth}") from None
    except json.JSONDecodeError as exc:
        raise BadText("bad_json", f"{exc.msg} at line {exc.lineno} column {exc.colno}") from None
    _check_depth(value, depth, source)
    if _SURROGATE_ESCAPE.search(source):
        _check_surrogates(value)
    return value


def _decoder(number_digits: int) -> json.JSONDecoder:
    def digits(token: str) -> str:
        if len(token) > number_digits:
            raise BadText("bad_number", f"a number of {len(token)} characters; at most {number_digits}")
        return token

    def real(token: str) -> float:
        number = float(digits(token))
        if not math.isfinite(number):
            raise BadText("not_finite", f"{token} is beyond what a double can hold")
        return number

    def constant(token: str) -> NoReturn:
        raise BadText("not_finite", f"{token} is not a JSON number")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            seen: set[str] = set()
            twice = next(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise BadText("schema", f"key {printable(twice)!r} is given twice")
        return found

    return json.JSONDecoder(
        parse_int=lambda token: int(digits(token)), parse_float=real, parse_constant=constant, object_pairs_hook=pairs
    )


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for item in value.values() if isinstance(item, dict | list)]
    return [item for item in value if isinstance(item, dict | list)]


def _check_depth(value: Any, depth: int, source: str) -> None:
    if source.count("[") + source.count("{") <= depth or not isinstance(value, dict | list):
        return
    level, found = [value], 1
    while level := [child for parent in level for child in _children(parent)]:
        found += 1
        if found > depth:
            raise BadText("too_deep", f"nested deeper than {depth}")


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item.keys()
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _check_surrogates(value: Any) -> None:
    for item in _strings(value):
        try:
            item.encode("utf-8")
        except UnicodeEncodeError as exc:
            raise BadText("bad_text", f"half a character (\\u{ord(item[exc.start]):04x}) in a string") from None


def printable(value: str, longest: int = 500) -> str:
    """`value` short enough to send back, with lone surrogates and control characters escaped."""
    cut = value if len(value) <= longest else value[:longest] + "…"
    safe = cut.encode("utf-8", "backslashreplace").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match.group()):02x}", safe)


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339 UTC, to the millisecond: ``2026-05-01T12:00:00.000Z``; what lies beyond year 9999 is its end."""
    moment = dt.datetime.fromtimestamp(min(max(seconds, FIRST_SECOND), LAST_SECOND), dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise TypeError("a time without a zone")
        return rfc3339(value.timestamp())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any) -> bytes:
    """`value` as UTF-8 JSON.

    Raises
    ------
    ValueError
        For NaN, infinities and lone surrogates: whoever made the value has to say null instead.
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=False, default=_plain).encode("utf-8")
