"""Rows and texts for a terminal: columns as wide as what is in them, lines as wide as it is, Korean counted two cells wide."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def width(text: str) -> int:
    """Cells that a text takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A header and one line a row; missing values are `-`."""
    cells = [[c.replace("_", " ").upper() for c in columns]]
    cells += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(width(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["  ".join(text + " " * (widths[i] - width(text)) for i, text in enumerate(line)).rstrip() for line in cells]
    return "\n".join(lines)


def wrapped(text: str, most: int, first: str = "", rest: str = "") -> list[str]:
    """`text` as lines of at most `most` cells, broken between words; `first` and `rest` begin the first line and the others."""
    lines, line = [], first
    for word in text.split():
        if line not in (first, rest) and width(line) + 1 + width(word) > most:
            lines.append(line)
            line = rest
        line += word if line in (first, rest) else f" {word}"
    return [*lines, line]


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join("".join(c for c in str(value) if c.isprintable()).split())
