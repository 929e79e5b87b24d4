"""Alerts of others that came in by the webhook -> explained, stored, and where configured posted back as a companion.

They were stored before Alertmanager got its 200; this works them off, oldest first, and marks each only when it is done, so that a
kill in between explains it again rather than never. Our own alerts, and explanations of alerts, are never explained.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from analyzer.records import Board, Explanation
from analyzer.store import InboxRow, Store, StoreError
from service import logs

BATCH = 50
RETRY = 10.0


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
    """

    def __init__(
        self, store: Store, explainer: AlertExplainer, board: Callable[[], Board | None], companions: Companions | None = None
    ) -> None:
        self._store, self._explainer, self._board, self._companions = store, explainer, board, companions
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
                    await self.work_off(rows)
            except StoreError as error:
                self._log.warning("alerts wait to be explained", reason=str(error))
                self._wake.set()
                await asyncio.sleep(RETRY)

    async def work_off(self, rows: list[InboxRow]) -> None:
        """Explain these and mark them done."""
        for row in rows:
            alert = row.alert
            if alert["labels"].get("source") != "openmanager" and "explains" not in alert["labels"]:
                await self._one(alert)
        await self._store.handled_webhook([row.id for row in rows])

    async def _one(self, alert: Mapping[str, Any]) -> None:
        if alert["status"] == "resolved":
            if self._companions:
                await self._companions.end_companion(alert["fingerprint"])
            return
        words = await asyncio.to_thread(
            self._explainer.explain_alert, alert["labels"], alert["annotations"], self._board(), alert["fingerprint"]
        )
        await self._store.put_explanation(words)
        if self._companions:
            await self._companions.companion(alert["labels"], alert["fingerprint"], annotations(words), alert["starts"])


def annotations(words: Explanation) -> dict[str, str]:
    """The words as annotations of an alert, in both languages."""
    out: dict[str, str] = {}
    for lang, text in words.texts.items():
        suffix = "" if lang == "en" else f"_{lang}"
        out[f"summary{suffix}"], out[f"description{suffix}"] = text.headline, " ".join(text.sentences)
        out[f"actions{suffix}"] = "\n".join(text.actions)
    return out
