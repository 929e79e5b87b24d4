"""Request bodies, bounded before they are believed.

In: a request whose body may be false in length, compressed, endless or slow. Out: at most ``limits.body_bytes`` plain bytes,
or a :class:`Problem`. Content encodings are undone here and not by the HTTP parser, so that each is refused before it costs.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import cramjam
import jsonschema
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from service import text
from service.held import FREE_BYTES, HELD
from service.limits import Limits
from service.problems import Problem

LIMITS = web.AppKey("limits", Limits)
GZIP_MEMBERS = 16  # a concatenated file has a few; thousands of empty ones only cost time
OFF_LOOP_BYTES = 64 * 1024  # parsing more than this is done in a thread
_RAW_DEFLATE, _ZLIB, _GZIP = -zlib.MAX_WBITS, zlib.MAX_WBITS, zlib.MAX_WBITS | 16


def limits_of(request: web.Request) -> Limits:
    """The limits of the application that `request` belongs to."""
    return request.config_dict.get(LIMITS) or Limits()


async def read_body(request: web.Request, *, limits: Limits | None = None, entry: str = "body") -> bytes:
    """The whole body, decoded.

    Raises
    ------
    Problem
        413 too_large, 400 bad_body or bad_encoding, 415 unsupported_encoding, 503 busy beside other large bodies.
    """
    limits = limits or limits_of(request)
    decode = _decoder(request.headers.get("Content-Encoding", ""), entry)
    announced = request.content_length
    if announced is not None and announced > limits.body_bytes:
        raise _too_large(limits, entry)
    raw = await _collect(request, limits, entry)
    if decode is None or getattr(request.content, "total_compressed_bytes", None) is not None:
        return raw  # a server that is not ours has undone it already
    plain: bytes = await _off_loop(decode, raw, limits.body_bytes)
    _hold(request, len(raw) + len(plain), entry)
    return plain


def _hold(request: web.Request, size: int, entry: str) -> None:
    held = request.config_dict.get(HELD)
    if held is not None:
        held.at_least(request, size, entry)


async def _off_loop(work: Callable[..., Any], raw: bytes, *args: Any) -> Any:
    if len(raw) <= OFF_LOOP_BYTES and work is not _gunzip:
        return work(raw, *args)
    return await asyncio.to_thread(work, raw, *args)


def _too_large(limits: Limits, entry: str) -> Problem:
    return Problem(413, "too_large", f"at most {limits.body_bytes} bytes", entry=entry, close=True)


async def _collect(request: web.Request, limits: Limits, entry: str) -> bytes:
    parts = bytearray()
    try:
        while chunk := await request.content.readany():
            parts += chunk
            if len(parts) > limits.body_bytes:
                raise _too_large(limits, entry)
            _hold(request, len(parts), entry)
    except (HttpProcessingError, RequestPayloadError, web.HTTPException, ValueError) as exc:
        raise Problem(400, "bad_body", text.printable(str(exc), 200), entry=entry, close=True) from exc
    return bytes(parts)


def _decoder(encoding: str, entry: str) -> Callable[[bytes, int], bytes] | None:
    known = {"": None, "identity": None, "gzip": _gunzip, "x-gzip": _gunzip, "deflate": _inflate, "snappy": unsnappy}
    word = encoding.strip().lower()
    if word not in known:
        raise Problem(
            415,
            "unsupported_encoding",
            f"Content-Encoding {text.printable(word, 40)!r}; gzip, deflate, snappy and identity are read here",
            {"Accept-Encoding": "gzip, deflate, snappy, identity"},
            entry=entry,
            close=True,
        )
    return known[word]


def _gunzip(raw: bytes, most: int) -> bytes:
    return _decompress(raw, most, _GZIP)


def _inflate(raw: bytes, most: int) -> bytes:
    wrapped = bool(raw) and raw[0] & 0x0F == 8  # some senders leave the zlib header out
    return _decompress(raw, most, _ZLIB if wrapped else _RAW_DEFLATE)


def _decompress(raw: bytes, most: int, window_bits: int) -> bytes:
    out = bytearray()
    rest, members = raw, 0
    while rest:
        members += 1
        if members > GZIP_MEMBERS:
            raise Problem(400, "bad_encoding", f"more than {GZIP_MEMBERS} compressed members", entry="body", close=True)
        engine = zlib.decompressobj(window_bits)
        try:
            out += engine.decompress(rest, most + 1 - len(out))
        except zlib.error as exc:
            raise Problem(400, "bad_encoding", f"compressed body: {exc}", entry="body", close=True) from None
        if len(out) > most:
            raise Problem(413, "too_large", f"at most {most} bytes after decompression", entry="body", close=True)
        if not engine.eof:
            raise Problem(400, "bad_encoding", "compressed body ends early", entry="body", close=True)
        rest = engine.unused_data
    return bytes(out)


def snappy_length(raw: bytes) -> int:
    """The decompressed length that a snappy block announces, in bytes.

    Raises
    ------
    Problem
        400 bad_encoding where the block does not even begin as one.
    """
    length = 0
    for index, byte in enumerate(raw[:5]):
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return length
    raise Problem(400, "bad_encoding", "not a snappy block", entry="body", close=True)


def unsnappy(raw: bytes, most: int) -> bytes:
    """A snappy block undone, refused before allocating where it claims more than `most` bytes."""
    claimed = snappy_length(raw)
    if claimed > most:
        raise Problem(413, "too_large", f"snappy block of {claimed} bytes; at most {most}", entry="body", close=True)
    if claimed > 32 * len(raw) + 64:  # one snappy element of 3 bytes copies at most 64
        raise Problem(400, "bad_encoding", "snappy block cannot hold what it claims", entry="body", close=True)
    try:
        return bytes(cramjam.snappy.decompress_raw(raw))
    except (cramjam.DecompressionError, ValueError) as exc:
        raise Problem(400, "bad_encoding", f"snappy: {exc}", entry="body", close=True) from None


def _check_type(request: web.Request, entry: str) -> None:
    if "Content-Type" in request.headers:
        kind = request.content_type
        if kind not in {"application/json", "application/octet-stream"} and not kind.endswith("+json"):
            raise Problem(415, "unsupported_type", "send Content-Type: application/json", entry=entry)
        charset = (request.charset or "utf-8").lower()
        if charset not in {"utf-8", "utf8", "us-ascii", "ascii"}:
            raise Problem(400, "bad_encoding", f"charset {text.printable(charset, 40)!r}; JSON is UTF-8", entry=entry)


def check_schema(value: Any, schema: Mapping[str, Any], entry: str = "json") -> None:
    """422 with the place and the rule where `value` does not fit the JSON Schema."""
    error = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    if error is not None:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        raise Problem(422, "schema", text.printable(f"{place.lstrip('.') or 'body'}: {error.message}"), entry=entry)


def _parse(raw: bytes, limits: Limits, schema: Mapping[str, Any] | None, entry: str) -> Any:
    try:
        value = text.loads(raw, depth=limits.depth, number_digits=limits.number_digits, parsed_bytes=limits.parsed_bytes)
    except text.BadText as exc:
        raise Problem({"schema": 422, "too_large": 413}.get(exc.reason, 400), exc.reason, exc.detail, entry=entry) from None
    if schema is not None:
        check_schema(value, schema, entry)
    return value


async def read_json(
    request: web.Request,
    *,
    schema: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    entry: str = "json",
) -> Any:
    """The JSON body, parsed and checked.

    Parameters
    ----------
    schema
        JSON Schema (2020-12) the body has to fit.
    limits
        Others than the application's, for a route that takes more.
    entry
        What the rejection counter calls this input.

    Raises
    ------
    Problem
        400 bad_json, too_deep, bad_number, not_finite, bad_encoding, bad_text, bad_body; 413 too_large;
        415 unsupported_encoding, unsupported_type; 422 schema with the place.
    """
    limits = limits or limits_of(request)
    _check_type(request, entry)
    raw = await read_body(request, limits=limits, entry=entry)
    if len(raw) > FREE_BYTES:
        _hold(request, len(raw) + min(await asyncio.to_thread(text.parsed_size, raw), limits.parsed_bytes), entry)
    return await _off_loop(_parse, raw, limits, schema, entry)
