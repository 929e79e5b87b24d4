"""Alerts of others that came in by the webhook -> explained, stored, and where configured posted back as a companion.

They were stored before Alertmanager got its 200; this works them off, oldest first, and marks each only when it is done, so that a
kill in between explains it again rather than never. Our own alerts, and explanations of alerts, are never explained. Notifications
may come twice, late, or after the end that they should precede: the result is the same.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from analyzer.records import Board, Explanation
from analyzer.store import InboxRow, Store, StoreError
from service import logs

BATCH = 50
RETRY = 10.0
WAIT = 120.0  # seconds that an alert may wait for the first cycle after a start: without a board there is little to say


class AlertExplainer(Protocol):
    """Says what our data know about somebody else's alert."""

    def explain_alert(
        self, labels: Mapping[str, str], annotations: Mapping[str, str], board: Board | None, fingerprint: str = ""
    ) -> Explanation: ...


class Companions(Protocol):
    """Posts an explanation beside an alert."""

    async def companion(
        self, labels: Mapping[str, str], fingerprint: str, annotations: Mapping[str, str], starts: float
    ) -> None: ...
    async def end_companion(self, fingerprint: str) -> None: ...


class Inbox:
    """Works off what the webhook stored.

    Parameters
    ----------
    companions : None = explanations are stored and shown, not posted.
    wait : seconds that an alert waits for a board before it is explained without one.
    """

    def __init__(
        self,
        store: Store,
        explainer: AlertExplainer,
        board: Callable[[], Board | None],
        companions: Companions | None = None,
        *,
        wait: float = WAIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._explainer, self._board, self._companions = store, explainer, board, companions
        self._wait, self._clock = wait, clock
        self._wake = asyncio.Event()
        self._wake.set()  # a kill may have left something
        self._log = logs.get("inbox")

    def wake(self) -> None:
        """Something was stored."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while rows := await self._store.waiting_webhook(BATCH):
                    if self._too_early(rows):
                        await asyncio.sleep(min(1.0, self._wait))
                        continue
                    await self.work_off(rows)
            except StoreError as error:
                self._log.warning("alerts wait to be explained", reason=str(error))
                self._wake.set()
                await asyncio.sleep(RETRY)

    def _too_early(self, rows: list[InboxRow]) -> bool:
        return self._board() is None and 0 <= self._clock() - rows[0].received < self._wait

    async def work_off(self, rows: list[InboxRow]) -> None:
        """Explain these and mark them done. Raises StoreError."""
        for row in rows:
            try:
                await self._one(row)
            except StoreError:
                raise
            except Exception:  # noqa: BLE001 - an alert that we stumble over must not keep all others waiting; logged
                self._log.exception("an alert could not be explained", fingerprint=row.alert.get("fingerprint"))
        await self._store.handled_webhook([row.id for row in rows])

    async def _one(self, row: InboxRow) -> None:
        alert, labels = row.alert, row.alert["labels"]
        if labels.get("source") == "openmanager" or "explains" in labels:
            return
        if alert["status"] == "resolved":
            if self._companions:
                await self._companions.end_companion(alert["fingerprint"])
            return
        words = await asyncio.to_thread(
            self._explainer.explain_alert, labels, alert["annotations"], self._board(), alert["fingerprint"]
        )
        await self._store.put_explanation(words if words.time > 0 else replace(words, time=row.received))
        over = await self._store.has_ended(alert["group_key"], alert["fingerprint"], alert["starts"])
        if self._companions and not over:
            starts = alert["starts"] or row.received
            await self._companions.companion(labels, alert["fingerprint"], annotations(words), starts)


def annotations(words: Explanation) -> dict[str, str]:
    """The words as annotations of an alert, in every language."""
    out: dict[str, str] = {}
    for lang, text in words.texts.items():
        suffix = "" if lang == "en" else f"_{lang}"
        out[f"summary{suffix}"], out[f"description{suffix}"] = text.headline, " ".join(text.sentences)
        out[f"actions{suffix}"] = "\n".join(text.actions)
    return out
