"""What people told the cycle beside the samples: silences and verdicts, as they are in force now.

In: `Silences`, `Verdicts`. Out: which series rest, where the edge of normal lies, and why an incident pages nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from analyzer.silences import Silences
from analyzer.verdicts import Verdicts
from analyzer.window import Bools, Floats, Series


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """One state of it; replaced whole when anything changes."""

    silences: Silences = field(default_factory=Silences)
    verdicts: Verdicts = field(default_factory=Verdicts)

    def resting(self, series: Series, now: float, muted: Bools | None) -> Bools | None:
        """Rows kept out of learning: the muted ones and the silenced; bool [series], None = none."""
        if not self.silences.all:
            return muted
        rows = self.silences.resting(series, now)
        return rows if muted is None else rows | muted

    def edges(self, series: Series) -> Floats | None:
        """How much further out the edge of normal lies: float64 [series], None = where it was."""
        return self.verdicts.factors(series)

    def quiet(self, labels: Mapping[str, str], host: str, kind: str, signal: str, now: float) -> str:
        """Why an incident whose alert would have these labels pages nobody: "silence", "expected", or ""."""
        if self.silences.all and self.silences.covers(labels, now):
            return "silence"
        return "expected" if self.verdicts.expected(host, kind, signal, now) else ""


NOBODY: Final = People()
