"""Names and labels that strangers chose."""

import unicodedata

import pytest

from analyzer.explain.engine import LocalExplainer
from analyzer.explain.safe import plain, promql, shell
from tests.analyzer.explain.boards import World

EVIL = [
    "web\u202e10-01",
    "web\x1b[31m-01",
    "web\r\n-01",
    "web\u200b-01",
    "web\ud800-01",
    "<!channel> web-01",
    "[click](javascript:alert(1))",
    "web`rm -rf /`-01",
    "{host}",
    "[이/가]",
    "w" * 5000,
]


@pytest.mark.parametrize("name", EVIL)
def test_hostile_hostname_is_only_text(name):
    w = World().find(name, "cpu", 0.9, 0.1, 0.3, 600)
    for text in LocalExplainer().explain(w.incident(name, "cpu", "cpu_runaway"), w.board()).texts.values():
        words = " ".join([text.headline, *text.sentences, *text.actions])
        assert not {unicodedata.category(c) for c in words} & {"Cc", "Cf", "Cs"}
        assert not any(bad in words for bad in ("<!", "](", "{host}"))
        assert words.count("`") % 2 == 0 and len(text.headline) <= 240


def test_hostile_mountpoint_cannot_leave_its_command():
    labels = {"mountpoint": "/var; rm -rf /"}
    w = World().find("a-01", "disk", 0.9, 0.1, 0.3, 600, labels=labels)
    text = LocalExplainer().explain(w.incident("a-01", "disk", "disk_fill", labels=labels), w.board()).texts["en"]
    assert "`du -xhd1 '/var; rm -rf /' | sort -h | tail`" in text.actions[0]


def test_promql_strings_are_escaped():
    assert promql('a"} or {b="\\') == 'a\\") or (b=\\"\\\\'


def test_shell_words_are_quoted():
    assert shell("a b") == "'a b'"


def test_ordinary_names_stay_as_they_are():
    assert plain("k8s-worker-01.example.com:9100") == "k8s-worker-01.example.com:9100"
    assert plain("데이터베이스") == "데이터베이스"
