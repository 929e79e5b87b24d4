"""How long to wait before another try: doubling with jitter, or what the server asked for within reason."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER = 60.0  # seconds; a server may ask for 10^9


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between tries, seconds: `first`, doubled each time up to `longest`, each shortened by up to half at random."""

    first: float = 0.5
    longest: float = 30.0
    draw: Callable[[], float] = random.random

    def wait(self, attempt: int) -> float:
        """The wait after try number `attempt` (from 0)."""
        whole = min(self.longest, self.first * 2.0 ** min(attempt, 32))
        return whole * (1.0 - 0.5 * self.draw())  # jitter: many senders must not come back together


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds asked for by a Retry-After header (a number or an HTTP date), at most a minute; None where there is none."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(LONGEST_RETRY_AFTER, max(0.0, seconds)) if seconds == seconds else None  # noqa: PLR0124  # NaN
