"""The short forms: annotations of an alert, and plain text for a terminal.

In: `Explanation`. Out: a mapping of annotation names, or lines. The figures are those of the texts, from the same evidence.
"""

from collections.abc import Mapping

from analyzer.records import Explanation, Text

SUMMARY = 120


def annotations(explanation: Explanation) -> dict[str, str]:
    """`summary`, `description`, `actions`, `causes` in every language (English without a suffix), then what both share."""
    out: dict[str, str] = {}
    for lang, text in explanation.texts.items():
        suffix = "" if lang == "en" else f"_{lang}"
        out[f"summary{suffix}"] = shortened(text.headline)
        out[f"description{suffix}"] = " ".join(text.sentences)
        out[f"actions{suffix}"] = "\n".join(numbered(text))
        out[f"causes{suffix}"] = "; ".join(_cause(row, suffix) for row in explanation.evidence if row["part"] == "cause")
    lead = next((row for row in explanation.evidence if row["part"] == "lead"), {})
    about = next((row for row in explanation.evidence if row["part"] == "incident"), {})
    out |= {"observed": str(lead.get("shown") or ""), "expected": str(lead.get("usual") or "")}
    out |= {
        "kind": str(about.get("kind") or ""),
        "since": str(about.get("since") or ""),
        "confidence": f"{explanation.confidence:.2f}",
    }
    return {name: value for name, value in out.items() if value}


def _cause(row: Mapping[str, object], suffix: str) -> str:
    confidence = row["confidence"]
    share = f" {confidence:.2f}" if isinstance(confidence, float) else ""
    return f"{row['server']}: {row[f'kind_name{suffix}']}{share}"


def shortened(headline: str, longest: int = SUMMARY) -> str:
    """A headline that fits a pager: cut at a word, marked as cut."""
    if len(headline) <= longest:
        return headline
    return headline[: longest - 1].rsplit(" ", 1)[0].rstrip("(,;:") + "…"


def numbered(text: Text) -> list[str]:
    """The actions as numbered lines."""
    return [f"{number}. {action}" for number, action in enumerate(text.actions, 1)]


def plain_text(explanation: Explanation, lang: str) -> str:
    """Headline, sentences and actions for a terminal; the first language there is, where `lang` was not written."""
    text = explanation.texts.get(lang) or next(iter(explanation.texts.values()))
    return "\n".join([text.headline, "", " ".join(text.sentences), "", *numbered(text)])
