"""What the routes read: the board of the newest cycle, the store, and what the configuration says about people."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from analyzer.records import Board


async def _nothing() -> None:
    """Nobody needs to know."""


@dataclass(slots=True)
class ApiState:
    """Handed to the application once; `board` follows the cycles.

    Attributes
    ----------
    board : the newest board, None before the first cycle.
    reason : why there is no board yet, for people.
    store : the durable side; may be set when the application starts.
    derived : the newest derived series as exposition text.
    now : our wall clock, unix seconds.
    default_language : what answers are written in where the request does not say.
    maintenance_changed, feedback_changed, wake_webhook : told after what their names say.
    """

    board: Callable[[], Board | None]
    reason: Callable[[], str]
    store: Any
    derived: Callable[[], bytes]
    now: Callable[[], float]
    default_language: str = "en"
    maintenance_changed: Callable[[], Awaitable[None]] = field(default=_nothing)
    feedback_changed: Callable[[], Awaitable[None]] = field(default=_nothing)
    wake_webhook: Callable[[], None] = field(default=lambda: None)


STATE = web.AppKey("state", ApiState)
