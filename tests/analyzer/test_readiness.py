"""What a series lacks: a code, words in both languages, and how long it will take."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.readiness import REASONS, readiness
from tests.analyzer.reports import learning, series

WEB = series(("cpu", "web-1"))
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
YES, NO = np.array([True]), np.array([False])


def one(known, muted=None, **more):
    """Code, English and Korean words, ETA, and seconds until it is judged by itself, of one series."""
    made = readiness(replace(learning(WEB, known=known), **more), muted)
    words = made.words(0)
    return REASONS[made.reason[0]], words.en, words.ko, made.eta[0], made.judged[0]


@pytest.mark.parametrize(
    ("given", "code", "en", "ko", "eta", "judged"),
    [
        ({"known": 10 * DAY}, "ready", "known", "학습 완료", 0, 0),
        ({"known": 0, "fact": YES}, "ready", "known", "학습 완료", 0, 0),
        ({"known": 2 * HOUR + 600}, "day", "2 h 10 min of 3 d seen; the usual day is not known well",
         "3일 중 2시간 10분 관측함. 하루의 흐름을 아직 잘 모름", 3 * DAY - 2 * HOUR - 600, 0),
        ({"known": HOUR}, "short", "1 h of 2 h seen; judged mildly", "2시간 중 1시간 관측함. 느슨하게 판단함", 71 * HOUR, HOUR),
        ({"known": 600, "lent": YES}, "borrowed", "10 min of 2 h seen; borrowed from peers of role web",
         "2시간 중 10분 관측함. 같은 역할(web) 서버의 평소 값을 빌려 판단함", 3 * DAY - 600, 6600),
        ({"known": 600}, "alone", "10 min of 2 h seen; no known peer to borrow from, not judged yet",
         "2시간 중 10분 관측함. 평소 값을 빌릴 같은 역할의 서버가 없어 아직 판단하지 않음", 3 * DAY - 600, 6600),
        ({"known": 600, "peers": YES}, "young", "10 min of 2 h seen; not judged yet", "2시간 중 10분 관측함. 아직 판단하지 않음",
         3 * DAY - 600, 6600),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_the_time_it_takes(given, code, en, ko, eta, judged):
    assert one(**given) == (code, en, ko, eta, judged)


@pytest.mark.parametrize(
    ("given", "code", "en"),
    [
        ({"known": DAY, "silent": np.array([HOUR])}, "silent", "has sent nothing for 1 h"),
        ({"known": DAY, "silent": np.array([np.nan])}, "silent", "sends nothing"),
        ({"known": DAY, "muted": YES}, "muted", "24 h seen; muted, not learned now"),
        ({"known": DAY, "resting": YES}, "resting", "24 h seen; unusual, not learned now"),
    ],
)
def test_what_is_not_getting_on_has_no_eta(given, code, en):
    found = one(**given)
    assert found[:2] == (code, en)
    assert np.isnan(found[3:]).all()


def test_every_reason_is_counted_and_so_is_what_found_no_room():
    table = series(("cpu", "a"), ("cpu", "b"))
    counts = readiness(learning(table, known=np.array([HOUR, 9 * DAY]), refused=5)).counts()
    assert set(counts) == set(REASONS)
    assert {k: n for k, n in counts.items() if n} == {"short": 1, "ready": 1, "no_room": 5}
