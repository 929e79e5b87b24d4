"""Durations as Prometheus writes them. In: `90`, `"90s"`, `"1h30m"`. Out: seconds; and back."""

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


def seconds(value: float | str) -> float:
    """Seconds of a duration. Raises ValueError with an example of the right form."""
    if isinstance(value, int | float):
        return float(value)
    if not re.fullmatch(rf"(?:{_PART.pattern})+", value):
        raise ValueError(f"{value!r} is not a duration; write it like 30s, 5m, 1h30m or 7d")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(value))


def text(duration: float) -> str:
    """The shortest form Prometheus reads back: 5400 -> "1h30m", 0.25 -> "250ms"."""
    left = round(duration * 1000)
    out = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_UNITS[unit] * 1000))
        out += f"{count}{unit}" if count else ""
    return out or "0s"
