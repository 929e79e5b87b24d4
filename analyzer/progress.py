"""A progress bar for what takes longer than two seconds: one line on a terminal, nothing anywhere else."""

import time
from collections.abc import Callable
from typing import Self, TextIO

from analyzer.table import width

PATIENCE = 2.0  # seconds before which nobody wonders
EVERY = 0.1
CELLS = 28


class Bar:
    """Use as a context: the line is gone when it ends.

    Parameters
    ----------
    out : where; drawn only if it is a terminal.
    clock : seconds that only go forwards.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._began, self._drawn_at, self._cells = clock(), -1.0, 0
        self._phase, self._phase_began = "", clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, phase: str, share: float) -> None:
        """Draw that so much (0..1) of a phase is done."""
        now = self._clock()
        if phase != self._phase:
            self._phase, self._phase_began = phase, now
        if not self._out.isatty() or now - self._began < PATIENCE or (now - self._drawn_at < EVERY and share < 1):
            return
        self._drawn_at = now
        done = min(max(share, 0.0), 1.0)
        text = f"  {phase} [{'#' * int(CELLS * done):.<{CELLS}}] {done:4.0%}{self._left(now, done)}"
        self._out.write("\r" + text + " " * max(self._cells - width(text), 0))
        self._out.flush()
        self._cells = width(text)

    def _left(self, now: float, done: float) -> str:
        spent = now - self._phase_began
        if done <= 0.02 or spent < 1 or done >= 1:
            return ""
        minutes, rest = divmod(round(spent / done - spent), 60)
        return f"  {minutes}:{rest:02d}"

    def clear(self) -> None:
        """Take the line away."""
        if self._cells:
            self._out.write("\r" + " " * self._cells + "\r")
            self._out.flush()
            self._cells = 0
