"""A backtest as people read it on a terminal: a summary line and a table for each question, in English or Korean.

In: `Result`, language, zone, width in cells. Out: one text.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from analyzer.backtest.against import Comparison, Pair
from analyzer.backtest.lead import Lead
from analyzer.backtest.outcome import Alert, Quiet
from analyzer.backtest.result import Judged, Result
from analyzer.backtest.truth import Truth, Verdict
from analyzer.ctl_words import COLUMNS, COUNTS, SAY, SEVERITIES, WHY
from analyzer.explain import knowledge, korean
from analyzer.explain.units import duration, zone_name
from analyzer.table import table, wrapped

MOST = 20  # rows of a table before the rest is only counted
Row = dict[str, Any]


class Page:
    """Says one result.

    Parameters
    ----------
    wide : cells of a line. everything : all rows, and everything that would have been said.
    """

    def __init__(self, result: Result, lang: str, zone: tzinfo, wide: int, *, everything: bool = False) -> None:
        self.result, self.lang, self.zone, self.wide, self.everything = result, lang, zone, wide, everything
        self.kinds = {kind: known.name.say(lang) for kind, known in knowledge.load(None).items()}

    def text(self) -> str:
        """The whole page."""
        parts = [self._head()]
        if self.result.comparison is not None:
            parts.append(self._against(self.result.comparison))
        parts += self._side(self.result.sides[0])
        parts.append(self._foot())
        return "\n\n".join(part for part in parts if part)

    # ---- what was judged ----

    def _head(self) -> str:
        result, side = self.result, self.result.sides[0]
        outcome = side.outcome
        lines = [self._say("title", config=side.name, url=result.url)]
        at = {"start": self._date(outcome.start), "end": self._date(outcome.end), "zone": self._zone(outcome.end)}
        sizes = {"columns": f"{outcome.columns:,}", "series": f"{outcome.series:,}", "hosts": f"{len(outcome.hosts):,}"}
        length = self._length(outcome.end - outcome.start)
        lines += self._wrap(self._say("span", **at, **sizes, length=length, step=self._length(result.step)))
        learned = self._say("learned", length=self._length(result.learned)) if result.learned else self._say("unlearned")
        lines += self._wrap(learned)
        if side.mode != "on":
            lines += self._wrap(self._say("mode", mode=side.mode))
        return "\n".join(lines)

    def _foot(self) -> str:
        result, outcome = self.result, self.result.sides[0].outcome
        lines = []
        if outcome.partial:
            lines.append(self._say("partial", n=f"{outcome.partial:,}", columns=f"{outcome.columns:,}"))
        for text, reads in list(result.warnings.items())[: None if self.everything else 5]:
            lines.append(self._say("warning", n=self._count("reads", reads), text=text))
        if result.other_step is not None:
            own = self._length(result.other_step)
            lines.append(self._say("other_step", b=result.sides[1].name, own=own, step=self._length(result.step)))
        if result.stopped:
            lines.append(self._say("stopped", at=self._date(outcome.end), end=self._date(result.asked_to)))
        return "\n".join(line for text in lines for line in wrapped(text, self.wide, "", "  "))

    def _side(self, side: Judged) -> list[str]:
        return [self._alerts(side), self._kept(side), self._held(side), self._rules(side), self._truth(side)]

    # ---- what would have been said, and what not ----

    def _alerts(self, side: Judged) -> str:
        outcome = side.outcome
        if not outcome.alerts:
            return self._say("no_alerts")
        flaps = self._say("flaps", n=str(outcome.flaps)) if outcome.flaps else ""
        rates = {"day": _number(len(outcome.alerts), outcome.days), "week": _number(len(outcome.alerts), outcome.host_weeks)}
        head = self._say("alerts", n=self._count("alert", len(outcome.alerts)), flaps=flaps, **rates)
        names = ("start", "lasted", "server", "severity", "what", "sure")
        return self._table(head, names, outcome.alerts, lambda a: self._alert_row(a, outcome.end), below=self._alert_words)

    def _alert_row(self, alert: Alert, end: float) -> Row:
        lasted = self._say("open") if alert.end is None else self._length(alert.end - alert.start)
        again = self._say("again", n=str(len(alert.spells))) if len(alert.spells) > 1 else ""
        return {
            "start": self._clock(alert.start), "lasted": lasted + again, "server": alert.incident.host,
            "severity": SEVERITIES[alert.severity].say(self.lang), "what": self._kind(alert.incident.kind),
            "sure": f"{alert.incident.confidence:.0%}",
        }  # fmt: skip

    def _alert_words(self, alert: Alert) -> list[str]:
        """The headline as first told, and why: the cause as it was last seen; with --all everything that was said."""
        first, last = alert.words.get(self.lang), alert.words_last.get(self.lang)
        if first is None or last is None:
            return []
        lines = self._wrap(first.headline, "    ")
        if (alert.first_kind, alert.first_host) != (alert.incident.kind, alert.incident.host):
            lines += self._wrap(self._say("renamed", what=self._kind(alert.first_kind), host=alert.first_host), "    ")
        lines += self._wrap(" ".join(last.sentences) if self.everything else last.sentences[-1] if last.sentences else "", "    ")
        if self.everything:
            for i, action in enumerate(last.actions, 1):
                lines += wrapped(action, self.wide, f"    {i}. ", "       ")
        return lines

    def _kept(self, side: Judged) -> str:
        quiet, end = side.outcome.quiet, side.outcome.end
        if not quiet:
            return ""
        head = self._say("kept", n=self._count("incident", len(quiet)))
        names = ("start", "lasted", "server", "what", "why_not")
        return self._table(head, names, quiet, lambda q: self._quiet_row(q, end))

    def _quiet_row(self, quiet: Quiet, end: float) -> Row:
        return {
            "start": self._clock(quiet.start),
            "lasted": self._say("open") if quiet.end is None else self._length(quiet.end - quiet.start),
            "server": quiet.incident.host, "what": self._kind(quiet.incident.kind), "why_not": self._why(quiet.why),
        }  # fmt: skip

    def _held(self, side: Judged) -> str:
        held = side.outcome.held
        if not held:
            return ""
        rows = [
            {
                "reason": self._why(h.reason), "lines": f"{h.lines:,}", "servers": f"{len(h.hosts):,}",
                "mostly": _often(h.signals, 2), "where": _often(h.hosts, 1),
            }
            for h in held
        ]  # fmt: skip
        return self._table(self._say("held"), ("reason", "lines", "servers", "mostly", "where"), rows, lambda row: row)

    # ---- beside what others know ----

    def _rules(self, side: Judged) -> str:
        leads = [one for one in side.leads if one.how != "unwatched"]
        if not leads:
            return self._say("no_rules")
        how = {name: sum(one.how == name for one in leads) for name in ("earlier", "later", "kept", "missed")}
        ahead = [one.seconds for one in leads if one.how == "earlier"]
        by = self._say("by", length=self._length(statistics.median(ahead))) if ahead else ""
        counts = {name: str(n) for name, n in how.items()}
        head = self._say("rules", n=self._count("times", len(leads)))
        total = self._say("rules_sum", n=str(sum(how.values())), by=by, alone=str(len(side.unconfirmed)), **counts)
        return self._table(head, ("rule", "server", "fired", "we"), leads, self._lead_row, note=total)

    def _lead_row(self, lead: Lead) -> Row:
        rule = lead.rule
        return {"rule": rule.name, "server": rule.host, "fired": self._clock(rule.spell.start), "we": self._how(lead)}

    def _how(self, lead: Lead) -> str:
        if lead.how in ("earlier", "later"):
            return self._ahead(lead.seconds)
        return self._say("kept_1", why=self._why(lead.quiet.why)) if lead.quiet is not None else self._say(lead.how)

    def _ahead(self, seconds: float) -> str:
        if abs(seconds) < max(self.result.step / 2, 1):
            return self._say("same")
        return self._say("earlier" if seconds > 0 else "later", length=self._length(abs(seconds)))

    def _truth(self, side: Judged) -> str:
        truth = side.truth
        if truth is None:
            return ""
        outcome, judged = side.outcome, truth.judged
        delays = [v.delay for v in judged if v.alert is not None]
        counts = {"found": str(len(delays)), "n": str(len(judged))} | {
            name: str(sum(getattr(v, name) for v in judged)) for name in ("root", "kind")
        }
        after = {"median": self._length(statistics.median(delays)), "longest": self._length(max(delays))} if delays else {}
        soon = self._say("after" if len(delays) > 1 else "after_1", **after) if after else ""
        lines = [self._say("truth_sum", **counts, after=soon)]
        wrong = truth.false_alarms
        rates = {"day": _number(wrong, outcome.days), "week": _number(wrong, outcome.host_weeks)}
        lines.append(self._say("false", n=self._count("alert", wrong), **rates) if wrong else self._say("none_false"))
        if truth.false:
            named = ", ".join(f"{a.incident.host} {self._clock(a.start)}" for a in truth.false[: None if self.everything else MOST])
            lines.append(self._say("about_nothing", list=named))
        names = ("start", "fault", "server", "found", "root", "kind")
        return self._table(self._say("truth"), names, truth.verdicts, self._verdict_row, note="\n".join(lines))

    def _verdict_row(self, verdict: Verdict) -> Row:
        fault = verdict.fault
        row = {"start": self._clock(fault.spell.start), "fault": self._kind(fault.kind), "server": fault.root}
        if fault.benign:
            return row | {"found": self._say("harmless_told" if verdict.alerts else "harmless")}
        if verdict.alert is None:
            return row | {"found": self._say("missed")}
        yes = {True: self._say("yes"), False: self._say("no")}
        return row | {"found": self._length(verdict.delay), "root": yes[verdict.root], "kind": yes[verdict.kind]}

    # ---- two configurations ----

    def _against(self, comparison: Comparison) -> str:
        one, other = self.result.sides
        head = self._say("against", a=one.name, b=other.name)
        counts = [
            {"count": COUNTS[name].say(self.lang), "a": a, "b": b}
            for (name, a), b in zip(self._counts(one).items(), self._counts(other).values(), strict=True)
        ]
        top = self._table(head, ("count", "a", "b"), counts, lambda row: row)
        sizes = {"both": str(len(comparison.both)), "a": str(len(comparison.only_a)), "b": str(len(comparison.only_b))}
        alerts = [(p.a.start, self._pair_row(p)) for p in comparison.both]
        alerts += [(a.start, self._lone_row(a, "a")) for a in comparison.only_a]
        alerts += [(b.start, self._lone_row(b, "b")) for b in comparison.only_b]
        rows = [row for _, row in sorted(alerts, key=lambda item: item[0])]
        below = self._table(self._say("both", **sizes), ("start", "server", "what", "a", "b"), rows, lambda row: row)
        return f"{top}\n\n{below}"

    def _counts(self, side: Judged) -> dict[str, str]:
        outcome, truth = side.outcome, side.truth
        how = [one.how for one in side.leads]
        out = {
            "alerts": f"{len(outcome.alerts):,}", "per_day": _number(len(outcome.alerts), outcome.days),
            "per_week": _number(len(outcome.alerts), outcome.host_weeks), "flaps": f"{outcome.flaps:,}",
            "kept": f"{len(outcome.quiet):,}", "earlier": f"{how.count('earlier'):,}", "later": f"{how.count('later'):,}",
            "missed": f"{how.count('missed') + how.count('kept'):,}",
        }  # fmt: skip
        return out | (self._true_counts(side, truth) if truth is not None else {})

    def _true_counts(self, side: Judged, truth: Truth) -> dict[str, str]:
        judged = truth.judged
        delays = [v.delay for v in judged if v.alert is not None]
        return {
            "found": f"{len(delays)}/{len(judged)}",
            "root": f"{sum(v.root for v in judged)}/{len(judged)}",
            "kind": f"{sum(v.kind for v in judged)}/{len(judged)}",
            "delay": self._length(statistics.median(delays)) if delays else "-",
            "false": f"{truth.false_alarms:,}",
            "false_week": _number(truth.false_alarms, side.outcome.host_weeks),
        }

    def _pair_row(self, pair: Pair) -> Row:
        one, other = pair.a.incident, pair.b.incident
        b = self._ahead(pair.ahead)
        if pair.differs:
            b += f": {self._kind(other.kind)}, {other.host}, {SEVERITIES[pair.b.severity].say(self.lang)}"
        row = {"start": self._clock(pair.a.start), "server": one.host, "what": self._kind(one.kind)}
        return row | {"a": SEVERITIES[pair.a.severity].say(self.lang), "b": b}

    def _lone_row(self, alert: Alert, which: str) -> Row:
        row = {"start": self._clock(alert.start), "server": alert.incident.host, "what": self._kind(alert.incident.kind)}
        return row | {which: SEVERITIES[alert.severity].say(self.lang)}

    # ---- words and tables ----

    def _say(self, name: str, **values: str) -> str:
        return korean.resolve(SAY[name].say(self.lang).format(**values))

    def _count(self, name: str, n: int) -> str:
        return self._say(f"{name}_{'1' if n == 1 else 'n'}", n=f"{n:,}")

    def _kind(self, kind: str) -> str:
        name = self.kinds.get(kind, kind)
        return name.split(" ", 1)[1] if self.lang == "en" and name.startswith(("a ", "an ")) else name

    def _why(self, reason: str) -> str:
        return WHY[reason].say(self.lang) if reason in WHY else reason or "-"

    def _length(self, seconds: float) -> str:
        return duration(seconds).say(self.lang)

    def _clock(self, time: float) -> str:
        return f"{datetime.fromtimestamp(time, self.zone):%m-%d %H:%M}"

    def _date(self, time: float) -> str:
        return f"{datetime.fromtimestamp(time, self.zone):%Y-%m-%d %H:%M}"

    def _zone(self, time: float) -> str:
        return zone_name(datetime.fromtimestamp(time, self.zone))

    def _wrap(self, text: str, indent: str = "  ") -> list[str]:
        return wrapped(text, self.wide, indent, indent) if text else []

    def _table(
        self,
        head: str,
        names: Sequence[str],
        things: Iterable[Any],
        row: Callable[[Any], Mapping[str, Any]],
        *,
        below: Callable[[Any], list[str]] = lambda thing: [],
        note: str = "",
    ) -> str:
        """A headline, sentences of a note, a table, and under each row further lines."""
        things = list(things)
        shown = things if self.everything else things[:MOST]
        keys = [COLUMNS[name].say(self.lang) for name in names]
        rows = [{key: values.get(name) for key, name in zip(keys, names, strict=True)} for values in map(row, shown)]
        header, *lines = table(rows, keys).split("\n")
        out = [*wrapped(head, self.wide, "", "  "), *(line for part in note.split("\n") if part for line in self._wrap(part))]
        if things:
            out.append("  " + header)
        for thing, line in zip(shown, lines, strict=True):
            out += ["  " + line, *below(thing)]
        if len(things) > len(shown):
            out.append("  " + self._say("more", n=f"{len(things) - len(shown):,}"))
        return "\n".join(line.rstrip() for line in out)


def _number(count: float, of: float) -> str:
    """A rate with two significant digits."""
    if of <= 0:
        return "-"
    value = count / of
    if value == 0 or value >= 10:
        return f"{value:.0f}"
    return f"{value:.{1 - math.floor(math.log10(value))}f}".rstrip("0").rstrip(".")


def _often(counts: Sequence[tuple[str, int]], most: int) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts[:most])
