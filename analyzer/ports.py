"""The doors of the pipeline: what it reads from, writes to and is explained by. Fakes need no parent class."""

from typing import Protocol

from analyzer.records import Board, Explanation, Incident, Report, Topology
from analyzer.window import Window


class SourceError(Exception):
    """A source could not answer: the cycle is skipped, nothing opens and nothing ends."""


class SinkError(Exception):
    """A sink could not take a report. `recoverable`: worth another try with the same content."""

    def __init__(self, message: str, *, recoverable: bool) -> None:
        super().__init__(message)
        self.recoverable = recoverable


class Source(Protocol):
    """Where samples come from."""

    async def read(self, start: float, end: float, step: float) -> Window:
        """All signals at start, start + step, … end (both ends included). Raises SourceError; empty is not failed."""
        ...

    async def topology(self, now: float) -> Topology:
        """Who depends on whom, as far as the source tells; empty where it does not."""
        ...

    async def now(self) -> float:
        """The source's clock, unix seconds."""
        ...


class Sink(Protocol):
    """Where reports go."""

    name: str

    async def put(self, report: Report) -> None:
        """Take one report. Raises SinkError."""
        ...


class Explainer(Protocol):
    """Who says why."""

    def explain(self, incident: Incident, board: Board) -> Explanation:
        """Words for one incident, in every configured language."""
        ...
