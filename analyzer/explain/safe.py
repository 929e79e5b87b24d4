"""Names and label values as they may stand in a text: strangers write them.

In: any string. Out: one line, bounded, without control and direction characters, and without what chat tools, HTML or
Markdown would take for more than text.
"""

import shlex
import unicodedata

LONGEST = 120
_SWAP = str.maketrans({"<": "‹", ">": "›", "`": "'", "{": "(", "}": ")"})
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format (bidi, zero width), surrogates, unassigned, line breaks


def plain(text: str, longest: int = LONGEST) -> str:
    """`text` fit to be read by a person inside a sentence."""
    clean = "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in text[: 4 * longest])
    clean = clean.translate(_SWAP).replace("](", "] (").strip()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def shell(text: str) -> str:
    """`text` as one argument of a command that somebody will copy."""
    return shlex.quote(plain(text))


def promql(text: str) -> str:
    """`text` as the inside of a PromQL string in double quotes."""
    return plain(text).replace("\\", "\\\\").replace('"', '\\"')
