"""What the routes read: the board of the newest cycle, the store, and what the configuration says about people."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from analyzer.records import Board


@dataclass(slots=True)
class ApiState:
    """Handed to the application once; `board` follows the cycles.

    Attributes
    ----------
    board : the newest board, None before the first cycle.
    store : the durable side.
    reason : why there is no board yet, for people.
    derived : the newest derived series as exposition text.
    languages, default_language, now : what answers are written in, and our wall clock.
    """

    board: Callable[[], Board | None]
    reason: Callable[[], str]
    store: Any
    derived: Callable[[], bytes]
    now: Callable[[], float]
    default_language: str = "en"
    maintenance_changed: Callable[[], Awaitable[None]] | None = None
    wake_webhook: Callable[[], None] = field(default=lambda: None)


STATE = web.AppKey("state", ApiState)
