"""omctl backtest by hand: what is asked for, what is refused and how, and the page that people read."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner

from analyzer.backtest.lead import rules
from analyzer.backtest.outcome import Held, Spell
from analyzer.backtest.result import Known, Result, compared
from analyzer.backtest.rows import result_json
from analyzer.backtest.truth import Planted
from analyzer.config import from_text
from analyzer.ctl import main
from analyzer.ctl_backtest import Call, _side, _silences, shared, span_of
from analyzer.ctl_page import Page
from analyzer.identity import Identity
from analyzer.records import Topology
from analyzer.table import width
from deploy.local.servers import free_port
from tests.analyzer.backtest.test_compared import fired
from tests.analyzer.backtest.told import HOUR, START, alert, outcome, quiet

CONFIG = "reader: {url: 'http://127.0.0.1:1', selector: 'job=\"node\"'}\ntimezone: Asia/Seoul\n"
NOW = START + 30 * HOUR


def config(text=CONFIG, **reader):
    parsed = from_text(text)
    return replace(parsed, reader=replace(parsed.reader, **reader))


def span(**asked):
    call = Call(**({"path": "a.yml", "against": None, "start": None, "end": None, "last": None, "history": None, "step": None,
                    "lang": "en"} | asked))  # fmt: skip
    return span_of(call, config(), NOW + 7)


@pytest.fixture
def omctl(monkeypatch, tmp_path):
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.chdir(tmp_path)

    def call(*args, code):
        done = CliRunner().invoke(main, ["backtest", *map(str, args)])
        assert done.exit_code == code, done.output
        return done.stderr

    return call


def write(text=CONFIG, name="a.yml"):
    Path(name).write_text(text)
    return name


# ---- when ----


def test_the_last_day_is_meant_where_nothing_is_said():
    asked = span()
    assert (asked.start, asked.end, asked.step, asked.history, asked.columns) == (
        NOW - 24 * HOUR,
        NOW,
        60.0,
        7 * 86400.0,
        1441,
    )


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ({"last": "2h"}, NOW - 2 * HOUR, NOW),
        ({"start": str(START)}, START, NOW),
        ({"start": str(START), "last": "6h"}, START, START + 6 * HOUR),
        ({"end": str(START + 9), "last": "6h"}, START - 6 * HOUR, START),
        ({"start": "2024-10-04", "end": "2024-10-05T12:00"}, START - 9 * HOUR, START + 27 * HOUR),
        ({"start": "2024-10-04T00:00:00Z", "last": "1d"}, START, START + 24 * HOUR),
    ],
)
def test_a_span_is_said_by_two_of_three(asked, start, end):
    assert (span(**asked).start, span(**asked).end) == (start, end)


def test_steps_and_history_can_be_chosen():
    asked = span(step="5m", history="3d")
    assert (asked.step, asked.history, asked.start % 300, asked.end % 300) == (300.0, 3 * 86400.0, 0, 0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"start": "yesterday"}, "--from: 'yesterday' is no time; write it like 2026-11-20"),
        ({"end": "1e400"}, "--to"),
        ({"last": "7x"}, "--last: '7x' is not a duration; write it like"),
        ({"step": "1s"}, "--step: below the scrape interval, 15 s"),
        ({"end": "2100-01-01"}, "--to lies in the future"),
        ({"start": str(START), "end": str(START - 1)}, "end after it begins"),
        ({"start": "1", "end": "2", "last": "1h"}, "two of them"),
        ({"history": "10m"}, "--history: with less than 1h"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(asked, said):
    with pytest.raises(click.UsageError) as refused:
        span(**asked)
    assert said in str(refused.value)


# ---- refusals ----


def test_one_configuration_must_be_named(omctl):
    assert "name one configuration" in omctl(code=2)
    assert "name one configuration" in omctl(write(), "--config.file", "a.yml", code=2)


def test_a_configuration_that_is_wrong_is_named_with_its_place(omctl):
    assert omctl(write("reader:\n  sauce: x\n"), code=2).startswith("a.yml:2: reader.sauce: unknown key")
    assert "b.yml: No such file" in omctl(write(), "--against", "b.yml", code=2)


def test_a_source_without_a_past_is_refused(omctl):
    text = 'reader: {source: embedded, targets: [{url: "http://127.0.0.1:1/metrics"}]}\n'
    assert "a.yml: reader.source: a backtest needs a past" in omctl(write(text), code=2)


def test_two_configurations_must_read_one_prometheus(omctl):
    other = write(CONFIG.replace(":1'", ":2'"), "b.yml")
    assert "b.yml: reader.url: it reads http://127.0.0.1:2" in omctl(write(), "--against", other, code=2)


def test_what_a_configuration_names_must_be_there(omctl):
    assert "/nowhere" in omctl(write(CONFIG + "explanation: {knowledge: /nowhere}\n"), code=2)
    assert "a.yml: " in omctl(write("reader: {url: 'http://127.0.0.1:1', tls_config: {ca_file: /nowhere}}\n"), code=2)


def test_a_prometheus_that_is_away_is_one_clear_line(omctl):
    said = omctl(write(CONFIG.replace(":1'", f":{free_port()}'")), code=1)
    assert said.startswith("Error: Prometheus cannot be read: http://127.0.0.1:")
    assert said.count("\n") == 1
    assert list(Path().iterdir()) == [Path("a.yml")]  # not even a state folder


async def test_an_alertmanager_that_does_not_tell_its_silences_is_said():
    text = CONFIG + f"alerting: {{alertmanagers: [{{url: 'http://127.0.0.1:{free_port()}'}}]}}\n"
    side = _side(config(text), "en")
    async with AsyncExitStack() as stack:
        said = await _silences(side, config(text), stack)
        assert await _silences(side, config(text.replace("}]", "}], silences: false")), stack) == []
    assert len(said) == 1
    assert "silences not read: Cannot connect" in said[0]


# ---- what is read once ----


def test_signals_that_ask_the_same_are_read_once():
    assert shared(config(), config()) == {s.alias for s in config().reader.signals}
    assert shared(config(), config(CONFIG + "alerting: {hold: 9m}\n")) == shared(config(), config())
    assert shared(config(), config(selector='job="x"')) == frozenset()
    changed = "reader: {url: 'http://127.0.0.1:1', selector: 'job=\"node\"', signals: {load: {over: {gauge: node_load5}}}}\n"
    assert "load" not in shared(config(), config(changed))


# ---- the page ----


def result(*, against=False, faults=True):
    held = (Held("min_deviation", 1200, (("web-01", 700), ("web-02", 500)), (("cpu", 900), ("load", 300))),)
    one = replace(
        outcome(alert(1, 2), alert(5, None, name="i2", host="db-01", kind="db_slow", severity="critical"), kept=[quiet(8, 9)]),
        held=held, partial=3,
    )  # fmt: skip
    theirs = rules([fired(1.5, 2), fired(8.5, 9), fired(12, 13, name="HostDown", host="mail-01")], Identity())
    planted = (
        Planted("cpu_runaway", "web-01", False, frozenset({"web-01"}), Spell(START + 0.9 * HOUR, START + 2 * HOUR)),
        Planted("traffic_surge", "web-02", True, frozenset({"web-02"}), Spell(START + 9 * HOUR, START + 10 * HOUR)),
    )
    known = Known(theirs, planted if faults else None, Topology())
    sides = [known.beside(one, name="a.yml", mode="observe")]
    if against:
        sides.append(known.beside(outcome(alert(1.2, 2, severity="critical")), name="b.yml", mode="on"))
    warnings = {"cpu: too many samples": 2}
    return Result("http://p:9090", 60.0, 7 * 86400.0, one.end, tuple(sides), compared(sides), warnings, 30.0 if against else None)


def page(lang="en", wide=100, **options):
    everything = options.pop("everything", False)
    return Page(result(**options), lang, ZoneInfo("UTC"), wide, everything=everything).text()


def test_a_page_says_what_was_judged_and_what_would_have_been_said():
    said = page()
    assert "2024-10-04 00:00 to 2024-10-05 00:00 UTC (24 h), judged every 1 min: 1,440 columns, 100 series, 4" in said
    assert "alerting.mode is observe: live, none of this would have been posted" in said
    assert "2 alerts would have reached people: 2 a day, 3.5 a server and week" in said
    assert "10-04 01:00  1 h           web-01  warning   runaway process  80%" in said
    assert "    web-01: CPU 93%\n    Most likely a process.\n" in said
    assert "10-04 05:00  still firing  db-01   critical  slow database" in said


def test_a_page_says_what_was_kept_and_by_what():
    said = page()
    assert "1 incident would have been kept for reading and paged nobody" in said
    assert "10-04 08:00  1 h     web-01  runaway process  too little evidence" in said
    assert "too small to matter  1,200  2        cpu 900, load 300  web-01 700" in said
    assert "3 of 1,440 columns were not whole" in said
    assert "the source said, in 2 reads: cpu: too many samples" in said


def test_a_page_compares_with_rules_and_with_what_was_planted():
    said = page()
    assert "1 of 3 told earlier (by 30 min, median), 0 later, 1 seen but not paged, 1 missed; 1 of our alerts" in said
    assert "HostCpuBusy  web-01   10-04 01:30  30 min earlier" in said
    assert "HostDown     mail-01  10-04 12:00  missed" in said
    assert "1 of 1 found, 1 with the right root, 1 with the right kind; alert after 6 min" in said
    assert "1 alert false: 1 a day, 1.8 a server and week\n  about nothing: db-01 10-04 05:00" in said
    assert "10-04 09:00  rise in demand   web-02  harmless, rightly told nobody  -     -" in said


def test_where_nobody_knows_what_was_planted_nothing_is_said_about_it():
    assert "planted" not in page(faults=False)


def test_two_configurations_stand_side_by_side():
    said = " ".join(page(against=True).split())
    assert "A is a.yml, B is b.yml" in said
    assert "alert after, median 6 min 18 min" in said
    assert "1 raised by both, 1 only by A, 0 only by B" in said
    assert "web-01 runaway process warning 12 min later: runaway process, web-01, critical" in said
    assert "b.yml was judged every 1 min as well, not every 30 s" in said


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_page_is_no_wider_than_the_terminal(lang):
    for line in page(lang, against=True).splitlines():
        assert width(line) <= 100, line


def test_korean_is_said_in_korean():
    said = page("ko", against=True)
    assert "사람에게 전달되었을 알림 2건: 하루 2건, 서버당 주 3.5건" in said
    assert "폭주하는 프로세스" in said
    assert "프로세스일 가능성이 높습니다." in said
    assert "3건 가운데 먼저 알림 1건(중앙값 30분), 나중에 알림 0건" in said


def test_everything_is_said_where_it_is_asked_for():
    assert "    CPU is 93%. Most likely a process.\n    1. Look at top.\n" in page(everything=True)


def test_a_quiet_day_is_said():
    sides = (Known((), None, Topology()).beside(outcome(), name="a.yml", mode="on"),)
    said = Page(Result("http://p", 60.0, 0.0, outcome().end, sides, None), "en", ZoneInfo("UTC"), 100).text()
    assert "No alert would have reached people." in said
    assert "None of Prometheus's own rules fired" in said
    assert "no history before it" in said
    assert "alerting.mode" not in said


def test_programs_get_the_same_facts_as_json():
    said = json.loads(json.dumps(result_json(result(against=True), "ko"), allow_nan=False))
    assert (said["from"], said["counts"]["alerts"], said["counts"]["false_alarms"]) == ("2024-10-04T00:00:00Z", 2, 1)
    assert said["alerts"][0]["told_first"]["text"] == "CPU가 93%입니다. 프로세스일 가능성이 높습니다."
    assert [(r["we"], r["minutes_earlier"]) for r in said["rules"]] == [("earlier", 30.0), ("kept", 30.0), ("missed", None)]
    assert (said["truth"]["found"], said["truth"]["faults"][0]["delay_seconds"]) == (1, 360.0)
    assert said["against"]["comparison"] == {
        "both": [{"incidents": ["i1", "i1"], "minutes_earlier": -12.0, "differs": True}], "only_first": ["i2"], "only_second": [],
    }  # fmt: skip
