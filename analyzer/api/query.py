"""What the lists of the API share: filters and pages of the query, the language, and the newest board."""

from collections.abc import Collection
from typing import Any

from aiohttp import web

from analyzer.api.state import STATE
from analyzer.records import Board
from service.http import Problem, choice_arg, int_arg, json_response, text_arg, time_arg

PAGE = 100
MOST = 1000
LANGUAGES = ("en", "ko")
SEVERITIES = ("info", "warning", "critical")
FILTERS = ("server", "signal", "severity", "state")


def language(request: web.Request) -> str:
    """`lang` of the query, otherwise the configured default."""
    return choice_arg(request, "lang", request.app[STATE].default_language, LANGUAGES)


def board_of(request: web.Request) -> Board:
    """The newest board. Raises Problem 503 with the reason while there is none."""
    state = request.app[STATE]
    board = state.board()
    if board is None:
        raise Problem(503, "not_ready", state.reason() or "no cycle has been completed yet", {"Retry-After": "5"})
    return board


def paging(request: web.Request) -> dict[str, int]:
    """limit and offset of the query."""
    return {"limit": int_arg(request, "limit", PAGE, 1, MOST), "offset": int_arg(request, "offset", 0, 0, 10_000_000)}


def filters(request: web.Request, *, severities: Collection[str] = (), states: Collection[str] = ()) -> dict[str, Any]:
    """server, signal, from, to, limit, offset of the query, and severity and state where the list has them.

    Raises Problem 400 for a filter that the list does not have: leaving it out silently would show what was not asked for.
    """
    for name, known in (("severity", severities), ("state", states)):
        if not known and request.query.get(name):
            raise Problem(400, "bad_argument", f"{name}: what is listed here has none", entry="query")
    chosen: dict[str, Any] = {
        "server": text_arg(request, "server", "", 256) or None,
        "signal": text_arg(request, "signal", "", 128) or None,
        **({"severity": choice_arg(request, "severity", "", severities) or None} if severities else {}),
        **({"state": choice_arg(request, "state", "", states) or None} if states else {}),
        "start": time_arg(request, "from", None),
        "end": time_arg(request, "to", None),
        **paging(request),
    }
    if chosen["start"] is not None and chosen["end"] is not None and chosen["end"] < chosen["start"]:
        raise Problem(400, "bad_range", "`to` lies before `from`", entry="query")
    return chosen


def page(name: str, rows: list[Any], total: int, offset: int, **more: Any) -> web.Response:
    """One page of a list, with what is needed for the next."""
    after = offset + len(rows)
    return json_response({name: rows, "total": total, "offset": offset, "next": after if rows and after < total else None, **more})
