"""Which alerts are on their way: one for each paging incident, none twice, none resolved by accident.

In: reports. Out: the alerts that have to be sent now. Pure bookkeeping; sending and storing are the sink's. An alert ends only when
its incident was said to have ended, was superseded, or has been missing from whole reports for so long that nobody can end it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from analyzer.records import Incident, Report
from analyzer.sinks.alerts import Alert, AlertTexts, annotations_of, generator_url, labels_of

COMPANION: Final = "explains:"
SELF: Final = "self:"


class AlertStore(Protocol):
    """Where alerts survive a crash. Every call returns once it is on disk."""

    async def alerts(self) -> Sequence[Alert]:
        """All that are kept."""
        ...

    async def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Add or replace, by `key`."""
        ...

    async def forget_alerts(self, keys: Sequence[str]) -> None:
        """Remove."""
        ...

    async def ended(self, incidents: Sequence[str]) -> frozenset[str]:
        """Which of these incidents are known to have ended."""
        ...


class Outbox:
    """The alerts that are firing or were resolved a short while ago.

    Parameters
    ----------
    texts : links and identity labels.
    resolved_for : seconds for which a resolved alert is sent again.
    orphan_after : seconds of whole reports without its incident after which an alert is ended.
    """

    def __init__(self, texts: AlertTexts, *, resolved_for: float = 900.0, orphan_after: float = 1800.0) -> None:
        self._texts, self._resolved_for, self._orphan_after = texts, resolved_for, orphan_after
        self._rows: dict[str, Alert] = {}
        self._firing: dict[str, str] = {}  # incident -> key of the alert that speaks for it
        self._missing: dict[str, float] = {}
        self._resolved_at: dict[str, float] = {}
        self._untold: set[str] = set()  # alerts about ourselves that an earlier run left and this one has not spoken of

    def restore(self, alerts: Iterable[Alert], tick: float) -> None:
        """Take back what an earlier run left. `tick`: our monotonic clock."""
        for alert in alerts:
            self.put(alert, tick)
        self._untold = {incident for incident in self._firing if incident.startswith(SELF)}

    def refresh(self, stored: Iterable[Alert], tick: float) -> None:
        """Take what another sink over the same store did meanwhile (a reload runs two for a moment): new alerts, and ends."""
        for alert in stored:
            mine = self._rows.get(alert.key)
            if mine is None or (mine.state == "firing" and alert.state == "resolved"):
                self.put(alert, tick)

    def put(self, alert: Alert, tick: float) -> None:
        """Add or replace one alert."""
        self._rows[alert.key] = alert
        self._untold.discard(alert.incident)
        if alert.state == "firing":
            self._firing[alert.incident] = alert.key
        else:
            self._resolved_at.setdefault(alert.key, tick)
            if self._firing.get(alert.incident) == alert.key:
                del self._firing[alert.incident]

    def firing(self, incident: str) -> Alert | None:
        """The firing alert of an incident."""
        key = self._firing.get(incident)
        return self._rows[key] if key is not None else None

    def lost(self, report: Report) -> list[str]:
        """Incidents with a firing alert that the report does not list: a kill may have swallowed their end, or their trackers."""
        seen = {i.id for i in (*report.board.incidents, *report.changed, *report.superseded)}
        return [i for i in self._firing if i not in seen and not i.startswith((COMPANION, SELF))]

    def take(self, report: Report, now: float, ended: frozenset[str] = frozenset()) -> list[Alert]:
        """Follow one report. Returns alerts that began, ended or were superseded: to be stored, then `put`, then sent at once.

        `ended`: those of `lost` that are known to have ended.
        """
        changed: list[Alert] = []
        seen = {i.id for i in report.board.incidents if i.state == "open"}
        for incident in report.board.incidents:
            if incident.state == "open":
                changed += self._follow(incident, report, now)
        for incident in (*report.changed, *report.superseded):
            alert = self.firing(incident.id)
            over = incident.state == "resolved" or incident.id not in seen
            if alert is not None and over and alert.key not in {c.key for c in changed}:
                changed.append(replace(alert, state="resolved", ends=now, updated=now))
        return [*changed, *self._orphans(report, ended, now)]

    def due(self) -> list[list[Alert]]:
        """What has to be sent, in groups that must not be parted: one firing or resolved alert for each fingerprint."""
        chosen: dict[str, Alert] = {}
        for alert in self._rows.values():
            if alert.refused:
                continue
            rival = chosen.get(alert.fingerprint)
            if rival is None or _rank(alert) < _rank(rival):
                chosen[alert.fingerprint] = alert
        groups: dict[str, list[Alert]] = {}
        for alert in chosen.values():
            groups.setdefault(alert.incident, []).append(alert)
        return [sorted(group, key=lambda a: a.state == "firing") for group in groups.values()]

    def forget(self, tick: float) -> list[str]:
        """Drop alerts that were resolved long enough ago; returns their keys."""
        old = [key for key, at in self._resolved_at.items() if tick - at > self._resolved_for]
        for key in old:
            self._rows.pop(key, None)
            del self._resolved_at[key]
        return old

    def _follow(self, incident: Incident, report: Report, now: float) -> list[Alert]:
        alert = self.firing(incident.id)
        explanation = report.board.explanations.get(incident.id)
        supersedes = dict(alert.annotations).get("supersedes", "") if alert else ""
        key = f"{incident.id}.{incident.revision}"
        labels = labels_of(incident, self._texts.identity)
        moved = alert is not None and alert.key != key and alert.labels != labels
        if alert is not None and not moved:
            words = annotations_of(incident, explanation, report.board, self._texts, supersedes=supersedes)
            self._rows[alert.key] = replace(alert, annotations=words, updated=now)
            return []
        if not incident.pages:
            return []
        words = annotations_of(incident, explanation, report.board, self._texts, supersedes=alert.fingerprint if alert else "")
        starts = min(incident.opened, now)
        new = Alert(key, incident.id, labels, words, generator_url(incident, self._texts), starts, updated=now)
        if alert is None:
            return [new]
        return [replace(alert, state="resolved", ends=now, updated=now), replace(new, starts=now)]

    def _orphans(self, report: Report, ended: frozenset[str], now: float) -> list[Alert]:
        if report.partial:
            return []
        lost = {self._firing[i]: i for i in self.lost(report)}
        self._missing = {key: self._missing.get(key, report.time) for key in lost}
        over = [key for key, since in self._missing.items() if lost[key] in ended or report.time - since > self._orphan_after]
        over += [self._firing[i] for i in self._untold if i in self._firing]  # a whole report came, and it was not said again
        return [replace(self._rows[key], state="resolved", ends=now, updated=now) for key in over]


def _rank(alert: Alert) -> tuple[bool, float, str]:
    """Of alerts with the same labels the one that speaks: a firing one before a resolved one, then the older firing one."""
    firing = alert.state == "firing"
    return (not firing, alert.starts if firing else -(alert.ends or 0.0), alert.key)
