"""Alerts of other people's rules."""

import re
from dataclasses import replace

import pytest

from analyzer.explain.alerts import match
from analyzer.explain.engine import LocalExplainer
from analyzer.explain.facts import NUMBER
from tests.analyzer.explain.stories import STORIES

EXPLAINER = LocalExplainer()


def board(*, known=True):
    incident, seen = STORIES["cpu_runaway"]()
    return replace(seen, incidents=(incident,) if known else ())


def explain(labels, seen):
    return EXPLAINER.explain_alert(labels, {"summary": "threshold 77 passed"}, seen, "f00d").texts


def test_alert_on_the_root_gets_the_incidents_words():
    text = explain({"alertname": "HighCPU", "instance": "search-es-01:9100"}, board())["en"]
    assert text.headline == "HighCPU on search-es-01: CPU use 98.3% since 05:21 UTC (usually 28 to 60%)"
    assert text.sentences[0].startswith("The alert HighCPU fired on search-es-01, where we see an incident of our own")


def test_alert_on_a_dependant_names_the_root():
    text = explain({"alertname": "HighLatency", "instance": "api-gateway-prod"}, board())["en"]
    assert "feels an incident that began on search-es-01" in text.sentences[0]


def test_usual_reading_is_called_usual():
    text = explain({"alertname": "TooManyRequests", "instance": "search-es-01"}, board(known=False))["en"]
    assert text.headline == "TooManyRequests on search-es-01: requests 72/s, usual for this hour"
    assert "the rule's threshold may be tight" in text.sentences[1]


def test_unknown_server_is_admitted():
    text = explain({"alertname": "HighCPU", "instance": "stranger:9100"}, board())["en"]
    assert text.headline == "HighCPU on stranger:9100: we have no data about it"


def test_alert_before_the_first_cycle_is_answered():
    explanation = EXPLAINER.explain_alert({"alertname": "HighCPU", "instance": "a"}, {}, None)
    assert explanation.confidence == 0 and explanation.texts["ko"].headline == "a의 HighCPU: 관련 데이터 없음"


def test_alert_without_any_label_is_answered():
    assert explain({}, board())["ko"].headline == "이름 없는 서버의 ?: 관련 데이터 없음"


@pytest.mark.parametrize("host", ["search-es-01", "api-gateway-prod", "stranger"])
@pytest.mark.parametrize("known", [True, False])
def test_both_languages_say_the_same_and_quote_no_annotation(host, known):
    texts = explain({"alertname": "NodeLoad", "instance": host}, board(known=known))
    found = [set(NUMBER.findall(re.sub("`[^`]*`", "", " ".join([t.headline, *t.sentences, *t.actions])))) for t in texts.values()]
    assert found[0] == found[1] and "77" not in found[0]


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("NodeFilesystemAlmostOutOfSpace", "disk"),
        ("NodeFilesystemAlmostOutOfFiles", "inodes"),
        ("NodeNetworkReceiveErrs", "network_errors"),
        ("NodeClockSkewDetected", "clock_skew"),
        ("NodeCPUHighUsage", "cpu"),
        ("NodeSystemSaturation", "load"),
        ("NodeMemoryHighUtilization", "memory"),
        ("NodeDiskIOSaturation", "disk_time"),
        ("NodeFileDescriptorLimit", "open_files"),
        ("InstanceDown", "up"),
        ("Watchdog", ""),
    ],
)
def test_alert_names_tell_their_signal(name, signal):
    assert match({"alertname": name}, None).signal == signal
