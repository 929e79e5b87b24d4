"""One language at a time: phrases filled in, lists joined, particles resolved, commands quoted.

In: phrase names and values. Out: text. Values were made fit for people (`safe.py`) when the evidence was gathered; inside backticks
they are quoted once more, for the shell that somebody will paste them into.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.explain import korean
from analyzer.explain.facts import Fact
from analyzer.explain.phrases import PHRASES
from analyzer.explain.units import Shown

_PLACE = re.compile(r"\{(\w+)\}")
_AS_NAMES = frozenset({"iowait", "inode"})  # words that keep their small letter at the start of a sentence


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says phrases in one language ("en" or "ko")."""

    lang: str

    def of(self, shown: Shown) -> str:
        """The text of this language."""
        return shown.say(self.lang)

    def say(self, name: str, /, **values: str) -> str:
        """A phrase with its values, particles resolved."""
        return self.fill(PHRASES[name], values)

    def fill(self, template: Shown, values: dict[str, str]) -> str:
        """A template with its values; those inside backticks are quoted as one shell word (PromQL's `instance` is not)."""
        parts = self.of(template).split("`")
        for at, part in enumerate(parts):
            parts[at] = _PLACE.sub(lambda m, code=at % 2: _value(m, values, code=bool(code)), part)  # type: ignore[misc]
        text = "`".join(parts)
        return korean.resolve(text) if self.lang == "ko" else text

    def noun(self, fact: Fact, *, bare: bool = False) -> str:
        """What the signal is called; `bare` without an article, for headlines."""
        word = self.of(fact.noun)
        return word.removeprefix("the ") if bare else word

    def value(self, fact: Fact) -> str:
        """A reading with what is usual in brackets, as far as either is known."""
        return self.of(fact.reading) + self.usually(fact)

    def usually(self, fact: Fact, phrase: str = "usually") -> str:
        """What is usual, as a remark; nothing where it is not learned."""
        usual = self.of(fact.usual)
        return self.say(phrase, usual=usual) if usual else ""

    def reading(self, fact: Fact) -> str:
        """A signal with its value in brackets: "requests (72/s)"."""
        value = self.of(fact.reading)
        noun = self.noun(fact)
        return f"{noun} ({value})" if self.lang == "en" else f"{noun}({value})"

    def on_host(self, fact: Fact, *, usual: bool = False, noun: bool = True) -> str:
        """A server with a signal's value in brackets: "web-prod-01 (CPU steal 0.4%)"."""
        inside = f"{self.noun(fact, bare=True) if noun else ''} {self.of(fact.reading)}".strip()
        if usual and fact.reading.en:
            inside += self.usually(fact, "usually_in")
        return f"{fact.host} ({inside})" if self.lang == "en" else f"{fact.host}({inside})"

    def listed(self, parts: Sequence[str]) -> str:
        """Parts as a list for the middle of a sentence."""
        if len(parts) < 2:
            return "".join(parts)
        if self.lang == "ko" and parts[-1].startswith("외 "):
            return f"{', '.join(parts[:-1])} {parts[-1]}"
        if self.lang == "ko":
            return korean.resolve(f"{', '.join(parts[:-1])}[과/와] {parts[-1]}") if len(parts) == 2 else ", ".join(parts)
        return f"{', '.join(parts[:-1])} and {parts[-1]}"

    def sentence(self, text: str) -> str:
        """With its full stop."""
        return text if text.endswith((".", "?", "!")) else f"{text}."


def capital(text: str) -> str:
    """With a capital first letter where the first word is not a name."""
    return text if text.split(" ", 1)[0] in _AS_NAMES else text[:1].upper() + text[1:]


def _value(match: re.Match[str], values: dict[str, str], *, code: bool) -> str:
    name = match.group(1)
    if name not in values:
        return match.group(0)
    return shlex.quote(values[name]) if code and name in ("host", "mount", "peer") else values[name]
