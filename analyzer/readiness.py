"""What each series lacks to be judged as well as it can be: a code for machines, words for people, and how long it will take.

In: `Learning` of the newest column, and which rows are muted. Out: `Readiness`, one row a series, and those that found no room.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from analyzer.explain.units import Shown, duration
from analyzer.records import Learning
from analyzer.window import Bools, Floats, Ints

REASONS: Final = ("ready", "silent", "muted", "resting", "borrowed", "alone", "young", "short", "day", "no_room")
READY, SILENT, MUTED, RESTING, BORROWED, ALONE, YOUNG, SHORT, DAY_UNKNOWN, NO_ROOM = range(len(REASONS))
SILENT_AFTER: Final = 900.0  # seconds without a sample
SPEAKS: Final = 0.25  # share of what is needed from which a series is judged at all


@dataclass(frozen=True, slots=True, eq=False)
class Readiness:
    """One row a series of `learning.series`.

    reason : int64 [series], position in REASONS. eta : float64 [series], seconds of samples until nothing is missing, 0 = now,
    NaN = it is not getting on. judged : float64 [series], the same until it is judged by itself alone.
    """

    learning: Learning
    reason: Ints
    eta: Floats
    judged: Floats

    def counts(self) -> dict[str, int]:
        """How many series there are of each reason; every reason is in it."""
        found = np.bincount(self.reason, minlength=len(REASONS))
        found[NO_ROOM] += self.learning.refused
        return dict(zip(REASONS, found.tolist(), strict=True))

    def words(self, row: int) -> Shown:
        """What a series lacks, for people."""
        known, role = self.learning, self.learning.series.role_of(row)
        seen = duration(max(float(known.known[row]), 0.0))
        needs = duration(known.full if self.reason[row] == DAY_UNKNOWN else known.needs)
        silent = duration(float(known.silent[row])) if np.isfinite(known.silent[row]) else None
        said = WORDS[REASONS[int(self.reason[row])]]
        if self.reason[row] == SILENT and silent is None:
            said = Shown("sends nothing", "데이터를 보내지 않음")
        names = {"seen": seen, "needs": needs, "silent": silent or seen, "role": Shown(role, role)}
        return Shown(said.en.format(**{k: v.en for k, v in names.items()}), said.ko.format(**{k: v.ko for k, v in names.items()}))


WORDS: Final = {
    "ready": Shown("known", "학습 완료"),
    "silent": Shown("has sent nothing for {silent}", "{silent} 동안 데이터를 보내지 않음"),
    "muted": Shown("{seen} seen; muted, not learned now", "{seen} 관측함. 알림을 멈춘 기간이라 지금은 학습하지 않음"),
    "resting": Shown("{seen} seen; unusual, not learned now", "{seen} 관측함. 평소와 달라 지금은 학습하지 않음"),
    "borrowed": Shown(
        "{seen} of {needs} seen; borrowed from peers of role {role}",
        "{needs} 중 {seen} 관측함. 같은 역할({role}) 서버의 평소 값을 빌려 판단함",
    ),
    "alone": Shown(
        "{seen} of {needs} seen; no known peer to borrow from, not judged yet",
        "{needs} 중 {seen} 관측함. 평소 값을 빌릴 같은 역할의 서버가 없어 아직 판단하지 않음",
    ),
    "young": Shown("{seen} of {needs} seen; not judged yet", "{needs} 중 {seen} 관측함. 아직 판단하지 않음"),
    "short": Shown("{seen} of {needs} seen; judged mildly", "{needs} 중 {seen} 관측함. 느슨하게 판단함"),
    "day": Shown("{seen} of {needs} seen; the usual day is not known well", "{needs} 중 {seen} 관측함. 하루의 흐름을 아직 잘 모름"),
    "no_room": Shown("no room: max_series", "자리가 없음: max_series"),
}


def readiness(learning: Learning, muted: Bools | None = None) -> Readiness:
    """Judge every series of the engine's table."""
    k, known = learning, learning.known
    young = known < SPEAKS * k.needs
    quiet = np.zeros(len(known), bool) if muted is None or len(muted) != len(known) else muted
    cases = (
        (~(k.silent <= SILENT_AFTER), SILENT),
        (k.fact | (known >= k.full), READY),
        (quiet, MUTED),
        (k.resting & ~young & (known >= k.needs), RESTING),
        (k.lent & (known < k.needs), BORROWED),
        (young & ~k.peers, ALONE),
        (young, YOUNG),
        (known < k.needs, SHORT),
    )
    reason = np.select([c for c, _ in cases], [r for _, r in cases], DAY_UNKNOWN).astype(np.int64)
    stands = np.isin(reason, (SILENT, MUTED, RESTING))
    eta = np.where(stands, np.nan, np.where(reason == READY, 0.0, np.maximum(k.full - known, 0.0)))
    judged = np.where(stands, np.nan, np.where(reason == READY, 0.0, np.maximum(k.needs - known, 0.0)))
    return Readiness(learning, reason, eta, judged)
