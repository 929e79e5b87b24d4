"""Structured logs that cannot be forged and hold no secrets.

In: an event and its fields, from our code through structlog or from a library through the standard logging module. Out: one
line of logfmt or JSON on standard error. Control characters, line and direction marks are escaped, so no input can start a
new line or colour a terminal; values of secret-looking keys, credentials in addresses and Authorization values are cut out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog

REDACTED = "<secret>"
LONGEST_VALUE = 8192

_SECRET_KEY = re.compile(r"passw|secret|token|authorization|cookie|credential|api_?key|private", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@'\"]+@")
_SCHEME_VALUE = re.compile(r"\b(?P<scheme>Basic|Bearer|Digest)\s+[A-Za-z0-9._~+/=-]{4,}", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?P<name>\b(?:[a-z_-]*(?:passw(?:or)?d|secret|token)|api[_-]?key|authorization|credentials))"
    r"(?P<sign>['\"]?\s*[=:]\s*['\"]?)(?!(?:Basic|Bearer|Digest)\b)[^\s&,;'\"}]+",
    re.IGNORECASE,
)
# C0 and C1 controls, DEL, line and paragraph separators, direction marks, zero width characters, surrogates
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

Event = MutableMapping[str, Any]


def _escape_one(match: re.Match[str]) -> str:
    char = match.group()
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(char)
    return named.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def escape(text: str) -> str:
    """`text` on one line, with nothing in it that a terminal or a log reader would obey."""
    return _UNSAFE.sub(_escape_one, text)


def redact(text: str) -> str:
    """`text` without passwords in addresses, Authorization values and secret-looking parameters."""
    text = _USERINFO.sub(rf"\g<scheme>{REDACTED}@", text)
    text = _SCHEME_VALUE.sub(rf"\g<scheme> {REDACTED}", text)
    return _PARAMETER.sub(rf"\g<name>\g<sign>{REDACTED}", text)


def _clean(value: Any, depth: int = 4) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth and isinstance(value, Mapping):
        return {str(key): _field(str(key), item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, depth - 1) for item in value]
    text = str(value)
    if len(text) > LONGEST_VALUE:
        text = text[:LONGEST_VALUE] + "…"
    return redact(text)


def _field(key: str, value: Any, depth: int = 4) -> Any:
    if _SECRET_KEY.search(key) and not isinstance(value, bool | int | float | None):
        return REDACTED
    return _clean(value, depth)


def clean_event(_logger: Any, _method: str, event: Event) -> Event:
    """structlog processor: every value redacted and cut to a bearable length. Escaping is the renderers' part."""
    private = {key: value for key, value in event.items() if key.startswith("_")}  # structlog's own bookkeeping
    public = {key: _field(key, value) for key, value in event.items() if not key.startswith("_")}
    event.clear()
    event.update(public)
    event.update(private)
    return event


def _quote(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if text and not re.search(r'[\s="\\]', text) and not _UNSAFE.search(text):
        return text
    return '"' + escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _logfmt(_logger: Any, _method: str, event: Event) -> str:
    first = {"ts": event.pop("ts", None), "level": event.pop("level", None), "component": event.pop("component", None)}
    first["msg"] = event.pop("event", "")
    pairs = [*first.items(), *event.items()]
    return " ".join(f"{re.sub(r'[^A-Za-z0-9_.-]', '_', key)}={_quote(value)}" for key, value in pairs if value is not None)


def _json(_logger: Any, _method: str, event: Event) -> str:
    event["msg"] = event.pop("event", "")
    line = json.dumps(event, ensure_ascii=False, default=str)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", line)


def _component(logger: Any, _method: str, event: Event) -> Event:
    record = event.get("_record")
    event.setdefault("component", record.name if record is not None else getattr(logger, "name", ""))
    return event


def _shared() -> list[Any]:
    return [
        structlog.stdlib.add_log_level,
        _component,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        clean_event,
    ]


def _processors() -> list[Any]:
    return [structlog.stdlib.filter_by_level, *_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter]


def setup(
    level: str = "info",
    format: Literal["logfmt", "json"] = "logfmt",  # noqa: A002 - the flag is called --log.format
    stream: TextIO | None = None,
) -> logging.Handler:
    """Send all logs of this process, ours and libraries', to `stream` (standard error by default).

    Parameters
    ----------
    level
        ``debug``, ``info``, ``warn`` or ``error``.
    format
        ``logfmt`` as Prometheus writes it, or ``json``.
    """
    renderer = _json if format == "json" else _logfmt
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel({"warn": "WARNING"}.get(level.lower(), level.upper()))
    structlog.configure(  # loggers that were made without `get`, ours or a library's, say it in the same words
        processors=_processors(), logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger
    )
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)  # a line a request belongs in front of a proxy
    return handler


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for component `name`: ``log.info("what happened", key=value)``."""
    return cast(
        structlog.stdlib.BoundLogger,
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=_processors(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        ),
    )
