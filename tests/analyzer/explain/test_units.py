"""Numbers for people."""

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from analyzer.explain.units import about, clock, digits, duration, pace, show, span

NOW = 1_799_732_700.0  # 2027-01-12 05:45:00 UTC


@pytest.mark.parametrize(
    ("value", "unit", "en", "ko"),
    [
        (0.983, "ratio", "98.3%", "98.3%"),
        (0.003, "ratio", "0.3%", "0.3%"),
        (0.0, "ratio", "0%", "0%"),
        (0.385, "seconds", "385 ms", "385ms"),
        (1.48, "seconds", "1.48 s", "1.48초"),
        (0.9997, "seconds", "1 s", "1초"),
        (0.00004, "seconds", "40 µs", "40µs"),
        (0.0, "seconds", "0 s", "0초"),
        (225.0, "seconds", "3 min 45 s", "3분 45초"),
        (-312.0, "seconds", "-5 min 12 s", "-5분 12초"),
        (1.2e8, "bytes_per_second", "120 MB/s", "120MB/s"),
        (980.0, "bytes_per_second", "980 B/s", "980B/s"),
        (4.2e9, "bytes", "4.2 GB", "4.2GB"),
        (84.0, "per_second", "84/s", "초당 84회"),
        (88.0, "celsius", "88 °C", "88°C"),
        (12.61, "count", "12.6", "12.6"),
        (1310000.0, "count", "1,310,000", "1,310,000"),
        (-0.0001, "celsius", "-0.0001 °C", "-0.0001°C"),
        (3.0, "made_up_unit", "3", "3"),
    ],
)
def test_value_is_shown_with_its_unit(value, unit, en, ko):
    shown = show(value, unit)
    assert (shown.en, shown.ko) == (en, ko)


def test_requests_are_counted_in_cases_in_korean():
    assert show(139, "per_second", "requests").ko == "초당 139건"


def test_range_has_one_unit():
    assert span(0.0248, 0.0702, "seconds").en == "25 to 70 ms"
    assert span(0.28, 0.6, "ratio").ko == "28~60%"


def test_range_of_one_value_is_said_once():
    assert span(2.0, 2.0, "count").en == "2"


def test_digits_have_no_needless_zeros():
    assert [digits(v) for v in (10.0, 0.10, 100.4, 99.96, -0.0)] == ["10", "0.1", "100", "100", "0"]


def test_duration_has_two_units_at_most():
    assert [duration(s).en for s in (42, 90, 300, 1395, 5100, 7200, 187200)] == [
        "42 s", "1 min 30 s", "5 min", "23 min", "1 h 25 min", "2 h", "2 d 4 h",
    ]  # fmt: skip


def test_what_lies_ahead_is_rough():
    assert [about(s).ko for s in (200, 1900, 11000, 43200, 200000)] == ["3분", "30분", "3시간", "12시간", "2일"]


def test_pace_of_a_share_is_in_points():
    assert (pace(0.026, "ratio").en, pace(0.026, "ratio").ko) == ("+2.6 points/h", "시간당 +2.6%p")


def test_clock_always_has_its_zone():
    assert clock(NOW - 1395, NOW, UTC).en == "05:21 UTC"
    assert clock(NOW - 1395, NOW, ZoneInfo("Asia/Seoul")).ko == "14:21 KST"
    assert clock(NOW, NOW, timezone(timedelta(hours=5, minutes=30))).en == "11:15 UTC+5:30"


def test_clock_of_another_day_says_so():
    assert clock(NOW - 6 * 3600, NOW).ko == "어제 23:45 UTC"
    assert clock(NOW + 86400, NOW).en == "05:45 UTC tomorrow"
    assert clock(NOW - 5 * 86400, NOW).en == "2027-01-07 05:45 UTC"


def test_clock_takes_impossible_times():
    assert "UTC" in clock(1e18, NOW).en
