"""What to do: the first steps for this kind of failure, role and state, then one query to look closer.

In: `Evidence`, `Knowledge`. Out: numbered actions as texts. Diagnosis first; nothing is ever restarted for luck.
"""

import re

from analyzer.explain.facts import Evidence
from analyzer.explain.knowledge import Action, Knowledge
from analyzer.explain.safe import promql
from analyzer.explain.say import Speaker

MOST_ACTIONS = 4


def steps(evidence: Evidence, known: Knowledge, speaker: Speaker, places: dict[str, str]) -> tuple[str, ...]:
    """At most four steps and a query."""
    if evidence.state == "resolved":
        return _afterwards(evidence, known, speaker, places)
    fitting = [action for action in known.actions if _fits(action, evidence, places)]
    texts = [speaker.fill(action.text, places) for action in _chosen(fitting)]
    if evidence.lead.bearing == "gone" and evidence.kind not in ("crash", "stuck_metric"):
        texts.insert(0, speaker.say("see_target", **places))
        texts = texts[:MOST_ACTIONS]
    return (*texts, *_query(known, speaker, evidence))


def _chosen(fitting: list[Action]) -> list[Action]:
    """The first four, but a step made for this service before a general one, and in the order of the file."""
    special = [a for a in fitting if a.services or a.moved][: MOST_ACTIONS - 2]
    general = [a for a in fitting if not (a.services or a.moved)][: MOST_ACTIONS - len(special)]
    return [a for a in fitting if a in special or a in general]


def _fits(action: Action, evidence: Evidence, places: dict[str, str]) -> bool:
    text = f"{evidence.role} {evidence.host}".lower()
    words = set(re.split(r"[^a-z0-9]+", text))
    moved = {f.signal for f in evidence.moved} | {evidence.lead.signal}
    down = evidence.lead.bearing in ("down", "gone")
    return (
        (not action.services or bool(action.services & words) or any("-" in s and s in text for s in action.services))
        and (not action.moved or bool(action.moved & moved))
        and (not action.peer or bool(places["peer"]))
        and (not action.dependents or bool(evidence.dependents))
        and action.during in ("", "down" if down else "up")
    )


def _afterwards(evidence: Evidence, known: Knowledge, speaker: Speaker, places: dict[str, str]) -> tuple[str, ...]:
    if evidence.closed_because == "new_normal":
        return (speaker.say("if_unwanted", **places),)
    if evidence.closed_because == "gone":
        return (speaker.say("if_removed", **places),)
    if evidence.closed_because == "maintenance":
        return (speaker.say("in_maintenance"),)
    first = [speaker.fill(a.text, places) for a in known.actions if _fits(a, evidence, places)]
    if evidence.kind == "crash":
        return tuple(first[:MOST_ACTIONS])
    if not first:
        return (speaker.say("nothing_now"),)
    return speaker.say("nothing_now"), speaker.say("if_again", action=first[0])


def _query(known: Knowledge, speaker: Speaker, evidence: Evidence) -> tuple[str, ...]:
    queries = queries_of(known, evidence)
    return (speaker.say("closer", query=queries[0]),) if queries else ()


def queries_of(known: Knowledge, evidence: Evidence) -> tuple[str, ...]:
    """The kind's queries for this server."""
    return tuple(q.replace("{instance}", promql(evidence.host)) for q in known.queries)
