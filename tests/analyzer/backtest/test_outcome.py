"""Reports in, what people would have been told out."""

from dataclasses import replace

from analyzer.backtest.outcome import EXPLAIN_AGAIN, Recorder, Spell, flaps
from analyzer.records import Explanation, Text
from tests.analyzer.backtest.told import HOUR, alert, outcome
from tests.analyzer.reports import INCIDENT, NOW, opened, report, resolved, still_open, suppression

HELD = replace(INCIDENT, pages=False, why_not="hold")


class Clock:
    """An explainer that says when it was asked."""

    def explain(self, incident, board):
        return Explanation(incident.id, board.time, {"en": Text(f"{board.time - NOW:g}", (), ())}, 1.0, "test")


def heard(*reports, explainer=None):
    recorder = Recorder(explainer)
    for one in reports:
        recorder.take(one)
    return recorder.outcome(NOW, NOW + 3600)


def test_an_alert_lasts_from_its_first_page_to_its_end():
    said = heard(opened(HELD), still_open(at=NOW + 60), still_open(at=NOW + 120), resolved(at=NOW + 180))
    assert [a.spells for a in said.alerts] == [(Spell(NOW + 60, NOW + 180),)]
    assert (said.alerts[0].incident.closed_because, said.alerts[0].incident.kind) == ("recovered", "cpu_runaway")
    assert said.quiet == ()


def test_what_never_pages_is_kept_with_its_reason():
    said = heard(opened(HELD), still_open(replace(HELD, why_not="evidence")), resolved(replace(HELD, why_not="evidence")))
    assert [(q.why, q.start, q.end) for q in said.quiet] == [("evidence", INCIDENT.opened, NOW + 120)]
    assert said.alerts == ()


def test_an_alert_that_is_still_firing_has_no_end():
    assert heard(opened()).alerts[0].end is None


def test_an_incident_that_comes_back_is_one_alert_with_two_spells_and_a_flap():
    said = heard(opened(), resolved(at=NOW + 120), still_open(at=NOW + 600), resolved(at=NOW + 900))
    assert said.alerts[0].spells == (Spell(NOW, NOW + 120), Spell(NOW + 600, NOW + 900))
    assert said.flaps == 1


def test_an_alert_that_another_one_tells_ends_there():
    merged = replace(INCIDENT, state="resolved", ended=NOW + 60, closed_because="superseded")
    said = heard(opened(), report(at=NOW + 60, superseded=(merged,)))
    assert said.alerts[0].end == NOW + 60


def test_a_new_revision_is_still_the_same_alert():
    worse = replace(INCIDENT, revision=2, severity="critical", host="db-01")
    old = replace(INCIDENT, state="resolved", ended=NOW + 60, closed_because="superseded")
    said = heard(opened(), report(at=NOW + 60, incidents=(worse,), changed=(worse,), superseded=(old,)))
    one = said.alerts[0]
    assert (one.severity, one.incident.host, one.first_host, one.end) == ("critical", "db-01", "web-01", None)


def test_people_hear_the_words_of_the_first_page_and_later_ones_are_kept_beside_them():
    later = EXPLAIN_AGAIN + 60
    said = heard(opened(HELD), still_open(at=NOW + 60), still_open(at=NOW + 120), still_open(at=NOW + later), explainer=Clock())
    one = said.alerts[0]
    assert (one.words["en"].headline, one.words_last["en"].headline) == ("60", f"{later:g}")


def test_reasons_are_counted_with_whom_they_kept_back():
    lines = (suppression(), replace(suppression(), host="web-02"), suppression(reason="warmup"))
    said = heard(replace(report(), suppressions=lines), replace(report(at=NOW + 60), suppressions=lines[:1], partial=True))
    assert [(h.reason, h.lines, h.hosts) for h in said.held] == [
        ("hold", 3, (("web-01", 2), ("web-02", 1))), ("warmup", 1, (("web-01", 1),)),
    ]  # fmt: skip
    assert (said.columns, said.partial, said.hosts, said.series) == (2, 1, ("web-01",), 2)


def test_the_same_alert_again_within_the_hour_is_a_flap_whatever_its_incident():
    first, soon, late = alert(1, 2, name="a"), alert(2.5, 3, name="b"), alert(4.5, 5, name="c")
    assert flaps((first, soon, late)) == 1
    assert flaps((first, alert(2.5, 3, host="db-01"))) == 0


def test_a_span_knows_its_days_and_host_weeks():
    assert (outcome(days=7.0).days, outcome(days=7.0).host_weeks, HOUR) == (7.0, 4.0, 3600.0)
