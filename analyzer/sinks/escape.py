"""Text that others wrote, made safe for where it goes: alert labels and annotations.

Alertmanager takes anything and hands it on to mail, chat and pages, so what a reader's program would obey is taken out here:
control and direction characters, mass mentions, links in Markdown. Words stay readable.
"""

import re
from typing import Final

LONGEST_LABEL: Final = 1024
LONGEST_ANNOTATION: Final = 8192
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MENTION = re.compile(r"<(?=[!@#/a-zA-Z])|@(?=(?:channel|here|everyone|all)\b)")
_LINK = re.compile(r"\](?=\()")
_SCHEME = re.compile(r"\b(javascript|data|vbscript):", re.IGNORECASE)


def alert_label(text: str) -> str:
    """A label value: one line, no control or direction characters, bounded."""
    return _plain(text).replace("\n", " ").replace("\t", " ")[:LONGEST_LABEL].strip()


def annotation(text: str) -> str:
    """An annotation: lines stay; tags, mentions and Markdown links are words only."""
    plain = _LINK.sub("] ", _MENTION.sub(lambda m: "‹" if m[0] == "<" else "@ ", _plain(text)))
    return _SCHEME.sub(r"\1 :", plain)[:LONGEST_ANNOTATION]


def _plain(text: str) -> str:
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")))
