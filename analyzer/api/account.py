"""A study in words: what was asked about first, numbers from the rows only, English or Korean. Pure.

In: `Study`, the question, the language. Out: the analysis as one text, and recommendations.
"""

import math
from dataclasses import dataclass
from datetime import UTC, tzinfo

from analyzer.api.phrases import LOOK, NEEDS, ROW, ROWS, SAY
from analyzer.api.study import AHEAD, Column, Study
from analyzer.detect.offline import LIGHT_ROWS, LIVE_ROWS, Anomaly, ColumnTrend
from analyzer.explain import korean
from analyzer.explain.safe import plain
from analyzer.explain.units import Shown, about, clock, duration, pace, span

MOST_COLUMNS = 3  # told one by one; the rest is in the numbers
HIGH = 90.0  # percent
WORTH = 0.3  # R² from which a straight line is worth a sentence
TELLING = 1.5  # how odd a row must be for one
ASKED = {
    "cpu": ("cpu", "processor", "프로세서", "씨피유"),
    "memory": ("memory", "ram", "메모리"),
    "disk": ("disk", "storage", "디스크", "스토리지", "저장"),
    "network": ("network", "traffic", "네트워크", "트래픽"),
}


def language_of(question: str) -> str | None:
    """ko where a question is written in Hangul, en where in Latin letters, None where in neither."""
    if any("가" <= c <= "힣" or "ㄱ" <= c <= "ㅣ" for c in question):
        return "ko"
    return "en" if any(c.isascii() and c.isalpha() for c in question) else None


@dataclass(frozen=True, slots=True)
class Account:
    """Says one study in one language."""

    study: Study
    lang: str
    question: str = ""
    where: str = ""
    zone: tzinfo = UTC

    def analysis(self) -> str:
        """Everything, in one text of a few sentences."""
        told = [self._overview()]
        for name in self._by_interest()[:MOST_COLUMNS]:
            told += self._of_column(name)
        told += self._whole_rows()
        return " ".join(s for s in (*told, self._lacking()) if s)

    def recommendations(self) -> list[str]:
        """What to do, most pressing first."""
        out: list[str] = []
        for name in self._by_interest():
            column, trend = self.study.column(name), self.study.analysis.trends.get(name)
            until, value = self._until(name), self.study.newest(name)
            if until <= AHEAD and trend is not None:
                out.append(
                    self._say(
                        "do_full", column, value=column.show(value), at=self._at(self._end + until), pace=_pace(column, trend)
                    )
                )
            elif column.percent and value >= HIGH and name.lower() in LOOK:
                out.append(self._say("do_high", column, value=column.show(value), look=LOOK[name.lower()]))
            odd = self.study.odd(name)
            if odd and len(out) <= MOST_COLUMNS:
                out.append(self._say("do_odd", column, **self._values(column, odd[0])))
        if len(self.study.rows.times) < LIVE_ROWS:
            out.append(self._say("do_more", live=_plain(LIVE_ROWS)))
        return out

    @property
    def _end(self) -> float:
        return float(self.study.rows.times[-1])

    def _overview(self) -> str:
        rows, n = self.study.rows, len(self.study.rows.times)
        where = Shown(f"{plain(self.where)}: ", f"{plain(self.where)}: ") if self.where else Shown("", "")
        if n < LIGHT_ROWS:
            return self._say("few", where=where, rows=_count(n), light=_plain(LIGHT_ROWS))
        found = sum(1 for a in self.study.analysis.anomalies if a.column)
        phrase = "odd" if found else "single" if self._whole_rows() else "fine"
        many = Shown("1 value" if found == 1 else f"{found:,} values", f"{found:,}")
        return self._say(
            phrase, where=where, rows=_plain(n), span=duration(rows.span), n=many,
            first=self._at(float(rows.times[0])), last=self._at(self._end), are=Shown("is" if found == 1 else "are", ""),
        )  # fmt: skip

    def _of_column(self, name: str) -> list[str]:
        """Where it was furthest off and where it goes; where neither can be told, how high it was."""
        column, odd = self.study.column(name), self.study.odd(name)
        told = [self._say("strange", column, **self._values(column, odd[0]))] if odd else []
        told += self._course(name, column)
        return told or [self._level(name, column)]

    def _course(self, name: str, column: Column) -> list[str]:
        trend, until = self.study.analysis.trends.get(name), self._until(name)
        if trend is None or trend.direction == "flat" or len(self.study.rows.times) < LIGHT_ROWS:
            return []
        if trend.r2 < WORTH and until > AHEAD:
            return []
        told = [self._say(trend.direction, column, pace=_pace(column, trend), r2=_floored(trend.r2))]
        if until < math.inf:
            told.append(self._say("full", left=about(until), at=self._at(self._end + until)))
        return told

    def _level(self, name: str, column: Column) -> str:
        values = self.study.rows.values[self.study.rows.names.index(name)]
        there = values[values == values]  # noqa: PLR0124 - NaN is not equal to itself
        if len(self.study.rows.times) < LIGHT_ROWS or there.min() == there.max():
            return self._say("now", column, value=column.show(float(there[-1])))
        ends = [span(column.base(float(v)), column.base(float(v)), column.unit) for v in (there.min(), there.max())]
        return self._say("range", column, low=ends[0], high=ends[1])

    def _whole_rows(self) -> list[str]:
        """The oddest row, where no value of it was told as odd already."""
        told = {a.time for a in self.study.analysis.anomalies if a.column}
        odd = next((a for a in self.study.odd("") if a.score >= TELLING and a.time not in told), None)
        return [self._say("rows", at=self._at(odd.time))] if odd else []

    def _lacking(self) -> str:
        n = len(self.study.rows.times)
        needs = ", ".join(need.say(self.lang).format(n=least) for least, need in NEEDS if n < least)
        short = self._say("short", n=_count(n), needs=Shown(needs, needs)) if needs else ""
        gaps = self._say("gaps", share=_share(self.study.missing)) if self.study.missing >= 0.01 else ""
        return f"{short} {gaps}".strip()

    def _by_interest(self) -> list[str]:
        """Columns that the question names, then those that fill up, then the strangest, then the rest."""
        names, question = self.study.rows.names, self.question.lower()
        strongest = {name: max((a.score for a in self.study.odd(name)), default=0.0) for name in names}
        return sorted(names, key=lambda n: (not _asked(n, question), self._until(n), -strongest[n]))

    def _until(self, name: str) -> float:
        until = self.study.until[self.study.rows.names.index(name)]
        return until if math.isfinite(until) else math.inf

    def _values(self, column: Column, odd: Anomaly) -> dict[str, Shown]:
        return {"at": self._at(odd.time), "value": column.show(odd.value), "usual": column.show(odd.expected)}

    def _at(self, time: float) -> Shown:
        return clock(time, self._end, self.zone)

    def _say(self, phrase: str, column: Column | None = None, **values: Shown) -> str:
        said = {name: shown.say(self.lang) for name, shown in values.items()}
        if column is not None:
            said |= {"noun": column.noun.say(self.lang), "Noun": column.title.say(self.lang)}
        text = SAY[phrase].say(self.lang).format(**said)
        return korean.resolve(text) if self.lang == "ko" else text


def _asked(name: str, question: str) -> bool:
    word = name.lower()
    return word in question or any(w in question for key, words in ASKED.items() if key in word for w in words)


def _pace(column: Column, trend: ColumnTrend) -> Shown:
    return pace(abs(column.base(trend.slope_per_hour)), column.unit, signed=False)


def _floored(value: float) -> Shown:
    text = f"{math.floor(value * 100) / 100:.2f}"  # 0.997 is not 1
    return Shown(text, text)


def _plain(n: int) -> Shown:
    return Shown(f"{n:,}", f"{n:,}")


def _share(share: float) -> Shown:
    return Shown(f"{share:.0%}", f"{share:.0%}")


def _count(n: int) -> Shown:
    return ROW if n == 1 else Shown(ROWS.en.format(n=n), ROWS.ko.format(n=n))
