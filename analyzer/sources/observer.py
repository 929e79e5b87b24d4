"""What a source tells about its own work, for whoever counts: `__main__` wires it to metrics, tests to a list.

The events are those of vmanomaly's `reader_*` metrics: request duration, responses by code, bytes, parsing time, series and points.
"""

from typing import Protocol


class Observer(Protocol):
    """Hears of requests, answers and losses. Calls must be quick; they come from the event loop."""

    def request(self, *, query_key: str, code: str, seconds: float, received_bytes: int) -> None:
        """One request ended. `code`: the HTTP status, or "error" where there was none; `query_key`: alias, or what was asked."""
        ...

    def parsed(self, *, query_key: str, seconds: float, timeseries: int, datapoints: int) -> None:
        """One answer was read."""
        ...

    def dropped(self, *, reason: str, count: int) -> None:
        """Series, samples or targets that were refused: series_limit, own_series, bad_labels, bad_line, body_limit, …"""
        ...


class Silent:
    """Nobody counts."""

    def request(self, *, query_key: str, code: str, seconds: float, received_bytes: int) -> None:
        """Nothing."""

    def parsed(self, *, query_key: str, seconds: float, timeseries: int, datapoints: int) -> None:
        """Nothing."""

    def dropped(self, *, reason: str, count: int) -> None:
        """Nothing."""
