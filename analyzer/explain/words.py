"""Words from evidence, without a language model: a headline, two to five sentences, numbered actions.

In: `Evidence`, a language, `Knowledge` of its kind. Out: `Text`. Every number and name comes from the evidence, through the same
formatting in both languages, so both say the same facts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.explain.facts import Doubt, Evidence, Fact, Limit, percent
from analyzer.explain.knowledge import Knowledge
from analyzer.explain.phrases import PHRASES
from analyzer.explain.safe import promql
from analyzer.explain.say import Speaker, capital
from analyzer.explain.steps import steps
from analyzer.explain.story import Story
from analyzer.explain.units import about, duration, pace, show
from analyzer.records import Text

MOST_SENTENCES = 5
LONGEST_HEADLINE = 120  # what a pager shows
WEAK = 0.5  # below this confidence a cause is called a guess
_JUMPS = frozenset({"shift", "fast"})
_CLIMBS = frozenset({"disk", "inodes", "memory", "swap", "temperature"})  # these climb, however steeply
_RUNS_FULL = frozenset({"disk", "inodes"})


def write(evidence: Evidence, lang: str, knowledge: Mapping[str, Knowledge]) -> Text:
    """The text of one language."""
    known = knowledge.get(evidence.kind, knowledge["unknown"])
    writer = Writer(evidence, known, knowledge, Speaker(lang))
    return Text(writer.headline(), writer.sentences(), steps(evidence, known, Speaker(lang), places(evidence, Speaker(lang))))


def places(evidence: Evidence, speaker: Speaker) -> dict[str, str]:
    """What templates of the knowledge may name."""
    lead = evidence.lead
    mount = next((value for name, value in lead.labels if name == "mountpoint"), "")
    peers = [f.host for f in evidence.peers if f.bearing == "usual"]
    rest = len(evidence.dependents) - 3
    return {
        "host": evidence.host or speaker.say("this_server"),
        "instance": promql(evidence.host),
        "mount": mount or "/",
        "peer": peers[0] if peers else "",
        "dependents": speaker.listed([*evidence.dependents[:3], *([speaker.say("more", n=str(rest))] if rest > 0 else [])]),
        "since": speaker.of(evidence.clock(evidence.began)),
        "role": evidence.role,
    }


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes about one incident in one language."""

    evidence: Evidence
    known: Knowledge
    knowledge: Mapping[str, Knowledge]
    speaker: Speaker

    # ---------------------------------------------------------------- headline

    def headline(self) -> str:
        """Server, what, how much against usual, since when; for what lies ahead, when it is due."""
        text = self._ended_headline() if self.evidence.state == "resolved" else self._open_headline()
        if self.evidence.benign and self.evidence.state != "resolved" and self.known.calm is not None:
            text = self.speaker.say("and_calm", headline=text, calm=self.speaker.of(self.known.calm))
        return text

    def _open_headline(self) -> str:
        evidence, lead = self.evidence, self.evidence.lead
        values = self._values(lead, bare=True)
        special = {"frozen": "head_stuck", "gone": "head_gone", "down": "head_down"}
        if evidence.limit is not None and math.isfinite(lead.observed):
            return self.speaker.say("head_full" if self._fills() else "head_limit", **values, **self._ahead(evidence.limit))
        if lead.bearing == "restarted" or (self._back() and math.isfinite(evidence.restarted)):
            began = evidence.restarted if math.isfinite(evidence.restarted) else lead.onset
            return self.speaker.say("head_restart", host=values["host"], since=self.speaker.of(evidence.clock(began)))
        if self._back():
            return self.speaker.say("head_again", **values)
        if lead.bearing in special:
            return self.speaker.say(special[lead.bearing], **values)
        if not values["reading"]:
            return self.speaker.say("head_strange", **values)
        text = self.speaker.say("head", **values, usual=self.speaker.usually(lead))
        return text if len(text) <= LONGEST_HEADLINE else self.speaker.say("head_short", **values)

    def _ended_headline(self) -> str:
        evidence = self.evidence
        values = self._values(evidence.lead, bare=True) | self._ending()
        by_reason = {"new_normal": "head_new_normal", "gone": "head_ended_gone", "maintenance": "head_maintenance"}
        name = by_reason.get(evidence.closed_because, "head_up" if evidence.lead.was == "down" else "head_over")
        return self.speaker.say("head_over" if name == "head_new_normal" and not values["reading"] else name, **values)

    # ---------------------------------------------------------------- sentences

    def sentences(self) -> tuple[str, ...]:
        """What is observed; what moved with it; who feels it; what that rules out; the likely cause and how sure."""
        story = Story(self.evidence, self.known, self.speaker)
        if self.evidence.state == "resolved":
            quiet = self.evidence.closed_because in ("new_normal", "maintenance")
            parts = [self._ended()] if quiet else [self._ended(), story.felt_then(), self._was()]
        else:
            parts = [self._observed(), story.ahead_of(self._due()), story.felt(), story.ruled_out(), self._cause(story)]
        hosts = {fact.host for _, fact in self.evidence.facts()} | {self.evidence.host}
        names = hosts if self.speaker.lang == "en" else None
        return tuple(self.speaker.sentence(_begun(p, names)) for p in parts if p)[:MOST_SENTENCES]

    def _observed(self) -> str:
        evidence, lead, say = self.evidence, self.evidence.lead, self.speaker.say
        values = self._values(lead)
        plainly = {"frozen": "stuck", "gone": "gone", "down": "down"}
        if lead.bearing in plainly:
            return say(plainly[lead.bearing], **values)
        if lead.bearing == "restarted" or (evidence.kind == "crash" and math.isfinite(evidence.restarted)):
            return self._restarted(values)
        if self._back():
            return say("again", **values)
        if not values["reading"]:
            return say("strange", **values)
        if evidence.limit is not None and math.isfinite(evidence.limit.per_hour) and evidence.limit.per_hour > 0:
            return self._with_usual(say("climbs", **values, pace=self._pace(evidence.limit, signed=False)), lead)
        return self._with_usual(say(_verb(lead), **values), lead)

    def _restarted(self, values: dict[str, str]) -> str:
        evidence = self.evidence
        began = evidence.restarted if math.isfinite(evidence.restarted) else evidence.lead.onset
        at = self.speaker.of(evidence.clock(began))
        onset = evidence.began
        away = onset < began - 60 and values["since"] != at
        return self.speaker.say(
            "away" if away else "restarted", **values | {"length": self.speaker.of(duration(began - onset))}, at=at
        )

    def _back(self) -> bool:
        """Whether the server was down and answers again, its incident still open."""
        return self.evidence.lead.was == "down" and self.evidence.lead.bearing != "down"

    def _with_usual(self, text: str, fact: Fact) -> str:
        usual = self.speaker.of(fact.usual)
        if not usual and any(d.what == "learning" for d in self.evidence.doubts):
            return text  # said with the confidence
        rest = self.speaker.say("usual_is", usual=usual) if usual else self.speaker.say("unlearned")
        return f"{text}; {rest}" if self.speaker.lang == "en" else f"{text}. {rest}"

    def _due(self) -> str:
        limit = self.evidence.limit
        if limit is None or self.evidence.lead.bearing in ("frozen", "gone", "down"):
            return ""
        return self.speaker.say("full" if self._fills() else "reach", **self._ahead(limit), window=self._window())

    def _cause(self, story: Story) -> str:
        change = story.change()
        lost = self.evidence.lead.bearing == "gone" and self.evidence.kind == "unknown"
        cause = self.speaker.fill(
            PHRASES["cause_gone"] if lost else self.known.cause, places(self.evidence, self.speaker) | self._named_mount()
        )
        if self.evidence.confidence < WEAK and not self.evidence.benign and self.evidence.kind != "unknown":
            cause = self.speaker.say("guess", cause=cause)
        remark = self._how_sure()
        if remark:
            cause = cause.rstrip(".") + (f" ({remark})." if self.speaker.lang == "en" else f"({remark}).")
        return f"{self.speaker.sentence(change)} {cause}" if change else cause

    def _how_sure(self) -> str:
        """The confidence and what lowers it. A benign or unknown kind has no cause to be sure of."""
        evidence, say = self.evidence, self.speaker.say
        doubts = [self._doubt(d) for d in evidence.doubts[:2]]
        if evidence.kind in ("unknown", "crash"):
            return ""  # no cause is claimed that one could be sure of
        sure = percent(evidence.confidence)
        parts = [say("sure", sure=sure)] if sure else []
        return ("; " if self.speaker.lang == "en" else ", ").join([*parts, *(d for d in doubts if d)])

    def _doubt(self, doubt: Doubt) -> str:
        values = {"value": percent(doubt.value), "host": doubt.host}
        if doubt.what == "rival":
            values["name"] = self.speaker.of(self.knowledge.get(doubt.kind, self.knowledge["unknown"]).name)
        if doubt.what in ("against", "missing") and doubt.fact is not None:
            values |= {
                "noun": self.speaker.noun(doubt.fact),
                "host": doubt.fact.host,
                "reading": self.speaker.of(doubt.fact.reading),
            }
        return self.speaker.say(f"d_{doubt.what}", **values)

    # ---------------------------------------------------------------- how it ended

    def _ended(self) -> str:
        evidence, lead = self.evidence, self.evidence.lead
        values = self._values(lead) | self._ending()
        by_reason = {"new_normal": "new_normal", "gone": "ended_gone", "maintenance": "ended_maintenance"}
        name = by_reason.get(evidence.closed_because, "over_down" if lead.was == "down" else "over")
        if name == "new_normal" and not values["reading"]:
            name = "over"
        now = self.speaker.say("over_now", reading=values["reading"], usual=self.speaker.usually(lead)) if values["reading"] else ""
        return self.speaker.say(name, **values, now=now)

    def _was(self) -> str:
        if self.evidence.kind in ("unknown", "crash"):
            return self.speaker.say("was_unknown")
        return self.speaker.say("was", name=self.speaker.of(self.known.name))

    def _ending(self) -> dict[str, str]:
        evidence = self.evidence
        return {
            "until": self.speaker.of(evidence.clock(evidence.over)),
            "length": self.speaker.of(duration(max(0.0, evidence.over - evidence.began))),
        }

    # ---------------------------------------------------------------- values

    def _values(self, fact: Fact, *, bare: bool = False) -> dict[str, str]:
        noun = self.speaker.noun(fact, bare=bare)
        onset = fact.onset if math.isfinite(fact.onset) else self.evidence.started
        return {
            "host": fact.host or self.evidence.host,
            "noun": noun,
            "Noun": capital(noun),
            "reading": self.speaker.of(fact.reading),
            "since": self.speaker.of(self.evidence.clock(onset)),
            "length": self.speaker.of(duration(max(0.0, self.evidence.time - onset))),
            "mount": self._mount() or noun,
        }

    def _mount(self) -> str:
        return next((value for name, value in self.evidence.lead.labels if name == "mountpoint"), "")

    def _named_mount(self) -> dict[str, str]:
        return {"mount": self._mount() or self.speaker.say("its_disk")}

    def _fills(self) -> bool:
        limit = self.evidence.limit
        return limit is not None and self.evidence.lead.signal in _RUNS_FULL and limit.limit >= 1

    def _pace(self, limit: Limit, *, signed: bool = True) -> str:
        return self.speaker.of(pace(limit.per_hour, self.evidence.lead.unit, self.evidence.lead.signal, signed=signed))

    def _ahead(self, limit: Limit) -> dict[str, str]:
        at = self.evidence.clock(self.evidence.time + limit.seconds)
        return {
            "ahead": self.speaker.of(about(limit.seconds)),
            "at": self.speaker.of(at),
            "pace": self._pace(limit),
            "limit": self.speaker.of(show(limit.limit, self.evidence.lead.unit)),
        }

    def _window(self) -> str:
        limit = self.evidence.limit
        if limit is None or not math.isfinite(limit.seconds_low):
            return ""
        low = self.evidence.clock(self.evidence.time + limit.seconds_low)
        if not math.isfinite(limit.seconds_high):
            return self.speaker.say("window_open", low=self.speaker.of(low))
        high = self.evidence.clock(self.evidence.time + limit.seconds_high)
        narrow = limit.seconds_high - limit.seconds_low < max(600.0, 0.2 * limit.seconds)  # "about" says as much
        return "" if low == high or narrow else self.speaker.say("window", low=self.speaker.of(low), high=self.speaker.of(high))


def _verb(lead: Fact) -> str:
    """The phrase for how the lead left its range."""
    if lead.signal == "clock_skew":
        return "went_off"
    if not lead.usual.en:
        return "parted" if lead.kind == "peer" else "changed"
    if (lead.bearing == "usual" or lead.inside) and lead.kind != "peer":
        return "returned"
    if lead.kind == "peer" and (lead.bearing == "usual" or lead.inside):
        return "parted"
    jumped = lead.kind in _JUMPS and (lead.bearing == "below" or lead.signal not in _CLIMBS)
    if lead.bearing == "below":
        return "dropped" if jumped else "fell"
    return "jumped" if jumped else "rose"


def _begun(text: str, names: set[str] | None) -> str:
    """With a capital first letter, except before a hostname; Korean has none (names=None)."""
    return text if names is None or text.split(" ", 1)[0].rstrip(",") in names else capital(text)
