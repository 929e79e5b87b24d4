"""What time it is at a server, as far as we can tell from here.

In: readings of the server's clock. Out: its time now, carried on by our monotonic clock, so that a jump of our wall clock moves
nothing. Where our wall and monotonic clocks part (a jump, a suspend), the reading counts as old and has to be taken again.
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime

PARTED = 5.0  # seconds between our own two clocks that are a jump and not slewing


class ServerClock:
    """One server's clock, read now and then.

    Parameters
    ----------
    wall, monotonic : our own clocks, seconds.
    fresh : seconds for which a reading is trusted.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float], *, fresh: float = 30.0) -> None:
        self._wall, self._monotonic, self._fresh = wall, monotonic, fresh
        self._reading: tuple[float, float, float] | None = None

    def set(self, server: float) -> None:
        """The server said that it is `server` (unix seconds) now."""
        self._reading = (server, self._wall(), self._monotonic())

    def set_from_date(self, header: str | None) -> None:
        """The server sent a Date header; one that cannot be read is ignored."""
        try:
            self.set(parsedate_to_datetime(header or "").timestamp())
        except (ValueError, OverflowError):
            return

    @property
    def known(self) -> bool:
        """Whether the server was ever heard of."""
        return self._reading is not None

    @property
    def stale(self) -> bool:
        """Whether the clock has to be read again."""
        if self._reading is None:
            return True
        return self._monotonic() - self._reading[2] > self._fresh or self.parted

    @property
    def parted(self) -> bool:
        """Whether our own two clocks have drifted apart since the reading."""
        if self._reading is None:
            return False
        _, wall, monotonic = self._reading
        return abs((self._wall() - wall) - (self._monotonic() - monotonic)) > PARTED

    def now(self) -> float:
        """The server's time, unix seconds; ours while nothing is known."""
        if self._reading is None:
            return self._wall()
        server, _, monotonic = self._reading
        return server + self._monotonic() - monotonic

    def skew(self) -> float:
        """The server's clock minus ours, seconds."""
        return self.now() - self._wall()
