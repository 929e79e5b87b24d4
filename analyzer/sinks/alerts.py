"""An incident as an alert: labels that never change, annotations that may.

In: `Incident`, `Explanation`, `Board`. Out: `Alert`. Labels are identity (Alertmanager groups and deduplicates on them) and frozen
when first sent; everything that may change is an annotation. The fingerprint is Alertmanager's own (FNV-1a over sorted pairs).
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from analyzer.records import Board, Explanation, Finding, Incident
from analyzer.silences import alert_labels
from analyzer.sinks.escape import alert_label, annotation


@dataclass(frozen=True, slots=True)
class AlertTexts:
    """Where the links in alerts point, and which labels a host's name is made of.

    Attributes
    ----------
    external_url : our own address as people reach it. runbook_base : a page with one section for each alertname.
    dashboard_base : a Grafana dashboard that takes `var-instance`; "" points to our own page.
    """

    external_url: str = "http://localhost:10181"
    runbook_base: str = "https://github.com/openmanager/openmanager/blob/main/docs/runbooks.md"
    dashboard_base: str = ""
    identity: tuple[str, ...] = ("instance",)


@dataclass(frozen=True, slots=True)
class Alert:
    """What is sent, and what must outlive us: the outbox's row.

    `key` is the incident and the revision that first had these labels. `ends` is set once it is resolved. `refused`: Alertmanager
    takes it in no form.
    """

    key: str
    incident: str
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    generator_url: str
    starts: float
    state: Literal["firing", "resolved"] = "firing"
    ends: float | None = None
    updated: float = 0.0
    refused: bool = False

    @property
    def fingerprint(self) -> str:
        """Alertmanager's name for these labels."""
        return fingerprint(self.labels)

    def payload(self, now: float, ahead: float) -> dict[str, object]:
        """As Alertmanager's API v2 takes it; `now`: unix seconds on its clock, `ahead`: seconds until a firing one would end."""
        ends = now + ahead if self.state == "firing" else min(now if self.ends is None else self.ends, now)
        starts = min(self.starts, now)
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "generatorURL": self.generator_url,
            "startsAt": rfc3339(starts),
            "endsAt": rfc3339(max(ends, starts)),
        }


def fingerprint(labels: tuple[tuple[str, str], ...]) -> str:
    """16 hexadecimal digits: FNV-1a, 64 bits, over the sorted names and values, each followed by 0xff."""
    total = 0xCBF29CE484222325
    for part in (text for pair in sorted(labels) for text in pair):
        for byte in (*part.encode(), 0xFF):
            total = (total ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"


def rfc3339(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the millisecond; years outside 1..9999 are bounded."""
    bounded = min(max(at, 0.0), 253402300799.0)
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def labels_of(incident: Incident, identity: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The identity of an incident's alert."""
    pairs = alert_labels(
        incident.host, incident.labels, alertname=incident.alertname, severity=incident.severity, signal=incident.signal,
        identity=identity,
    )  # fmt: skip
    clean = ((name, alert_label(value)) for name, value in pairs.items())
    return tuple(sorted((name, value) for name, value in clean if value))  # Alertmanager drops empty values anyway


def annotations_of(
    incident: Incident, explanation: Explanation | None, board: Board, texts: AlertTexts, *, supersedes: str = ""
) -> tuple[tuple[str, str], ...]:
    """Everything about an incident that may change: words in every language, cause, numbers, links."""
    finding = main_finding(incident)
    unit = board.signals[incident.signal].unit if incident.signal in board.signals else ""
    pairs = {
        **_words(incident, explanation, finding, unit),
        "kind": incident.kind,
        "since": rfc3339(incident.started),
        "confidence": f"{incident.confidence:.2f}",
        "causes": "; ".join(f"{c.host} {c.kind} {c.confidence:.2f}" for c in incident.causes),
        "affected": ", ".join(incident.affected),
        "supersedes": supersedes,
        **_links(incident, texts),
    }
    if finding is not None:
        pairs["observed"] = number(finding.observed, unit)
        pairs["expected"] = _expected(finding, unit)
    return tuple(sorted((name, text) for name, value in pairs.items() if (text := annotation(value))))


def main_finding(incident: Incident) -> Finding | None:
    """The finding that the alert is about: on its host and signal, the strongest."""
    own = [f for f in incident.findings if f.host == incident.host and f.signal == incident.signal] or incident.findings
    return max(own, key=lambda f: f.peak, default=None)


def number(value: float, unit: str) -> str:
    """A value in its unit for people: `0.932` of a ratio -> "93.2%"; unknown -> "no data"."""
    if not math.isfinite(value):
        return "no data"
    if unit == "ratio":
        return f"{100 * value:.1f}%"
    if unit in ("bytes", "bytes_per_second"):
        for size, prefix in ((1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")):
            if abs(value) >= size:
                return f"{value / size:.1f} {prefix}B{'/s' if unit == 'bytes_per_second' else ''}"
    suffix = {"bytes": " B", "bytes_per_second": " B/s", "per_second": "/s", "seconds": " s", "celsius": " °C"}.get(unit, "")
    return f"{value:.4g}{suffix}"


def _expected(finding: Finding, unit: str) -> str:
    around = f" ({number(finding.lower, unit)} to {number(finding.upper, unit)})" if math.isfinite(finding.lower) else ""
    return number(finding.expected, unit) + around


def _words(incident: Incident, explanation: Explanation | None, finding: Finding | None, unit: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for language, text in (explanation.texts if explanation else {}).items():
        suffix = "" if language == "en" else f"_{language}"
        words[f"summary{suffix}"] = text.headline
        words[f"description{suffix}"] = " ".join(text.sentences)
        words[f"actions{suffix}"] = "\n".join(f"{n}. {action}" for n, action in enumerate(text.actions, 1))
    if "summary" not in words:
        value = number(finding.observed, unit) if finding is not None else "no data"
        words["summary"] = f"{incident.host}: {incident.signal} is {value}"
        words.setdefault("summary_ko", f"{incident.host}: {incident.signal} 현재 값 {value}")
    return words


def _links(incident: Incident, texts: AlertTexts) -> dict[str, str]:
    span = f"from={int(1000 * (incident.started - 3600))}&to=now"
    ours = f"{texts.external_url.rstrip('/')}/?incident={quote(incident.id, safe='')}"
    instance = quote(incident.host.rsplit("/", 1)[-1], safe="")
    return {
        "runbook_url": f"{texts.runbook_base}#{incident.alertname.lower()}" if texts.runbook_base else "",
        "dashboard_url": f"{texts.dashboard_base}?var-instance={instance}&{span}" if texts.dashboard_base else ours,
    }


def generator_url(incident: Incident, texts: AlertTexts) -> str:
    """Where the alert came from: the incident under our own address."""
    return f"{texts.external_url.rstrip('/')}/api/v1/incidents/{quote(incident.id, safe='')}"
