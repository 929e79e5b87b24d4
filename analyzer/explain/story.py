"""The middle of an explanation: what moved with it, who feels it, what stayed as usual and what that rules out.

In: `Evidence`, `Knowledge`, a `Speaker`. Out: single sentences, "" where there is nothing to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from analyzer.explain.facts import Evidence, Fact
from analyzer.explain.knowledge import Knowledge, RuledOut
from analyzer.explain.say import Speaker, capital

SAME_TIME = 60.0  # onsets closer than a usual cycle cannot be told apart
MOST = 3
MOST_NAMED = 5  # so many servers are named before the rest is only counted
MOST_GROUPS = 2


@dataclass(frozen=True, slots=True)
class Story:
    """Sentences about everything but the lead."""

    evidence: Evidence
    known: Knowledge
    speaker: Speaker

    # ---------------------------------------------------------------- what moved

    def ahead_of(self, due: str) -> str:
        """When it is due, where something runs out; then what moved on the same server."""
        moved = self.moved()
        return f"{self.speaker.sentence(due)} {moved}".strip() if due and moved else due or moved

    def moved(self) -> str:
        """Other signals of the same server, in the order in which they left their range."""
        lead = self.evidence.lead
        facts = [
            f for f in self.evidence.moved if f.bearing in ("above", "below") and f.reading.en and not f.inside and f.signal != "up"
        ]
        early = [f for f in facts if f.onset < lead.onset - SAME_TIME][:MOST]
        rest = [f for f in facts if f not in early][: MOST - min(len(early), MOST - 1)]
        parts = []
        if early:
            at = self.speaker.of(self.evidence.clock(early[0].onset))
            parts.append(self.speaker.say("before", at=at, list=self._changes(early)))
        if rest:
            then = all(f.onset > lead.onset + SAME_TIME for f in rest)
            parts.append(self.speaker.say("then" if then else "with", list=self._changes(rest)))
        for bearing, phrase in (("frozen", "also_frozen"), ("gone", "also_gone")):
            same = [f for f in self.evidence.moved if f.bearing == bearing == lead.bearing]
            if same:
                parts.append(self.speaker.say(phrase, list=self.speaker.listed([self.speaker.noun(f) for f in same[:MOST]])))
        return " ".join(self.speaker.sentence(p) for p in parts)

    def _changes(self, facts: list[Fact]) -> str:
        """What rose or fell to which value: one verb for each run of one direction."""
        runs = [(bearing, list(run)) for bearing, run in groupby(facts, key=lambda f: f.bearing)]
        texts = [self._run(bearing, run, last=at == len(runs) - 1) for at, (bearing, run) in enumerate(runs)]
        if self.speaker.lang == "ko":
            return " ".join(texts)
        return " and ".join(texts)

    def _run(self, bearing: str, run: list[Fact], *, last: bool) -> str:
        verb = "up" if bearing == "above" else "down"
        speaks = [{"noun": self.speaker.noun(f), "value": self.speaker.value(f)} for f in run]
        if self.speaker.lang == "ko":
            final = self.speaker.say(f"{verb}_to" if last else f"{verb}_and", **speaks[-1])
            return ", ".join([*(self.speaker.say("up_in", **s) for s in speaks[:-1]), final])
        first = self.speaker.say(f"{verb}_to", **speaks[0])
        return self.speaker.listed([first, *(self.speaker.say("up_in", **s) for s in speaks[1:])])

    # ---------------------------------------------------------------- who feels it

    def felt(self) -> str:
        """Servers that feel it: those that depend on this one apart from those that merely are strange too."""
        facts = [f for f in self.evidence.felt if f.strange and not f.inside]
        depending = [f for f in facts if f.host in self.evidence.dependents]
        others = [f for f in facts if f.host not in self.evidence.dependents]
        parts = []
        if len(depending) == 1 and depending[0].reading.en:
            only = depending[0]
            noun, value = self.speaker.noun(only, bare=self.speaker.lang == "en"), self.speaker.value(only)
            own = next((f for f in self.evidence.work if f.host == only.host), None)
            also = (
                self.speaker.say("own_usual", host=only.host, reading=self.speaker.reading(own))
                if own and not self.evidence.benign
                else ""
            )
            parts.append(self.speaker.say("felt_one", host=only.host, noun=noun, value=value) + also)
        elif depending:
            known = {f.host for f in depending} | (set(self.evidence.affected) & set(self.evidence.dependents))
            parts.append(self.speaker.say("felt_many", list=self._hosts(depending, of=len(known))))
        if others:
            parts.append(self.speaker.say("felt_calm" if self.evidence.benign else "felt_other", list=self._hosts(others)))
        if not parts and self.evidence.unfelt and not self.evidence.benign:
            parts.append(self.speaker.say("unfelt", list=self._few(self.evidence.unfelt)))
        return " ".join(self.speaker.sentence(p) for p in parts)

    def felt_then(self) -> str:
        """Servers that felt what is over now."""
        return self.speaker.say("was_felt", list=self._names(self.evidence.affected)) if self.evidence.affected else ""

    def _hosts(self, facts: list[Fact], *, usual: bool = True, of: int = 0) -> str:
        """Servers with their readings; of many, the values only, and a noun only where it changes."""
        total = max(of, len(facts))
        short = total > 2
        shown = facts[: MOST if total > MOST_NAMED else MOST_NAMED]
        nouns = [None, *(f.noun for f in shown)]
        texts = [
            self.speaker.on_host(f, usual=usual and not short, noun=not short or f.noun != n)
            for f, n in zip(shown, nouns, strict=False)
        ]
        return self.speaker.listed(texts + self._more(total - len(shown)))

    def _few(self, facts: Sequence[Fact]) -> str:
        """Servers that are fine: two of them are enough to believe it."""
        shown = facts if len(facts) < MOST else facts[: MOST - 1]
        texts = [self.speaker.on_host(f) for f in shown]
        return self.speaker.listed(texts + self._more(len(facts) - len(shown)))

    def _names(self, hosts: tuple[str, ...]) -> str:
        return self.speaker.listed([*hosts[:MOST], *self._more(len(hosts) - MOST)])

    def _more(self, count: int) -> list[str]:
        return [self.speaker.say("more", n=str(count))] if count > 0 else []

    # ---------------------------------------------------------------- what stayed as usual

    def ruled_out(self) -> str:
        """Readings that stayed as usual and what each rules out, then the peers, then what the server depends on."""
        groups = [(picked, group) for group in self.known.rules_out if (picked := self._picked(group))][:MOST_GROUPS]
        same = self.speaker.of(self.known.still) if self.known.still else self.speaker.say("same")
        text = ""
        for at, (facts, group) in enumerate(groups):
            listed = self.speaker.listed([self.speaker.reading(f) for f in facts])
            name = "not_first" if at == 0 else "not_next"
            usual = same if at == 0 else self.speaker.say("same")
            text += self.speaker.say(name, list=listed, List=capital(listed), same=usual, so=self.speaker.of(group.so))
        if self.evidence.lead.bearing == "gone":
            others = self.speaker.listed([self.speaker.reading(f) for f in self.evidence.steady[:MOST] if f.reading.en])
            text = self.speaker.say("still_come", host=self.evidence.host, list=others) if others else ""
        parts = [text, self._peers(), self._needs()]
        return " ".join(self.speaker.sentence(p) for p in parts if p)

    def _picked(self, group: RuledOut) -> list[Fact]:
        """The usual readings of a group; none where one of its signals moved, or where the one that matters is not known."""
        strange = {f.signal for f in (*self.evidence.moved, self.evidence.lead)}
        if group.every and strange & set(group.signals):
            return []
        steady = {f.signal: f for f in self.evidence.steady if f.reading.en}
        if group.every and group.signals[0] not in steady:
            return []
        return [steady[s] for s in group.signals if s in steady][:MOST]

    def _peers(self) -> str:
        lead = self.evidence.lead
        fine = [f for f in self.evidence.peers if f.bearing == "usual"]
        too = [f for f in self.evidence.peers if f.bearing == lead.bearing and f.bearing in ("above", "below")]
        if too:
            return self.speaker.say("peers_too", list=self._hosts(too, usual=False))
        role = self.evidence.role
        alone = not any(f.role == role and f.strange for f in self.evidence.felt)
        if fine and alone and lead.bearing in ("above", "below", "frozen") and not self.evidence.benign:
            return self.speaker.say("peers_fine", list=self._hosts(fine[:2], usual=False), same=self.speaker.say("same"))
        return ""

    def _needs(self) -> str:
        if not self.known.needs:
            return ""
        told = {f.host for f in self.evidence.felt}
        strange = [f for f in self.evidence.needs if f.strange and f.host not in told]
        fine = [f for f in self.evidence.needs if f.bearing == "usual"]
        if strange:
            return self.speaker.say("needs_too", list=self._hosts(strange))
        return self.speaker.say("needs_fine", list=self._few(fine), same=self.speaker.say("same")) if fine else ""

    # ---------------------------------------------------------------- changes on record

    def change(self) -> str:
        """The last change on this server before it began: a candidate, no more."""
        before = [c for c in self.evidence.changes if c.host == self.evidence.host and c.time <= self.evidence.started]
        if not before:
            return ""
        last = max(before, key=lambda c: c.time)
        return self.speaker.say("change", at=self.speaker.of(self.evidence.clock(last.time)), what=last.what, host=last.host)
