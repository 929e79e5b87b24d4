"""What people must hear about the analyzer itself: once when a trouble begins, once when it is over, never in between.

In: at every cycle, whether a trouble is there. Out: alerts about ourselves, in both languages. A trouble that shows in a single
cycle is none; an alert that could not be handed over is tried again with the next cycle.
"""

from collections import Counter
from typing import Final, Protocol

from service import logs

Words = dict[str, str]
AFTER: Final = 2  # cycles in a row before people hear of it


class SelfAlerts(Protocol):
    """Tells people that the analyzer itself cannot work."""

    async def self_alert(self, name: str, *, active: bool, summary: dict[str, str]) -> None: ...


class Troubles:
    """Counts troubles by name and tells of them. Without `alerts` they are only logged."""

    def __init__(self, alerts: SelfAlerts | None) -> None:
        self._alerts = alerts
        self._seen: Counter[str] = Counter()
        self._told: set[str] = set()
        self._log = logs.get("troubles")

    async def see(self, name: str, words: Words | None, *, after: int = AFTER) -> None:
        """The trouble is there, in these words; None = it is not."""
        self._seen[name] = self._seen[name] + 1 if words else 0
        active = self._seen[name] >= after
        if active == (name in self._told):
            return
        self._log.warning("an alert about ourselves", alert=name, active=active, reason=(words or {}).get("en", ""))
        try:
            if self._alerts is not None:
                await self._alerts.self_alert(name, active=active, summary=words or {})
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being told now must not keep the cycles from turning
            self._log.warning("an alert about ourselves could not be handed over", alert=name, reason=repr(error))
            return
        (self._told.add if active else self._told.discard)(name)

    async def away(self, reason: str | None) -> None:
        """The source does not answer, for a reason; None = it does."""
        words = {
            "en": f"The analyzer gets no data: {reason}. Findings stay as they were; nothing new is found.",
            "ko": f"분석기가 데이터를 받지 못하고 있습니다: {reason}. 기존 탐지 결과는 그대로 두며, 새로 탐지하지 않습니다.",
        }
        await self.see("OpenManagerSourceDown", words if reason else None)

    async def partial(self, reason: str | None) -> None:
        """The source's answers are not whole, for a reason; None = they are."""
        words = {
            "en": f"The source's answers are not whole ({reason}); nothing is concluded from what is missing.",
            "ko": f"데이터 소스의 응답이 온전하지 않습니다({reason}). 빠진 데이터로는 아무것도 판단하지 않습니다.",
        }
        await self.see("OpenManagerSourcePartial", words if reason else None)

    async def full(self, refused: int) -> None:
        """So many series found no room, with the reader or in the engine: what was read is judged all the same."""
        words = {
            "en": f"{refused} series found no room (reader.max_series): they are not watched.",
            "ko": f"시계열 {refused}개가 들어갈 자리가 없어(reader.max_series) 감시되지 않습니다.",
        }
        await self.see("OpenManagerSeriesRefused", words if refused else None)

    async def skewed(self, seconds: float, limit: float) -> None:
        """The source's clock is this far from ours."""
        off = f"{abs(seconds):.0f}"
        words = {
            "en": f"The clocks of the analyzer and of its source differ by {off} s; nothing is written until they agree.",
            "ko": f"분석기와 데이터 소스의 시계가 {off}초 차이 납니다. 맞을 때까지 아무것도 기록하지 않습니다.",
        }
        await self.see("OpenManagerClockSkew", words if abs(seconds) > limit else None)
