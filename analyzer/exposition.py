"""Prometheus's text format: a page of bytes in, rows and values out. OpenMetrics too; timestamps and exemplars are skipped.

The text before a value (`name{labels}`) is the same at every scrape: it is parsed once and remembered in the caller's dict, so that
a page costs one look-up and one number a line. A bad line costs itself. Floor 1.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from analyzer.window import Floats, Ints, Labels

UNWANTED = -1
BAD = -2
REFUSED = -3  # not now; asked again at the next scrape
Admit = Callable[[str, Labels], int]
_HEAD = re.compile(rb'(?:[a-zA-Z_:][a-zA-Z0-9_:]*)?[ \t]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?')
_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(
    rb'[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\]|\\.)+")[ \t]*'
    rb'(?:(?P<is>=)[ \t]*"(?P<value>(?:[^"\\]|\\.)*)"[ \t]*)?(?P<next>,|$)'
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SIMPLE = {"n": "\n", "\\": "\\", '"': '"'}


@dataclass(frozen=True, slots=True, eq=False)
class Scraped:
    """What a page held: rows int64 [sample], as `admit` numbered them, each once; values float64 [sample]; lines not understood."""

    rows: Ints
    values: Floats
    bad: int


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A page on its own: names, labels (sorted) and values of its samples."""

    names: tuple[str, ...]
    labels: tuple[Labels, ...]
    values: Floats
    bad: int


def parse(body: bytes, wanted: Collection[str] | None = None) -> Page:
    """One page, nothing remembered. `wanted` None = every metric."""
    found: list[tuple[str, Labels]] = []

    def admit(name: str, labels: Labels) -> int:
        found.append((name, labels))
        return len(found) - 1

    page = scan(body, {}, admit, wanted)
    picked = [found[row] for row in page.rows.tolist()]
    return Page(tuple(name for name, _ in picked), tuple(labels for _, labels in picked), page.values, page.bad)


def scan(body: bytes, known: dict[bytes, int], admit: Admit, wanted: Collection[str] | None = None) -> Scraped:
    """Read a page.

    Parameters
    ----------
    known : row numbers by the text before the value; kept by the caller from scrape to scrape and added to here.
    admit : gives a row number to a series seen for the first time, or `UNWANTED`, or `REFUSED`.
    wanted : metric names; lines of others are skipped before their labels are looked at.
    """
    rows: list[int] = []
    values: list[float] = []
    bad = 0
    for line in body.split(b"\n"):
        if not line or line[0] == 35:  # "#"
            continue
        head, rest = _cut(line)
        row = known.get(head)
        if row is None:
            if not head:
                bad += bool(rest)
                continue
            row = _meet(head, admit, wanted)
            if row != REFUSED:
                known[head] = row
        if row in (UNWANTED, REFUSED):
            continue
        value = _number(rest) if row >= 0 else None
        if value is None:
            bad += 1
            continue
        rows.append(row)
        values.append(value)
    return _once(np.array(rows, np.int64), np.array(values, np.float64), bad)


def _cut(line: bytes) -> tuple[bytes, list[bytes]]:
    """The text before the value, and the words after it."""
    if b" # " in line or line[0] in b" \t":  # an exemplar has braces of its own
        line = line.strip()
        hit = _HEAD.match(line)
        end = hit.end() if hit else 0
        return line[:end].strip(), line[end:].split(b" # ")[0].split()
    end = line.rfind(b"}") + 1
    if end:
        return line[:end], line[end:].split()
    words = line.split(None, 1)
    return (words[0], words[1].split()) if len(words) == 2 else (line.strip(), [])


def _number(words: list[bytes]) -> float | None:
    """The value, of one or two words (the second is a timestamp); None where it is none."""
    if not 1 <= len(words) <= 2 or b"_" in words[0]:
        return None
    try:
        return float(words[0])
    except ValueError:
        return None


def _meet(head: bytes, admit: Admit, wanted: Collection[str] | None) -> int:
    name, brace, rest = head.partition(b"{")
    name = name.strip()
    if name and not _NAME.fullmatch(name):
        return BAD
    if wanted is not None and name and name.decode("ascii") not in wanted:
        return UNWANTED
    described = _describe(name, rest[:-1] if brace else b"")
    if described is None:
        return BAD
    if wanted is not None and described[0] not in wanted:
        return UNWANTED
    return admit(*described)


def _describe(name: bytes, inside: bytes) -> tuple[str, Labels] | None:
    """Metric name and sorted labels, or None where they are malformed."""
    labels: dict[str, str] = {}
    try:
        called, at = name.decode("ascii"), 0
        while at < len(inside) and inside[at:].strip():
            hit = _LABEL.match(inside, at)
            if hit is None:
                return None
            at = hit.end()
            key = _text(hit["name"])
            if hit["is"] is None:  # {"the.metric", label="value"}: a name that needs quotes
                if called or hit["name"][:1] != b'"':
                    return None
                called = key
            elif key in labels or key == "__name__":
                return None
            else:
                labels[key] = _text(b'"' + hit["value"] + b'"')
    except UnicodeDecodeError:
        return None
    return (called, tuple(sorted((k, v) for k, v in labels.items() if v))) if called else None


def _text(quoted: bytes) -> str:
    text = quoted.decode("utf-8")
    if text[0] != '"':
        return text
    inside = text[1:-1]
    return _ESCAPE.sub(lambda hit: _SIMPLE.get(hit[1], hit[0]), inside) if "\\" in inside else inside


def _once(rows: Ints, values: Floats, bad: int) -> Scraped:
    """A series that a page shows twice keeps its first value, as a scrape does."""
    first = np.unique(rows, return_index=True)[1]
    if len(first) < len(rows):
        first.sort()
        rows, values = rows[first], values[first]
    return Scraped(rows, values, bad)
