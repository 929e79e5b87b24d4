"""Particles follow the sound of what stands before them."""

import pytest

from analyzer.explain.korean import particle, resolve


@pytest.mark.parametrize(
    ("word", "subject", "topic", "object_", "way"),
    [
        ("web-prod-01", "이", "은", "을", "로"),  # 일 ends in ㄹ
        ("web-prod-02", "가", "는", "를", "로"),
        ("k8s-worker-03", "이", "은", "을", "으로"),
        ("node-10", "이", "은", "을", "으로"),
        ("api-gateway-prod", "가", "는", "를", "로"),
        ("mail", "이", "은", "을", "로"),
        ("web", "이", "은", "을", "으로"),
        ("db", "가", "는", "를", "로"),
        ("rack", "이", "은", "을", "으로"),
        ("redis", "가", "는", "를", "로"),
        ("VM", "이", "은", "을", "으로"),
        ("98.3%", "가", "는", "를", "로"),
        ("385ms", "가", "는", "를", "로"),
        ("62°C", "가", "는", "를", "로"),
        ("10:47 UTC", "가", "는", "를", "로"),
        ("초당 72건", "이", "은", "을", "으로"),
        ("메모리 사용률", "이", "은", "을", "로"),
        ("응답 시간", "이", "은", "을", "으로"),
        ("코어당 부하", "가", "는", "를", "로"),
    ],
)
def test_particle_fits_the_last_sound(word, subject, topic, object_, way):
    forms = [particle(word, pair) for pair in ("이/가", "은/는", "을/를", "으로/로")]
    assert forms == [subject, topic, object_, way]


def test_particle_looks_past_a_remark_in_brackets():
    assert resolve("부하가 31.4(평소 3~9)[으로/로] 올랐습니다") == "부하가 31.4(평소 3~9)로 올랐습니다"
    assert resolve("web-prod-01(steal 0.4%)[은/는] 정상") == "web-prod-01(steal 0.4%)은 정상"


def test_particle_of_nothing_is_the_vowel_form():
    assert resolve("[이/가]") == "가"


def test_brackets_that_never_open_do_no_harm():
    assert resolve("abc)[은/는]") == "abc)는"


def test_several_markers_are_resolved_in_order():
    assert resolve("A-01[과/와] B-02[이/가]") == "A-01과 B-02가"
