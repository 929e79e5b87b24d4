"""A signal: one thing worth watching on every server, with what is known about it beforehand.

A signal is declared (gauge, rate or ratio over metrics), so that it compiles both to PromQL and to a local evaluation of scraped
text, or it is free PromQL. In: YAML of `presets/*.yml` or of the configuration. Out: `Signal`s, or an error that names file, line
and key. Floor 0.

A term reads like PromQL: `{rate: node_cpu_seconds_total, where: 'mode="idle"', sum_without: [cpu, mode]}`.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path as FilePath
from typing import Any, Literal, cast, get_args

import re2

from analyzer.yamlfile import ConfigError, parse

Direction = Literal["both", "above", "below"]
Kind = Literal["gauge", "rate", "age"]
Aggregate = Literal["sum", "avg", "max", "min", "count"]
Unit = Literal["ratio", "bytes_per_second", "per_second", "seconds", "celsius", "count", "bytes"]
PRESETS = ("node", "fleet")
Path = tuple[str, ...]


class SignalError(ValueError):
    """A declaration that cannot be meant. `path`: the keys that lead to the place; `problem`: what is wrong there."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{'.'.join(path)}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher, as in PromQL: name, operator (`=`, `!=`, `=~`, `!~`), value (RE2, anchored)."""

    name: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


@dataclass(frozen=True, slots=True)
class Term:
    """One side of a declaration.

    The metrics (each with the matchers) are turned by `kind` (gauge: as they are; rate: per second over the rate window;
    age: evaluation time minus value), aggregated `without` the named labels, then added up across `metrics`.
    """

    metrics: tuple[str, ...]
    kind: Kind = "gauge"
    matchers: tuple[Matcher, ...] = ()
    aggregate: Aggregate | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """`over / under`, or `over` alone; `complement` makes it `1 - over / under`."""

    over: Term
    under: Term | None = None
    complement: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """What is watched, in which unit, and what counts as worth mentioning.

    Attributes
    ----------
    alias, topic : the names in series (`for`) and in questions.
    title : words for people, by language ("en", "ko").
    unit : ratio, bytes_per_second, per_second, seconds, celsius, count, bytes.
    declaration, expr : exactly one of them.
    direction : which side of the expected value matters.
    low, high : what the value can be at all (None = open).
    min_deviation, min_relative : smaller deviations (in the unit; as a share of the expected value) are never a finding.
    limit : where it runs out (disk 1.0); None = it has none.
    labels : labels beside the identity that make a series of this signal, e.g. ("mountpoint",).
    sparse : gaps are usual (no operation, nothing to time): a missing sample says nothing.
    """

    alias: str
    topic: str
    title: dict[str, str]
    unit: str
    declaration: Declaration | None = None
    expr: str | None = None
    direction: Direction = "both"
    low: float | None = None
    high: float | None = None
    min_deviation: float = 0.0
    min_relative: float = 0.0
    limit: float | None = None
    labels: tuple[str, ...] = field(default=())
    sparse: bool = False


def metrics_of(signals: Iterable[Signal]) -> frozenset[str]:
    """The metrics that declared signals are made of; what free PromQL needs is not known."""
    terms = [term for s in signals if s.declaration for term in (s.declaration.over, s.declaration.under) if term is not None]
    return frozenset(metric for term in terms for metric in term.metrics)


def load_presets(names: Iterable[str]) -> tuple[Signal, ...]:
    """The signals of shipped presets (`PRESETS`) or of files (`*.yml`), in order; a later alias replaces an earlier one.

    Raises ConfigError, which names file, line and key.
    """
    found: tuple[Signal, ...] = ()
    for name in names:
        if name in PRESETS:
            text, file = resources.files("analyzer").joinpath("presets", f"{name}.yml").read_text("utf-8"), f"{name}.yml"
        elif name.endswith((".yml", ".yaml")):
            try:
                text, file = FilePath(name).read_text("utf-8"), name
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"cannot be read: {error}", file=name) from error
        else:
            raise ConfigError(f"unknown preset; there are {', '.join(PRESETS)}, or give a .yml file", file=name)
        found = parse_file(text, file, base=found)
    return found


def parse_file(text: str, file: str, *, base: Sequence[Signal] = ()) -> tuple[Signal, ...]:
    """`parse_signals` of a YAML document: `signals: {alias: {...}}` and, for `where` to name, `matchers: {name: text}`."""
    document = parse(text, file=file)
    try:
        tree = _mapping(document.value, ())
        _only(tree, ("matchers", "signals"), ())
        named = _mapping(tree.get("matchers", {}), ("matchers",))
        parsed = {name: parse_matchers(_text(named, name, ("matchers",), ""), ("matchers", name)) for name in named}
        return parse_signals(_mapping(tree.get("signals"), ("signals",)), base=base, named=parsed)
    except SignalError as error:
        raise document.error(error.problem, error.path) from error


def parse_signals(
    mapping: Mapping[str, Any], *, base: Sequence[Signal] = (), named: Mapping[str, tuple[Matcher, ...]] | None = None
) -> tuple[Signal, ...]:
    """Signals from plain values, on top of `base`. Raises SignalError, whose path begins with "signals".

    An alias that `base` has takes over what is not said again; `null` or `false` leaves it out. `named`: matchers by name.
    """
    found = {signal.alias: signal for signal in base}
    for alias, body in mapping.items():
        at: Path = ("signals", str(alias))
        if not isinstance(alias, str) or not _NAME.fullmatch(alias):
            raise SignalError(at, "an alias is letters, digits and underscores, and begins with a letter")
        if body is None or body is False:
            if alias not in found:
                raise SignalError(at, "cannot be left out: no such signal")
            del found[alias]
        else:
            found[alias] = _signal(alias, _mapping(body, at), at, found.get(alias), named or {})
    return tuple(found.values())


def parse_matchers(text: str, path: Path = ("selector",)) -> tuple[Matcher, ...]:
    """Label matchers as PromQL writes them, braces optional: `{job="node", env!~"dev|ci"}`. Raises SignalError."""
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1].strip()
    found, at = [], 0
    while at < len(body):
        hit = _MATCHER.match(body, at)
        if not hit:
            raise SignalError(path, f'matchers look like name="value", not {body[at : at + 40]!r}')
        name, op, quoted = hit["name"], cast(Any, hit["op"]), hit["value"]
        value = _unquote(quoted, path)
        if op in ("=~", "!~"):
            compile_regex(value, path)
        found.append(Matcher(name, op, value))
        at = hit.end()
        if at < len(body) and hit["comma"] is None:
            raise SignalError(path, f"a comma is missing before {body[at : at + 40]!r}")
    return tuple(found)


def compile_regex(pattern: str, path: Path = ("selector",)) -> Any:
    """RE2's own object, for `fullmatch`. Raises SignalError; linear in the text, whatever the pattern."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise SignalError(path, f"not a regular expression: {pattern[:80]!r}") from error


_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(
    r"""\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<op>=~|!~|!=|=)\s*"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*(?P<comma>,)?\s*"""
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_KEYS = {
    "topic", "title", "unit", "over", "under", "complement", "expr", "direction", "range", "min_deviation", "min_relative", "limit",
    "labels", "sparse",
}  # fmt: skip


def _unquote(quoted: str, path: Path) -> str:
    if quoted[0] == "`":
        return quoted[1:-1]

    def one(hit: re.Match[str]) -> str:
        code = hit[1] or hit[2] or hit[3]
        if code:
            number = int(code, 16)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000 or (hit[1] and number > 0x7F):
                raise SignalError(path, f"no such character: {hit[0]}")
            return chr(number)
        if hit[4] not in _SIMPLE:
            raise SignalError(path, f"no such escape: {hit[0]}")
        return _SIMPLE[hit[4]]

    return _ESCAPE.sub(one, quoted[1:-1])


def _signal(
    alias: str, body: Mapping[str, Any], path: Path, old: Signal | None, named: Mapping[str, tuple[Matcher, ...]]
) -> Signal:
    _only(body, _KEYS, path)
    title = {"en": alias, "ko": alias} if old is None else old.title
    signal = old or Signal(alias, alias, title, "count")
    declaration, expr = _what(body, path, signal, named)
    low, high = _range(body["range"], (*path, "range")) if "range" in body else (signal.low, signal.high)
    return replace(
        signal,
        topic=_text(body, "topic", path, signal.topic),
        title=title | _titles(body.get("title", {}), (*path, "title")),
        unit=_choice(body, "unit", path, get_args(Unit), signal.unit),
        declaration=declaration,
        expr=expr,
        direction=cast(Direction, _choice(body, "direction", path, get_args(Direction), signal.direction)),
        low=low,
        high=high,
        min_deviation=_size(body, "min_deviation", path, signal.min_deviation),
        min_relative=_size(body, "min_relative", path, signal.min_relative),
        limit=_number(body["limit"], (*path, "limit")) if "limit" in body else signal.limit,
        labels=_names(body["labels"], (*path, "labels"), _LABEL) if "labels" in body else signal.labels,
        sparse=_flag(body, "sparse", path, signal.sparse),
    )


def _what(
    body: Mapping[str, Any], path: Path, old: Signal, named: Mapping[str, tuple[Matcher, ...]]
) -> tuple[Declaration | None, str | None]:
    if "expr" in body:
        if "over" in body or "under" in body:
            raise SignalError((*path, "expr"), "give `over` (and `under`) or `expr`, not both")
        return None, _text(body, "expr", path, "")
    if "over" not in body:
        if old.declaration is None and old.expr is None:
            raise SignalError(path, "needs `over` (gauge, rate or age of metrics) or `expr` (PromQL)")
        for key in ("under", "complement"):
            if key in body:
                raise SignalError((*path, key), "needs `over` beside it")
        return old.declaration, old.expr
    over = _term(_mapping(body["over"], (*path, "over")), (*path, "over"), named)
    under = _term(_mapping(body["under"], (*path, "under")), (*path, "under"), named) if "under" in body else None
    return Declaration(over, under, _flag(body, "complement", path, False)), None


def _term(body: Mapping[str, Any], path: Path, known: Mapping[str, tuple[Matcher, ...]]) -> Term:
    aggregates = {f"{name}_without": cast(Aggregate, name) for name in get_args(Aggregate)}
    _only(body, {*get_args(Kind), "where", *aggregates}, path)
    kinds = [kind for kind in get_args(Kind) if kind in body]
    if len(kinds) != 1:
        raise SignalError(path, "needs exactly one of gauge, rate, age")
    chosen = [key for key in aggregates if key in body]
    if len(chosen) > 1:
        raise SignalError((*path, chosen[1]), f"only one aggregation; there is {chosen[0]} already")
    named = body[kinds[0]]
    metrics = _names([named] if isinstance(named, str) else named, (*path, kinds[0]), _METRIC)
    if not metrics:
        raise SignalError((*path, kinds[0]), "names no metric")
    where = _text(body, "where", path, "")
    matchers = known[where] if where in known else parse_matchers(where, (*path, "where"))
    aggregate = aggregates[chosen[0]] if chosen else None
    without = _names(body[chosen[0]], (*path, chosen[0]), _LABEL) if chosen else ()
    return Term(metrics, cast(Kind, kinds[0]), matchers, aggregate, without)


def _mapping(value: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SignalError(path, f"must be a mapping, not {value!r:.60}")
    return value


def _only(body: Mapping[str, Any], known: Iterable[str], path: Path) -> None:
    for key in body:
        if key not in known:
            raise SignalError((*path, str(key)), f"unknown key; there are {', '.join(sorted(known))}")


def _text(body: Mapping[str, Any], key: str, path: Path, default: str) -> str:
    value = body.get(key, default)
    if not isinstance(value, str) or (key in body and not value.strip()):
        raise SignalError((*path, key), f"must be text, not {value!r:.60}")
    return value


def _choice(body: Mapping[str, Any], key: str, path: Path, known: tuple[str, ...], default: str) -> str:
    value = body.get(key, default)
    if value not in known:
        raise SignalError((*path, key), f"must be one of {', '.join(known)}, not {value!r:.60}")
    return cast(str, value)


def _flag(body: Mapping[str, Any], key: str, path: Path, default: bool) -> bool:
    value = body.get(key, default)
    if not isinstance(value, bool):
        raise SignalError((*path, key), f"must be true or false, not {value!r:.60}")
    return value


def _number(value: Any, path: Path) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SignalError(path, f"must be a finite number, not {value!r:.60}")
    return float(value)


def _size(body: Mapping[str, Any], key: str, path: Path, default: float) -> float:
    value = _number(body.get(key, default), (*path, key))
    if value is None or value < 0:
        raise SignalError((*path, key), f"must be a number from 0 up, not {value!r}")
    return value


def _range(value: Any, path: Path) -> tuple[float | None, float | None]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise SignalError(path, "must be [low, high], null where open")
    low, high = _number(value[0], path), _number(value[1], path)
    if low is not None and high is not None and low >= high:
        raise SignalError(path, f"low {low} is not below high {high}")
    return low, high


def _names(value: Any, path: Path, form: re.Pattern[str]) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise SignalError(path, f"must be a list of names, not {value!r:.60}")
    for one in value:
        if not isinstance(one, str) or not form.fullmatch(one):
            raise SignalError(path, f"not a name: {one!r:.60}")
    return tuple(value)


def _titles(value: Any, path: Path) -> dict[str, str]:
    titles = dict(_mapping(value, path))
    return {str(lang): _text(titles, lang, path, "") for lang in titles}
