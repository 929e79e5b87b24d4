"""Answers of the Prometheus query API: JSON bytes in, label texts and arrays out, or a DecodeError.

The numbers of all series are parsed at once: what surrounds them (brackets, quotes) is struck out of the bytes and the rest is one
JSON array of floats, which is exact and three times as quick as objects. Anything unusual takes the slower, typed way.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from analyzer.window import Floats, Ints


class DecodeError(ValueError):
    """Not an answer of the query API. The message is fit for people: short, without control characters."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One answer.

    Attributes
    ----------
    metrics : the label sets as the JSON text that came, one a series.
    row : int64 [point], position in `metrics`; times, values : float64 [point], unix seconds and values; NaN = none or infinite.
    partial : the server said that something is missing; warnings : what it said.
    """

    metrics: list[bytes]
    row: Ints
    times: Floats
    values: Floats
    partial: bool = False
    warnings: tuple[str, ...] = ()


class _Row(msgspec.Struct):
    metric: msgspec.Raw
    value: msgspec.Raw = msgspec.Raw(b"")
    values: msgspec.Raw = msgspec.Raw(b"")


class _Reply(msgspec.Struct):
    status: Literal["success", "error"]
    data: msgspec.Raw = msgspec.Raw(b"")
    error: str = ""
    warnings: list[str] = []
    isPartial: bool = False  # noqa: N815 VictoriaMetrics's word


class _Data(msgspec.Struct):
    resultType: Literal["matrix", "vector", "scalar", "string"]  # noqa: N815 the API's word
    result: msgspec.Raw


_REPLY = msgspec.json.Decoder(_Reply)
_DATA = msgspec.json.Decoder(_Data)
_ROWS = msgspec.json.Decoder(list[_Row])
_NUMBERS = msgspec.json.Decoder(list[float | None])
_POINT = msgspec.json.Decoder(tuple[float, str])
_POINTS = msgspec.json.Decoder(list[tuple[float, str]])


def decode(body: bytes) -> Answer:
    """A vector, matrix or scalar answer. Raises DecodeError."""
    try:
        reply = _REPLY.decode(body)
        if reply.status != "success":
            raise DecodeError(f"the server says: {plain(reply.error)}")
        data = _DATA.decode(reply.data)
        if data.resultType == "scalar":
            rows = [_Row(msgspec.Raw(b"{}"), data.result)]
        elif data.resultType == "string":
            raise DecodeError("the expression gives text, not series")
        else:
            rows = _ROWS.decode(data.result)
        one = data.resultType != "matrix"
        metrics, texts = _texts(rows, one)
        row, times, values = _points(texts, one)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DecodeError(f"not an answer of the query API: {plain(str(error))}") from error
    # notes on the expression itself ("PromQL info: metric might not be a counter") do not make an answer partial
    serious = [plain(text) for text in reply.warnings if not text.startswith("PromQL ")]
    return Answer(metrics, row, times, values, reply.isPartial or bool(serious), tuple(serious[:20]))


def error_text(body: bytes) -> str:
    """What an error answer says, in one short line; "" where it says nothing that can be read."""
    try:
        return plain(_REPLY.decode(body).error)
    except (msgspec.MsgspecError, RecursionError):
        return plain(body[:200].decode("utf-8", "replace"))


def plain(text: str) -> str:
    """One printable line of at most 200 characters."""
    return "".join(one if one.isprintable() else " " for one in text[:400]).strip()[:200]


def _texts(rows: list[_Row], one: bool) -> tuple[list[bytes], list[bytes]]:
    """Label sets and samples as the JSON text that they are; native histograms, which have no samples, left out."""
    metrics = [bytes(row.metric) for row in rows]
    texts = [bytes(row.value) for row in rows] if one else [bytes(row.values) for row in rows]
    if all(texts):
        return metrics, texts
    return [metric for metric, text in zip(metrics, texts, strict=True) if text], [text for text in texts if text]


def _points(texts: list[bytes], one: bool) -> tuple[Ints, Floats, Floats]:
    rows = np.arange(len(texts))
    if not one:
        rows = np.repeat(rows, [text.count(b'"') // 2 for text in texts])
    some = [text for text in texts if len(text) > 2]  # "[]" would leave a comma behind
    flat = b"[" + b",".join(some).translate(None, b'[]"') + b"]"
    if b"N" in flat or b"I" in flat:
        flat = flat.replace(b"NaN", b"null").replace(b"+Inf", b"null").replace(b"-Inf", b"null")
    try:
        numbers = np.array(_NUMBERS.decode(flat), np.float64)
    except msgspec.MsgspecError:
        numbers = np.zeros(1)
    if len(numbers) != 2 * len(rows):
        return _points_typed(texts, one)
    pairs = numbers.reshape(-1, 2)
    return rows, pairs[:, 0], pairs[:, 1]


def _points_typed(texts: list[bytes], one: bool) -> tuple[Ints, Floats, Floats]:
    points = [[_POINT.decode(text)] if one else _POINTS.decode(text) for text in texts]
    rows = np.repeat(np.arange(len(texts)), [len(row) for row in points])
    try:
        pairs = np.array([(at, float(text)) for row in points for at, text in row], np.float64).reshape(-1, 2)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"a sample is not a number: {plain(str(error))}") from error
    return rows, pairs[:, 0], pairs[:, 1]
