"""POST /analyze: one row to 100,000, in both languages, nothing said that the rows do not hold; bad rows have a place."""

import asyncio
import re
import threading

import numpy as np
import pytest

from analyzer.api.account import Account, language_of
from analyzer.api.analyze import Desk, answer_to
from analyzer.api.rows import parse_rows
from analyzer.api.study import study
from service.http import Problem
from tests.analyzer.reports import NOW

FIELDS = {
    "success", "analysis", "recommendations", "confidence", "processing_time", "anomalies", "trends", "predictions", "method",
    "evidence", "lang",
}  # fmt: skip
HANGUL = re.compile("[가-힣]")


def rows(n, step=60, **columns):
    return [{"timestamp": NOW + step * i} | {name: float(v[i]) for name, v in columns.items()} for i in range(n)]


def noise(n, level=40.0, width=2.0):
    return level + np.random.default_rng(7).normal(0, width, n)


def spiked(n=180):
    cpu = noise(n)
    cpu[100:105] = 97.0
    return rows(n, cpu=cpu, memory=noise(n, 60.0, 0.5))


def leaking(n=180):
    return rows(n, cpu=noise(n), memory=50 + 0.2 * np.arange(n))


def asked(metrics, query="", lang="en", **context):
    return answer_to({"metrics": metrics, "query": query, "context": context}, lang)


async def test_the_answer_has_every_field_of_the_contract(api):
    status, body = await api.post("/analyze", {"query": "why is cpu high?", "metrics": spiked()})
    assert (status, set(body)) == (200, FIELDS)
    assert body["anomalies"]["data"][0]["column"] == "cpu"
    assert 0 <= body["confidence"] <= 1
    assert body["processing_time"] > 0


def test_a_spike_is_found_where_it_was_and_told_with_its_numbers():
    body = asked(spiked(), hostname="web-01")
    found = [a for a in body["anomalies"]["data"] if a["column"] == "cpu" and a["value"] == 97.0]
    assert [a["timestamp"][11:16] for a in sorted(found, key=lambda a: a["timestamp"])] == [
        "15:53",
        "15:54",
        "15:55",
        "15:56",
        "15:57",
    ]
    assert body["analysis"].startswith("web-01: 180 rows over 2 h 59 min (14:13 UTC to 17:12 UTC) hold ")
    assert "CPU use was furthest off at 15:53 UTC: 97%" in body["analysis"]
    assert body["recommendations"][0].startswith("See what ran at 15:53 UTC")


def test_a_leak_is_told_with_its_pace_and_when_it_ends():
    body = asked(leaking())
    assert body["trends"]["memory"] == {"slope_per_hour": 12.0, "direction": "rising", "r2": 1.0}
    assert "Memory use rises by 12 points/h" in body["analysis"]
    assert "At this rate it reaches 100% in about 70 min, around 18:23 UTC." in body["analysis"]
    assert body["predictions"][0]["memory"]["yhat"] == pytest.approx(97.8, abs=0.1)
    assert body["anomalies"]["severity"] in ("warning", "critical")


def test_quiet_rows_hold_nothing():
    body = asked(rows(120, cpu=np.full(120, 40.0), disk=np.full(120, 61.0)))
    assert (body["anomalies"]["count"], body["anomalies"]["severity"], body["recommendations"]) == (0, "none", [])
    assert "hold nothing out of the ordinary. CPU use is 40%. Disk use is 61%." in body["analysis"]


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 10, 19, 20, 59, 60, 200])
def test_any_number_of_rows_is_answered_and_what_is_lacking_is_said(n, lang):
    body = asked(rows(n, cpu=noise(n), queue=noise(n, 5, 1)), lang=lang)
    assert bool(HANGUL.search(body["analysis"])) == (lang == "ko")
    assert ({"en": "not everything was tried", "ko": "일부만 살폈습니다"}[lang] in body["analysis"]) == (n < 60)
    assert bool(body["trends"]) == (n >= 3)
    assert bool(body["predictions"]) == (n >= 10)
    assert not re.search(r"[{}\[\]]|nan|inf\b", body["analysis"] + "".join(body["recommendations"]))


@pytest.mark.parametrize("make", [spiked, leaking])
def test_both_languages_say_the_same_numbers(make):
    english, korean = (asked(make(), lang=lang)["analysis"] for lang in ("en", "ko"))
    numbers = [set(re.findall(r"\d+(?:[.:,]\d+)*", text)) for text in (english, korean)]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("question", "lang"), [("왜 느려요?", "ko"), ("why?", "en"), ("CPU 어때", "ko"), ("", None), ("¿2+2?", None), ("ㅋㅋ", "ko")]
)
def test_the_language_of_a_question(question, lang):
    assert language_of(question) == lang


async def test_lang_comes_before_the_question_and_the_question_before_the_default(api):
    metrics = rows(3, cpu=noise(3))
    assert (await api.post("/analyze", {"query": "why", "lang": "ko", "metrics": metrics}))[1]["lang"] == "ko"
    assert (await api.post("/analyze", {"query": "왜", "metrics": metrics}))[1]["lang"] == "ko"
    assert (await api.post("/analyze", {"metrics": metrics}))[1]["lang"] == "en"


def test_what_was_asked_about_is_told_first():
    text = asked(spiked(), "디스크 말고 메모리는?", lang="ko")["analysis"]
    assert text.index("메모리 사용률") < text.index("CPU 사용률")


def test_a_column_without_news_is_told_by_its_range():
    drifting = 60 + 0.002 * np.arange(180) + np.random.default_rng(3).normal(0, 0.5, 180)
    assert "Memory use stayed between 59% and 62%." in asked(rows(180, memory=drifting, cpu=noise(180)), "memory?")["analysis"]


def test_the_same_rows_give_the_same_answer_in_any_order():
    metrics = spiked()
    shuffled = [metrics[i] for i in np.random.default_rng(1).permutation(len(metrics))]
    assert asked(metrics) == asked(shuffled)


def test_gaps_are_gaps_and_no_zeros():
    metrics = spiked()
    for i in range(20, 60):
        metrics[i]["cpu"] = None
        del metrics[i]["memory"]
    body = asked(metrics)
    line = next(e for e in body["evidence"] if e.get("column") == "cpu")
    assert (line["rows"], line["missing"], line["min"] > 30) == (140, 40, True)
    assert "22% of the values are missing." in body["analysis"]


def test_numbers_of_any_size_are_survived():
    for values in ([1e308, -1e308] * 40, [0.0] * 80, [1e-300] * 80, [float(i % 2) for i in range(80)], list(range(80))):
        body = asked([{"timestamp": NOW + 60 * i, "x": v} for i, v in enumerate(values)])
        assert body["success"]


def test_a_percentage_beyond_a_hundred_is_taken_as_a_plain_number():
    line = asked(rows(80, cpu=noise(80, 250.0)))["evidence"][0]
    assert (line["column"], line["unit"], line["full_at"]) == ("cpu", None, None)


def test_names_of_columns_are_made_harmless_in_texts():
    text = asked([{"timestamp": NOW, "<script>\u202e{x}": 1.0}])["analysis"]
    assert not set("<>{}\u202e") & set(text)


@pytest.mark.parametrize("stamp", ["2026-09-21T14:13:20Z", "2026-09-21T23:13:20+09:00", "2026-09-21 14:13:20", NOW, int(NOW)])
def test_times_are_taken_as_text_and_as_seconds(stamp):
    assert parse_rows([{"timestamp": stamp, "cpu": 1}]).times.tolist() == [NOW]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"cpu": 1}, "metrics[1].timestamp"), ({"timestamp": "soon", "cpu": 1}, "metrics[1].timestamp"),
        ({"timestamp": NOW * 1000, "cpu": 1}, "metrics[1].timestamp"), ({"timestamp": -5, "cpu": 1}, "metrics[1].timestamp"),
        ({"timestamp": True, "cpu": 1}, "metrics[1].timestamp"), ({"timestamp": NOW, "cpu": "high"}, "metrics[1].cpu"),
        ({"timestamp": NOW, "cpu": True}, "metrics[1].cpu"), ({"timestamp": NOW, "net": {"in": 1}}, "metrics[1].net"),
        ({"timestamp": NOW, "": 1}, "metrics[1]"), ({"timestamp": NOW, "x" * 129: 1}, "metrics[1]."), (7, "metrics[1]"),
        ({"timestamp": NOW} | {f"c{i}": 1 for i in range(65)}, "metrics[1].c"),
    ],
)  # fmt: skip
async def test_a_bad_row_is_refused_with_its_place(api, row, place):
    status, body = await api.post("/analyze", {"metrics": [{"timestamp": NOW, "cpu": 1}, row]})
    assert (status, body["error"]) == (422, "schema")
    assert body["detail"].startswith(place)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"metrics": []}, {"metrics": {}}, {"metrics": [{"timestamp": 1}]}, {"metrics": [{"timestamp": 1, "cpu": None}]}, [],
        {"metrics": [{"timestamp": 1, "cpu": 1}], "lang": "fr"}, {"metrics": [{"timestamp": 1, "cpu": 1}], "query": 5},
        {"metrics": [{"timestamp": 1, "cpu": 1}], "colour": "red"}, {"metrics": [{"timestamp": 1, "cpu": 1}], "context": "x"},
    ],
)  # fmt: skip
async def test_a_request_that_cannot_be_meant_is_422(api, body):
    status, answer = await api.post("/analyze", body)
    assert (status, answer["error"]) == (422, "schema")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"metrics": [', "bad_json"), (b"[" * 100_000, "too_deep"), (b'{"metrics": [{"timestamp": ' + b"1" * 5000, "bad_number"),
        (b'{"metrics": [{"timestamp": 1, "cpu": NaN}]}', "not_finite"), (b'{"query": "\xff"}', "bad_encoding"),
        (b'{"query": "\\udc00"}', "bad_text"),
    ],
)  # fmt: skip
async def test_what_is_no_json_is_400(api, body, error):
    status, answer = await api.post("/analyze", body)
    assert (status, answer["error"]) == (400, error)


async def test_more_than_the_most_rows_are_refused(api):
    one = b'{"timestamp":1,"a":1},'
    status, body = await api.post("/analyze", b'{"metrics":[' + one * 100_000 + one[:-1] + b"]}")
    assert (status, body["error"]) == (422, "schema")
    assert len(body["detail"]) < 600


async def test_a_body_beyond_the_limit_is_413(api):
    assert (await api.post("/analyze", b" " * ((32 << 20) + 1)))[0] == 413


async def test_a_hundred_thousand_rows_are_answered_while_others_are_served(api):
    metrics = [{"timestamp": NOW + 60 * i, "cpu": 40 + i % 7, "disk": 50 + i % 3} for i in range(100_000)]
    work = asyncio.create_task(api.post("/analyze", {"metrics": metrics}))
    served = 0
    while not work.done():
        assert (await api.get("/api/health"))[0] == 200
        served += 1
        await asyncio.sleep(0.02)
    status, body = work.result()
    assert (status, body["evidence"][0]["rows"]) == (200, 100_000)
    assert served > 3


async def test_one_analysis_at_a_time_and_too_many_are_told_to_come_back():
    gate, desk = threading.Event(), Desk(most=2)
    tasks = [asyncio.create_task(desk.do(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(Problem) as refused:
        await desk.do(gate.wait)
    assert (refused.value.status, refused.value.error) == (503, "busy")
    gate.set()
    await asyncio.gather(*tasks)
    assert await desk.do(lambda: 7) == 7
    await desk.close(None)


def test_particles_follow_the_words_before_them():
    made = study(parse_rows(leaking()))
    assert "메모리 사용률이 시간당 12%p씩 오르고 있습니다" in Account(made, "ko").analysis()
