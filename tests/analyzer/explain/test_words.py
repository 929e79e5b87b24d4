"""What every explanation owes its reader, over all kinds and endings."""

import re
import time

import pytest

from analyzer.explain.engine import LocalExplainer
from analyzer.explain.evidence import gather
from analyzer.explain.facts import NUMBER
from analyzer.explain.short import annotations, plain_text
from analyzer.records import FAULT_KINDS
from tests.analyzer.explain.stories import STORIES

EXPLAINER = LocalExplainer()
HANGUL = re.compile(r"[가-힣ㄱ-ㅎ]")
WHEN = re.compile(r"\b\d{1,2}:\d{2}\b(.{0,6})")
EVERY = pytest.mark.parametrize("name", STORIES)


def told(name):
    incident, board = STORIES[name]()
    return EXPLAINER.explain(incident, board), gather(incident, board), board


def said(text):
    """Headline and sentences."""
    return " ".join([text.headline, *text.sentences])


def uncoded(text):
    return re.sub(r"`[^`]*`", "", text)


def numbers(text):
    return set(NUMBER.findall(uncoded(text)))


@EVERY
def test_both_languages_hold_the_same_numbers(name):
    texts = told(name)[0].texts
    assert numbers(said(texts["en"])) == numbers(said(texts["ko"]))


@EVERY
def test_actions_of_both_languages_hold_the_same_numbers_and_commands(name):
    texts = told(name)[0].texts
    for en, ko in zip(texts["en"].actions, texts["ko"].actions, strict=True):
        assert numbers(en) == numbers(ko)
        assert sorted(re.findall(r"`[^`]+`", en)) == sorted(re.findall(r"`[^`]+`", ko))


@EVERY
def test_both_languages_name_the_same_servers(name):
    explanation, _, board = told(name)
    named = [{h for h in board.scores.series.hosts if h in said(text)} for text in explanation.texts.values()]
    assert named[0] == named[1] != set()


@EVERY
def test_every_number_is_in_the_evidence(name):
    explanation, evidence, _ = told(name)
    for text in explanation.texts.values():
        assert numbers(said(text)) - evidence.numbers() == set()


@EVERY
def test_no_language_leaks_into_the_other(name):
    texts = told(name)[0].texts
    assert not HANGUL.search(" ".join([said(texts["en"]), *texts["en"].actions]))
    for part in (texts["ko"].headline, *texts["ko"].sentences, *texts["ko"].actions):
        assert HANGUL.search(part), part


@EVERY
def test_clock_times_carry_their_zone(name):
    for text in told(name)[0].texts.values():
        for after in WHEN.findall(uncoded(" ".join([said(text), *text.actions]))):
            assert after.startswith(" UTC")


@EVERY
def test_it_is_short_and_whole(name):
    for lang, text in told(name)[0].texts.items():
        assert 0 < len(text.headline) <= 120
        assert 1 <= len(text.sentences) <= 5
        assert 1 <= len(text.actions) <= 5
        assert len(" ".join(text.sentences)) <= (900 if lang == "en" else 620)
        assert not re.search(r"\{\w+\}|\[[가-힣]+/[가-힣]+\]|\bnan\b|  |\.\.|\(\)", said(text))


@EVERY
def test_headline_names_server_and_time(name):
    explanation, evidence, _ = told(name)
    for text in explanation.texts.values():
        assert evidence.host in text.headline
        assert ":" in text.headline or evidence.closed_because


@EVERY
def test_korean_particles_are_resolved(name):
    korean = told(name)[0].texts["ko"]
    assert not re.search(r"\(은\)|\(는\)|은\(는\)|이\(가\)|을\(를\)", said(korean))


@EVERY
def test_evidence_rows_are_plain_json(name):
    import json

    rows = told(name)[0].evidence
    assert json.loads(json.dumps(rows, allow_nan=False))[0]["part"] == "incident"


@EVERY
def test_short_forms_fit_a_pager(name):
    short = annotations(told(name)[0])
    assert {"summary", "summary_ko", "description", "description_ko", "actions", "kind", "since", "confidence"} <= set(short)
    assert len(short["summary"]) <= 120 and len(short["summary_ko"]) <= 120


def test_there_is_a_story_of_every_kind():
    assert {story()[0].kind for story in STORIES.values()} == set(FAULT_KINDS)


def test_terminal_text_has_numbered_actions():
    text = plain_text(told("disk_fill")[0], "en")
    assert text.startswith("/var on storage-nas-01 will be full in about 3 h (92%, +2.6 points/h), around 08:48 UTC\n")
    assert "\n1. On storage-nas-01, find what is large: `du -xhd1 /var | sort -h | tail`" in text


def test_it_takes_less_than_50_ms():
    incident, board = STORIES["db_slow"]()
    took = []
    for _ in range(40):
        began = time.perf_counter()
        EXPLAINER.explain(incident, board)
        took.append(time.perf_counter() - began)
    assert sorted(took)[37] < 0.05
