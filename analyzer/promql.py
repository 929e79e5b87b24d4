"""Declared signals as PromQL.

In: a `Signal`, the rate window in seconds and matchers that narrow what is read. Out: one expression whose results keep the
labels of the input but those aggregated away. Floor 0. `evaluate` gives the same numbers without a Prometheus.
"""

from collections.abc import Sequence

from analyzer.signals import Matcher, Signal, Term

RATE_INTERVAL = "$__rate_interval"  # Grafana's word for the rate window, understood in free PromQL


def compile(signal: Signal, *, rate_window: float, selector: Sequence[Matcher] = ()) -> str:  # noqa: A001 the interface's name
    """The PromQL of one signal.

    Parameters
    ----------
    rate_window : seconds.
    selector : matchers added to every metric; free PromQL stays as it was written, but for `$__rate_interval`.
    """
    window = duration(rate_window)
    if signal.declaration is None:
        return (signal.expr or "").replace(RATE_INTERVAL, window)
    over, under = signal.declaration.over, signal.declaration.under
    text = _term(over, window, selector)
    if under is not None:
        text = f"{_group(over, text)} / {_group(under, _term(under, window, selector))}"
    if signal.declaration.complement:
        text = f"1 - {text if under is not None else _group(over, text)}"
    return text


def duration(seconds: float) -> str:
    """A PromQL duration, whole milliseconds, at least one."""
    milliseconds = max(round(seconds * 1000), 1)
    whole, rest = divmod(milliseconds, 1000)
    return f"{milliseconds}ms" if rest else f"{whole}s"


def selector_text(metric: str, matchers: Sequence[Matcher]) -> str:
    """`metric{name="value",...}` with values escaped, so that no value can become more than a value."""
    if not matchers:
        return metric
    return metric + "{" + ",".join(f"{m.name}{m.op}{quote(m.value)}" for m in matchers) + "}"


def quote(text: str) -> str:
    """A double-quoted PromQL string that means exactly this text."""
    return '"' + "".join(_ESCAPES.get(one) or (one if one >= " " and one != "\x7f" else f"\\x{ord(one):02x}") for one in text) + '"'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _term(term: Term, window: str, selector: Sequence[Matcher]) -> str:
    parts = []
    for metric in term.metrics:
        text = selector_text(metric, (*term.matchers, *selector))
        if term.kind == "rate":
            text = f"rate({text}[{window}])"
        elif term.kind == "age":
            text = f"time() - {text}"
        if term.aggregate is not None:
            text = f"{term.aggregate} without ({', '.join(term.without)}) ({text})"
        elif term.kind == "age" and len(term.metrics) > 1:
            text = f"({text})"
        parts.append(text)
    return " + ".join(parts)


def _group(term: Term, text: str) -> str:
    loose = len(term.metrics) > 1 or (term.kind == "age" and term.aggregate is None)
    return f"({text})" if loose else text
