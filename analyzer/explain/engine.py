"""The local explainer: words from facts, in every configured language, without a language model.

In: an incident and the board. Out: `Explanation`. One of the engines behind `ports.Explainer`;
others may put their words in its place, never other numbers.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from pathlib import Path

from analyzer.explain import alerts
from analyzer.explain import knowledge as known
from analyzer.explain.evidence import gather
from analyzer.explain.facts import Evidence
from analyzer.explain.ledger import rows
from analyzer.explain.units import LANGUAGES
from analyzer.explain.words import write
from analyzer.records import Board, Explanation, Incident

NAME = "local"


class LocalExplainer:
    """Explains from the evidence alone.

    Parameters
    ----------
    languages : which texts are written; the first is the default one.
    zone : in which clock times are told.
    knowledge : a folder of the user's own <kind>.yml files, laid over the shipped ones.
    """

    def __init__(self, languages: Sequence[str] = LANGUAGES, zone: tzinfo = UTC, knowledge: Path | None = None) -> None:
        unknown = [lang for lang in languages if lang not in LANGUAGES]
        if unknown or not languages:
            raise ValueError(f"languages: {', '.join(unknown) or 'none given'}; known are {', '.join(LANGUAGES)}")
        self.languages = tuple(languages)
        self.zone = zone
        self.knowledge = known.load(knowledge)

    def explain(self, incident: Incident, board: Board) -> Explanation:
        """Words for one incident, in every configured language."""
        return self.words(gather(incident, board, self.zone))

    def explain_alert(
        self, labels: Mapping[str, str], annotations: Mapping[str, str], board: Board | None, fingerprint: str = ""
    ) -> Explanation:
        """What our data says about an alert that somebody else's rule fired.

        Parameters
        ----------
        annotations : not quoted; strangers wrote them. A `signal` there is taken as a hint where the labels have none.
        board : None before the first cycle.
        """
        hint = {"signal": annotations["signal"]} if annotations.get("signal") else {}
        alert = alerts.match({**hint, **labels}, board)
        evidence = alerts.facts_of(alert, board, fingerprint, self.zone)
        texts = {lang: alerts.tell(alert, evidence, lang, self.knowledge) for lang in self.languages}
        time = board.time if board is not None else 0.0
        return Explanation(fingerprint, time, texts, _finite(evidence.confidence), NAME, rows(evidence, self.knowledge))

    def words(self, evidence: Evidence) -> Explanation:
        """Words for facts that somebody else gathered."""
        texts = {lang: write(evidence, lang, self.knowledge) for lang in self.languages}
        return Explanation(evidence.id, evidence.time, texts, _finite(evidence.confidence), NAME, rows(evidence, self.knowledge))


def _finite(confidence: float) -> float:
    return confidence if math.isfinite(confidence) else 0.0
