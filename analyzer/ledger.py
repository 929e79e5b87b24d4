"""What would have been said and was not: one line per host, signal and reason in a while, not per cycle."""

from analyzer.records import Suppression

MOST = 20_000  # lines remembered for deduplication; beyond it the oldest are forgotten and may be said again


class Ledger:
    """Deduplicates suppressions.

    Parameters
    ----------
    every : seconds in which the same line is said once.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self.said: dict[tuple[str, str, str], float] = {}

    def note(self, line: Suppression, into: list[Suppression]) -> None:
        """Append the line to `into` unless it was said a short while ago."""
        key = (line.host, line.signal, line.reason)
        before = self.said.get(key)
        if before is not None and 0 <= line.time - before < self.every:
            return
        self.said.pop(key, None)  # so that the newest stand at the end
        self.said[key] = line.time
        while len(self.said) > MOST:
            self.said.pop(next(iter(self.said)))
        into.append(line)

    def state(self) -> list[list[object]]:
        """As JSON."""
        return [[*key, at] for key, at in self.said.items()]

    def restore(self, rows: list[list[object]]) -> None:
        """From `state`."""
        self.said = {(str(h), str(s), str(r)): float(str(at)) for h, s, r, at in rows}
