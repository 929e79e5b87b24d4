"""Refusals: what a client is told, what is counted, and what is logged, once.

In: a :class:`Problem` raised by a handler, or :func:`reject` called where no handler runs yet. Out: strict JSON
``{error, detail, request_id}``, ``openmanager_rejected_total{entry,reason}`` one higher, and one WARN a reason every ten
seconds however many come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from service import logs, text

UNCOUNTED = frozenset({404, 405, 409, 410, 412, 501})  # ordinary answers, not refusals, unless they name an entry


class Problem(Exception):  # noqa: N818 - an answer, 404 as well as 400, not only an error
    """An answer that is not the one asked for.

    Parameters
    ----------
    status
        HTTP status.
    error
        Short machine word: ``bad_json``, ``not_found``.
    detail
        What is wrong and what to do, for a person.
    headers
        Extra response headers.
    entry
        Where the input came in, for the rejection counter. Without it 404, 405, 409 and 5xx are not counted as rejections.
    close
        End the connection after the answer, where what follows on it cannot be trusted.
    """

    def __init__(
        self,
        status: int,
        error: str,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        entry: str | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(f"{status} {error}: {detail}")
        self.status = status
        self.error = error
        self.detail = detail
        self.headers = dict(headers or {})
        self.entry = entry
        self.close = close

    @property
    def counted(self) -> bool:
        """Whether this is a rejection of input."""
        return self.entry is not None or (400 <= self.status < 500 and self.status not in UNCOUNTED)


class Rejections:
    """Counts refusals on `registry` and logs them, at most one line a reason every `every_seconds`."""

    def __init__(
        self, registry: CollectorRegistry, every_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = Counter(
            "openmanager_rejected", "Refused input by where it came in and why.", ["entry", "reason"], registry=registry
        )
        self._every = every_seconds
        self._clock = clock
        self._last: dict[tuple[str, str], tuple[float, int]] = {}
        self._log = logs.get("service.rejected")

    def add(self, entry: str, reason: str, detail: str = "", **fields: object) -> None:
        """Count one; log it unless the same kind was logged a moment ago."""
        self._total.labels(entry, reason).inc()
        now = self._clock()
        logged, held = self._last.get((entry, reason), (float("-inf"), 0))
        if now - logged < self._every:
            self._last[entry, reason] = (logged, held + 1)
            return
        self._last[entry, reason] = (now, 0)
        more = {"not_logged": held} if held else {}
        self._log.warning("rejected", entry=entry, reason=reason, detail=detail[:500], **fields, **more)


REJECTIONS = web.AppKey("rejections", Rejections)


def reject(where: web.BaseRequest | web.Application, entry: str, reason: str, detail: str = "") -> None:
    """Count one refusal that is not answered by raising a :class:`Problem`.

    Parameters
    ----------
    where
        The request, or the application where there is none.
    entry
        Where the input came in: ``json``, ``webhook``, ``auth``.
    reason
        The machine word, one of a fixed few: it becomes a label value.
    """
    app = where if isinstance(where, web.Application) else getattr(where, "app", None)
    rejections = app.get(REJECTIONS) if app is not None else None
    if rejections is None:
        return
    remote = where.remote if isinstance(where, web.BaseRequest) else None
    rejections.add(entry, reason, detail, **({"remote": remote} if remote else {}))


def problem_body(error: str, detail: str, request_id: str) -> bytes:
    """The JSON body of every error of the kit."""
    return text.dumps({"error": error, "detail": text.printable(detail), "request_id": request_id})
