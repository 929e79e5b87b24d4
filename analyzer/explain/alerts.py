"""Alerts that somebody else's rule fired: what our own data says about that server and signal.

In: the alert's labels and the newest board. Out: the facts and, by language, the words. Nothing is quoted from the alert but its
name and its server: strangers wrote its annotations, and their numbers are not ours to vouch for.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from analyzer.explain.evidence import Reader, gather
from analyzer.explain.facts import Evidence, Fact
from analyzer.explain.knowledge import Knowledge
from analyzer.explain.nouns import SUFFERING, noun
from analyzer.explain.safe import plain, promql
from analyzer.explain.say import Speaker, capital
from analyzer.explain.words import write
from analyzer.records import Board, Incident, Text

MOST = 4
_INSTANCE = ("instance", "hostname", "host", "node", "server", "exported_instance")
_TELLING = ("cpu", "memory", "disk", *SUFFERING, "requests", "load")  # what one would look at first
# Words of alert names (the node-mixin's and those that people write) and the signal that they are about, most special first.
_ABOUT = (
    ("replication|replicalag", "replication_lag"),
    ("inode|filesfillingup|outoffiles", "inodes"),
    ("filesystem|diskspace|diskfull|diskfill|outofspace|outofdisk|volumefull", "disk"),
    ("steal", "steal"),
    ("iowait", "iowait"),
    ("disklatency|diskslow|diskio|iosaturation", "disk_time"),
    ("retrans|packetloss", "tcp_retransmits"),
    ("networkreceiveerrs|networktransmiterrs|networkerr|networkdrop", "network_errors"),
    ("networkreceive|ingress", "network_receive"),
    ("networktransmit|bandwidth|network", "network_transmit"),
    ("clock|timesync|ntp|skew", "clock_skew"),
    ("temperature|overheat", "temperature"),
    ("filedescriptor|openfiles", "open_files"),
    ("swap", "swap"),
    ("memory|oomkill|^oom", "memory"),
    ("systemsaturation|loadaverage|highload|load[0-9]*high|^load", "load"),
    ("cpu", "cpu"),
    ("latency|slow|responsetime", "response_time"),
    ("error|5xx|failure", "errors"),
    ("connection", "connections"),
    ("cache", "cache_hit"),
    ("traffic|requests", "requests"),
    ("down|unreachable|absent", "up"),
    ("disk", "disk"),
)


@dataclass(frozen=True, slots=True)
class Alert:
    """Somebody's alert, matched with the board: `incident` is ours on that server, if there is one."""

    name: str
    instance: str
    host: str
    signal: str
    known: bool
    incident: Incident | None


def match(labels: Mapping[str, str], board: Board | None) -> Alert:
    """Which of our servers and signals an alert is about."""
    instance = next((labels[name] for name in _INSTANCE if labels.get(name)), "")
    hosts = board.scores.series.hosts if board is not None else ()
    host = _host(instance, labels.get("cluster", ""), hosts)
    signal = labels.get("signal") or _about(labels.get("alertname", ""))
    incidents = [i for i in board.incidents if i.state == "open" and host in (i.host, *i.affected)] if board and host else []
    best = max(incidents, key=lambda i: (i.host == host, i.signal == signal, i.pages, i.confidence), default=None)
    return Alert(plain(labels.get("alertname", "")) or "?", plain(instance), host or instance, signal, bool(host), best)


def _host(instance: str, cluster: str, hosts: tuple[str, ...]) -> str:
    bare = re.sub(r":\d+$", "", instance)
    return next((name for name in (instance, bare, f"{cluster}/{instance}", f"{cluster}/{bare}") if name and name in hosts), "")


def _about(alertname: str) -> str:
    lowered = re.sub(r"[^a-z0-9]", "", alertname.lower())
    return next((signal for words, signal in _ABOUT if re.search(words, lowered)), "")


def facts_of(alert: Alert, board: Board | None, fingerprint: str, zone: tzinfo = UTC) -> Evidence:
    """What is known about the server of an alert that belongs to no incident of ours; `board.incidents` are handled by `gather`."""
    if board is None or not alert.known:
        blank = Fact(plain(alert.host), alert.signal, noun(alert.signal, None, ()), "")
        return Evidence(
            fingerprint, board.time if board else math.nan, plain(alert.host), "unknown", blank, zone, names=_names(alert)
        )
    if alert.incident is not None:
        return replace(gather(alert.incident, board, zone), names=_names(alert))
    reader = Reader(board)
    all_of = [reader.fact(row) for row in reader.rows(alert.host).tolist()]
    about = [f for f in all_of if f.signal == alert.signal]
    lead = max(about, key=_strength, default=reader.empty(alert.host, alert.signal, ()))
    strange = sorted((f for f in all_of if f.bearing in ("above", "below") and f is not lead), key=_strength, reverse=True)
    steady = [f for s in _TELLING for f in all_of if f.signal == s and f.bearing == "usual" and f is not lead]
    return Evidence(
        fingerprint, board.time, plain(alert.host), "unknown", lead, zone, plain(reader.role(alert.host)), confidence=0.3,
        moved=tuple(strange[:MOST]), steady=tuple(steady[:MOST]), names=_names(alert),
    )  # fmt: skip


def _names(alert: Alert) -> dict[str, str]:
    return {"alert": alert.name, "instance": alert.instance}


def _strength(fact: Fact) -> float:
    return fact.score if math.isfinite(fact.score) else -1.0


def tell(alert: Alert, evidence: Evidence, lang: str, knowledge: Mapping[str, Knowledge]) -> Text:
    """The words of one language."""
    speaker = Speaker(lang)
    if alert.incident is not None:
        return _of_incident(alert, evidence, speaker, write(evidence, lang, knowledge))
    place = plain(alert.host) or speaker.say("no_server")
    fired = speaker.say("alert_fired", name=alert.name, host=place)
    if not alert.known:
        why = speaker.say("alert_unseen" if alert.host else "alert_nameless")
        head = speaker.say("alert_head", name=alert.name, host=place, what=speaker.say("alert_blind"))
        return Text(head, (speaker.sentence(fired), speaker.sentence(why)), (_rule(alert, speaker),))
    sentences = (fired, _reading(evidence.lead, speaker), *_others(evidence, speaker))
    look = speaker.say("see_host", host=place)
    head = speaker.say("alert_head", name=alert.name, host=place, what=_what(evidence, speaker))
    return Text(head, tuple(speaker.sentence(s) for s in sentences if s), (_rule(alert, speaker), look))


def _rule(alert: Alert, speaker: Speaker) -> str:
    return speaker.say("see_rule", name=promql(alert.name))


def _of_incident(alert: Alert, evidence: Evidence, speaker: Speaker, text: Text) -> Text:
    host = plain(alert.host)
    what = text.headline.removeprefix(f"{host}: ")
    head = speaker.say("alert_head", name=alert.name, host=host, what=what)
    same = alert.incident is not None and alert.incident.host == alert.host
    story = speaker.say("alert_story" if same else "alert_elsewhere", name=alert.name, host=host, root=evidence.host)
    first = f"{speaker.sentence(story)} {text.sentences[0]}"
    return Text(head, (first, *text.sentences[1:]), text.actions)


def _what(evidence: Evidence, speaker: Speaker) -> str:
    lead = evidence.lead
    values = {"noun": speaker.noun(lead, bare=True), "reading": speaker.of(lead.reading)}
    if lead.bearing in ("above", "below"):
        return speaker.say("alert_seen", **values, usual=speaker.usually(lead))
    if lead.bearing == "usual":
        return speaker.say("alert_fine", **values)
    return speaker.say("alert_also" if evidence.moved else "alert_quiet")


def _reading(lead: Fact, speaker: Speaker) -> str:
    if not lead.reading.en:
        return ""
    called = speaker.noun(lead)
    text = speaker.say("alert_reading", noun=called, Noun=capital(called), reading=speaker.value(lead))
    if lead.bearing != "usual":
        return text
    tight = speaker.say("alert_usual")
    return f"{text}; {tight}" if speaker.lang == "en" else f"{text}. {tight}"


def _others(evidence: Evidence, speaker: Speaker) -> tuple[str, ...]:
    if evidence.moved:
        listed = speaker.listed([f"{speaker.noun(f)} {speaker.value(f)}" for f in evidence.moved])
        return (speaker.say("alert_strange", host=evidence.host, list=listed),)
    if evidence.steady and evidence.lead.bearing not in ("above", "below"):
        listed = speaker.listed([speaker.reading(f) for f in evidence.steady])
        return (speaker.say("alert_nothing", host=evidence.host, list=listed),)
    return ()
