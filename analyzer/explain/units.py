"""Numbers for people: a value and its unit as digits with a short unit, the same digits in both languages; times with their zone.

In: base units (ratio, seconds, bytes per second …) and unix seconds. Out: `Shown`, a pair of texts by language.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

LANGUAGES = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Shown:
    """The same thing said in both languages."""

    en: str
    ko: str

    def say(self, lang: str) -> str:
        """The text of one language."""
        return self.ko if lang == "ko" else self.en


NOTHING = Shown("", "")


def digits(value: float, *, coarse: bool = False, places: int | None = None) -> str:
    """A number with three significant digits (two where `coarse`: an edge of a range), thousands grouped, no needless zeros."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.{_places(value, coarse=coarse) if places is None else places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _places(value: float, *, coarse: bool = False) -> int:
    size = abs(value)
    if size >= 100 or size < 1e-9:
        return 0
    if size >= 1:
        return (1 if size < 10 else 0) + (0 if coarse else 1)
    return 1 - math.floor(math.log10(size))


# What a unit becomes at a size: divisor, English after the digits, Korean after the digits.
_STEPS: dict[str, tuple[tuple[float, float, str, str], ...]] = {
    "bytes_per_second": (
        (1e9, 1e9, " GB/s", "GB/s"),
        (1e6, 1e6, " MB/s", "MB/s"),
        (1e3, 1e3, " kB/s", "kB/s"),
        (0, 1, " B/s", "B/s"),
    ),
    "bytes": (
        (1e12, 1e12, " TB", "TB"),
        (1e9, 1e9, " GB", "GB"),
        (1e6, 1e6, " MB", "MB"),
        (1e3, 1e3, " kB", "kB"),
        (0, 1, " B", "B"),
    ),
    "seconds": ((1.0, 1.0, " s", "초"), (1e-3, 1e-3, " ms", "ms"), (0, 1e-6, " µs", "µs")),
    "ratio": ((0, 0.01, "%", "%"),),
    "celsius": ((0, 1, " °C", "°C"),),
    "per_second": ((0, 1, "/s", "회"),),
}
_EVENTS = frozenset({"requests", "errors"})  # counted with 건 in Korean, all other rates with 회


def _scale(size: float, unit: str) -> tuple[float, str, str]:
    for least, by, en, ko in _STEPS.get(unit, ((0, 1.0, "", ""),)):
        if size >= least or (size == 0 and by == 1.0):
            return by, en, ko
    return 1.0, "", ""


def show(value: float, unit: str, signal: str = "", *, coarse: bool = False) -> Shown:
    """One value, e.g. 0.983 ratio -> "98.3%", 0.385 seconds -> "385 ms" / "385ms", 139 per_second -> "139/s" / "초당 139건"."""
    if unit == "seconds" and abs(value) >= 120:
        return duration(abs(value)) if value >= 0 else _signed(duration(-value))
    by, en, ko = _scale(_settled(abs(value), coarse=coarse), unit)
    number = digits(value / by, coarse=coarse)
    return _suffixed(number, number, unit, signal, (en, ko))


def _settled(size: float, *, coarse: bool) -> float:
    """The size after rounding, so that 999.7 ms becomes 1 s and not 1,000 ms."""
    return size if size == 0 else float(f"{size:.{1 if coarse else 2}e}")


def _signed(shown: Shown) -> Shown:
    return Shown(f"-{shown.en}", f"-{shown.ko}")


def _suffixed(en_number: str, ko_number: str, unit: str, signal: str, suffix: tuple[str, str]) -> Shown:
    if unit == "per_second":
        return Shown(en_number + suffix[0], f"초당 {ko_number}{'건' if signal in _EVENTS else suffix[1]}")
    return Shown(en_number + suffix[0], ko_number + suffix[1])


def span(lower: float, upper: float, unit: str, signal: str = "") -> Shown:
    """A range in one unit, e.g. "28 to 60%" / "28~60%"; one value where both ends read the same."""
    if unit == "seconds" and upper >= 120:
        low, high = show(lower, unit, coarse=True), show(upper, unit, coarse=True)
        return high if low == high else Shown(f"{low.en} to {high.en}", f"{low.ko}~{high.ko}")
    by, en, ko = _scale(_settled(max(abs(lower), abs(upper)), coarse=True), unit)
    most = max(_places(upper / by, coarse=True), 1 if upper / by >= 10 else 2)  # "0.06 to 0.37", not "0.057 to 0.37"
    low_text = digits(lower / by, places=min(_places(lower / by, coarse=True), most))
    high_text = digits(upper / by, coarse=True)
    if low_text == high_text:
        return _suffixed(high_text, high_text, unit, signal, (en, ko))
    return _suffixed(f"{low_text} to {high_text}", f"{low_text}~{high_text}", unit, signal, (en, ko))


def duration(seconds: float) -> Shown:
    """A length of time in its two largest units, e.g. "1 h 25 min" / "1시간 25분"."""
    whole = round(seconds)
    if whole < 60:
        return Shown(f"{whole} s", f"{whole}초")
    if whole < 600 and whole % 60:
        return Shown(f"{whole // 60} min {whole % 60} s", f"{whole // 60}분 {whole % 60}초")
    minutes = round(seconds / 60)
    if minutes < 60:
        return Shown(f"{minutes} min", f"{minutes}분")
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return _two(hours, (" h", "시간"), rest, (" min", "분"))
    days, hours = divmod(round(seconds / 3600), 24)
    return _two(days, (" d", "일"), hours, (" h", "시간"))


def _two(first: int, names: tuple[str, str], rest: int, smaller: tuple[str, str]) -> Shown:
    if not rest:
        return Shown(f"{first}{names[0]}", f"{first}{names[1]}")
    return Shown(f"{first}{names[0]} {rest}{smaller[0]}", f"{first}{names[1]} {rest}{smaller[1]}")


def about(seconds: float) -> Shown:
    """A rough length of time in one unit, for what lies ahead, e.g. "3 h" / "3시간"."""
    minutes = seconds / 60
    if minutes < 90:
        whole = max(1, round(minutes) if minutes < 10 else 5 * round(minutes / 5))
        return Shown(f"{whole} min", f"{whole}분")
    hours = seconds / 3600
    if hours < 10:
        text = digits(round(hours * 2) / 2)
        return Shown(f"{text} h", f"{text}시간")
    if hours < 48:
        return Shown(f"{round(hours)} h", f"{round(hours)}시간")
    return Shown(f"{round(hours / 24)} d", f"{round(hours / 24)}일")


def pace(per_hour: float, unit: str, signal: str = "", *, signed: bool = True) -> Shown:
    """A growth per hour, e.g. "+2.6 points/h" / "시간당 +2.6%p"."""
    sign = "+" if per_hour >= 0 and signed else ""
    if unit == "ratio":
        text = sign + digits(per_hour * 100, coarse=True)
        return Shown(f"{text} points/h", f"시간당 {text}%p")
    shown = show(per_hour, unit, signal, coarse=True)
    return Shown(f"{sign}{shown.en} per hour", f"시간당 {sign}{shown.ko}")


def zone_name(moment: datetime) -> str:
    """The zone's usual letters (UTC, KST), or its offset where it has none."""
    name = moment.strftime("%Z")
    if name.isalpha():
        return name
    offset = moment.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02d}" if rest else "")


def clock(time: float, now: float, zone: tzinfo = UTC) -> Shown:
    """A time of day with its zone, and the day where it is not today's: "10:47 UTC", "22:00 UTC yesterday" / "어제 22:00 UTC"."""
    moment, today = _moment(time, zone), _moment(now, zone)
    text = f"{moment:%H:%M} {zone_name(moment)}"
    days = (moment.date() - today.date()).days
    if days == 0:
        return Shown(text, text)
    if days == -1:
        return Shown(f"{text} yesterday", f"어제 {text}")
    if days == 1:
        return Shown(f"{text} tomorrow", f"내일 {text}")
    dated = f"{moment:%Y-%m-%d} {text}"
    return Shown(dated, dated)


def _moment(time: float, zone: tzinfo) -> datetime:
    # Years outside 1..9999 cannot be a datetime; alerts from outside carry them.
    return datetime.fromtimestamp(min(max(time, -6e10), 2.5e11), UTC).astimezone(zone)


def rfc3339(time: float) -> str:
    """A time for programs."""
    return _moment(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
