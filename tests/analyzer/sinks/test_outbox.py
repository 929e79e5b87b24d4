"""Alerts on their way, whatever happens in whatever order: random lives of incidents, with kills and reloads in between."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.sinks.alerts import AlertTexts, labels_of
from analyzer.sinks.outbox import Outbox
from tests.analyzer.reports import INCIDENT, NOW, report

STEPS = st.lists(
    st.tuples(st.sampled_from(["open", "worse", "moved", "resolve", "skip", "kill", "partial", "forget"]), st.integers(0, 2)),
    max_size=40,
)


class Life:
    """Incidents as the tracker sees them, an outbox, and a store that survives kills."""

    def __init__(self):
        self.now, self.stored, self.open, self.serial = NOW, {}, {}, 0
        self.outbox = self.fresh()

    def fresh(self):
        made = Outbox(AlertTexts())
        made.restore(self.stored.values(), self.now)
        return made

    def report(self, changed=(), superseded=(), partial=False):
        made = report(at=self.now, incidents=tuple(self.open.values()), changed=tuple(changed), superseded=tuple(superseded))
        changed = self.outbox.take(replace(made, partial=partial), self.now)
        self.stored |= {a.key: a for a in changed}
        for alert in changed:
            self.outbox.put(alert, self.now)

    def step(self, what, slot):
        self.now += 60
        old = self.open.get(slot)
        if what == "kill":
            self.outbox = self.fresh()
        elif what == "forget":
            for key in self.outbox.forget(self.now):
                del self.stored[key]
        elif what == "open" and old is None:
            self.serial += 1
            self.open[slot] = replace(INCIDENT, id=f"i{self.serial}", host=f"web-{slot % 2}", opened=self.now)
            self.report([self.open[slot]])
        elif what in ("worse", "moved") and old is not None:
            new = {"severity": "critical"} if what == "worse" else {"host": f"db-{slot}"}
            self.open[slot] = replace(old, revision=old.revision + 1, **new)
            self.report([self.open[slot]], [old])
        elif what == "resolve" and old is not None:
            del self.open[slot]
            self.report([replace(old, state="resolved", ended=self.now)])
        elif what in ("skip", "partial"):
            self.report(partial=what == "partial")


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_open_incidents_fire_ended_ones_do_not_and_nothing_has_a_twin(steps):
    life = Life()
    for what, slot in steps:
        life.step(what, slot)
        due = [alert for group in life.outbox.due() for alert in group]
        assert len({a.fingerprint for a in due}) == len(due)
        firing = {a.labels for a in due if a.state == "firing"}
        assert firing == {labels_of(i, ("instance",)) for i in life.open.values()}
        assert life.fresh().due() is not None


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_a_restart_at_any_point_has_the_same_alerts_with_the_same_start(steps):
    life = Life()
    for what, slot in steps:
        life.step(what, slot)
    before = {(a.labels, a.starts, a.state) for group in life.outbox.due() for a in group if a.state == "firing"}
    after = {(a.labels, a.starts, a.state) for group in life.fresh().due() for a in group if a.state == "firing"}
    assert before == after
