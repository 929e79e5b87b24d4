"""omctl backtest: a configuration over a span of the past of a running Prometheus. Reads only.

Exit codes: 0 done, 1 Prometheus cannot be read or holds nothing there, 2 the call or a configuration is wrong, 130 stopped by
Ctrl-C (what had been judged until then is told).
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from analyzer.config import Config, load
from analyzer.duration import seconds
from analyzer.progress import Bar
from analyzer.yamlfile import ConfigError

if TYPE_CHECKING:
    from analyzer.backtest.result import Result
    from analyzer.backtest.spells import Told
    from analyzer.past import Past, Side, Span

LAST = 86400.0
RULES = 'ALERTS{alertstate="firing"}'
TRUTH = "max by (benign, kind, root, server) (openmanager_fleet_fault_active)"
LEAST_HISTORY = 3600.0
PHASES = {
    "en": {"learn": "learning from history", "judge": "judging the span"},
    "ko": {"learn": "이력 학습 중", "judge": "구간 판단 중"},
}
STOPPED = {"en": "stopped; the rest was not judged", "ko": "중단했습니다. 나머지는 판단하지 않았습니다"}


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for; None = as configured or usual. Times are unix seconds or texts to be read in the configured zone."""

    path: Path
    against: Path | None
    start: str | None
    end: str | None
    last: str | None
    history: str | None
    step: str | None
    lang: str


def _spoken() -> str:
    return "ko" if os.environ.get("LANG", "").startswith("ko") else "en"


@click.command("backtest")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--config.file", "file", type=click.Path(path_type=Path), help="the same as CONFIG")
@click.option("--from", "start", metavar="TIME", help="begin of the span: 2026-11-20T09:00, RFC 3339 or unix seconds")
@click.option("--to", "end", metavar="TIME", help="its end  [default: now]")
@click.option("--last", metavar="DURATION", help="its length, such as 7d  [default: 1d]")
@click.option("--history", metavar="DURATION", help="what is learned before it  [default: reader.history]")
@click.option("--step", metavar="DURATION", help="time between two judgements  [default: reader.interval]")
@click.option("--against", type=click.Path(path_type=Path), metavar="OTHER", help="a second configuration, over the same samples")
@click.option("--lang", default=_spoken, type=click.Choice(["en", "ko"]), help="[default: the terminal's]")
@click.option("--all", "everything", is_flag=True, help="every line of every table, and all that would have been said")
@click.option("--json", "as_json", is_flag=True)
def backtest(config: Path | None, file: Path | None, everything: bool, as_json: bool, **asked: Any) -> None:
    """What CONFIG would have told people over a span of the past, read from its Prometheus. Writes and posts nothing."""
    if (config is None) == (file is None):
        raise click.UsageError("name one configuration: omctl backtest CONFIG")
    call = Call(path=config or file or Path(), **asked)
    try:
        first, second = _load(call.path), _load(call.against) if call.against else None
        result = asyncio.run(_run(call, first, second))
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    _show(result, call.lang, ZoneInfo(first.timezone), everything=everything, as_json=as_json)
    sys.exit(1 if result.broken else 130 if result.stopped else 0)


def _show(result: "Result", lang: str, zone: ZoneInfo, *, everything: bool, as_json: bool) -> None:
    from analyzer.backtest.rows import result_json
    from analyzer.ctl_page import Page

    if as_json:
        click.echo(json.dumps(result_json(result, lang), ensure_ascii=False, indent=1, allow_nan=False))
    else:
        wide = min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)
        click.echo(Page(result, lang, zone, wide, everything=everything).text())
    if result.broken:
        click.echo(f"Error: Prometheus could not be read to the end: {result.broken}", err=True)
    elif result.stopped:
        click.echo(f"omctl: {STOPPED[lang]}", err=True)


def _load(path: Path) -> Config:
    """A configuration that a past can be read with. Raises ConfigError."""
    config = load(path, os.environ)
    if config.reader.source != "prometheus":
        raise ConfigError(
            "a backtest needs a past, and an embedded source keeps none; name a Prometheus: `source: prometheus`, `url: …`",
            file=str(path), key="reader.source",
        )  # fmt: skip
    return config


# ---- when ----


def span_of(call: Call, config: Config, now: float) -> "Span":
    """The span that was asked for, on the grid of the step. `now`: Prometheus's clock. Raises UsageError with what to write."""
    from analyzer.intake import down
    from analyzer.past import Span

    reader, zone = config.reader, ZoneInfo(config.timezone)
    step = _duration("--step", call.step, reader.interval)
    if step < reader.scrape_interval:
        raise click.UsageError(
            f"--step: below the scrape interval, {reader.scrape_interval:g} s, every sample would be judged twice"
        )
    if call.start and call.end and call.last:
        raise click.UsageError("--from, --to and --last: two of them say it all")
    last = _duration("--last", call.last, LAST)
    start, end = _time("--from", call.start, zone), _time("--to", call.end, zone)
    if end is None:
        end = start + last if start is not None and call.last else now
    if end > now:
        raise click.UsageError("--to lies in the future" if call.end else "the span ends in the future")
    newest = down(end, step)
    first = newest - down(last, step) if start is None else -down(-start, step)
    if newest - first < step:
        raise click.UsageError(f"the span must hold at least two steps of {step:g} s, and end after it begins")
    history = _duration("--history", call.history, reader.history)
    if history < LEAST_HISTORY:
        raise click.UsageError("--history: with less than 1h there is nothing to learn from")
    return Span(first, newest, step, history, max(reader.history_step, 1.0))


def _duration(option: str, text: str | None, otherwise: float) -> float:
    try:
        value = otherwise if text is None else seconds(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from error
    if not 1 <= value <= 3660 * 86400:
        raise click.UsageError(f"{option}: {text} is not a length of time that can be judged; write it like 30s, 5m or 7d")
    return value


def _time(option: str, text: str | None, zone: ZoneInfo) -> float | None:
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        example = "write it like 2026-11-20, 2026-11-20T09:00 or 2026-11-20T09:00:00+09:00"
        raise click.UsageError(f"{option}: {text!r} is no time; {example}") from error


# ---- the run ----


async def _run(call: Call, first: Config, second: Config | None) -> "Result":
    from analyzer.build import prometheus_source
    from analyzer.past import Past
    from analyzer.ports import SourceError
    from analyzer.sources.observer import Silent
    from service.httpclient import HttpConfig, make_session

    stopping = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # elsewhere Ctrl-C ends everything at once
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _stop, stopping)
    async with AsyncExitStack() as stack:
        bar = stack.enter_context(Bar(sys.stderr))
        try:
            session = await stack.enter_async_context(make_session(HttpConfig.parse(first.reader.http)))
            sides = _sides(call, first, second, session)
            unread = [await _silences(side, config, stack) for side, config in zip(sides, (first, second), strict=False) if config]
        except ConfigError:
            raise
        except (ValueError, OSError) as error:  # certificates or knowledge that a configuration names and that are none
            raise ConfigError(f"what it names cannot be used: {error}", file=str(call.path)) from error
        try:
            source = prometheus_source(first, first.reader.signals, session, Silent())
            span, phases = span_of(call, first, await source.now()), PHASES[call.lang]
            past = Past(source, sides, span, progress=lambda p, done: bar.show(phases[p], done), stopped=stopping.is_set)
            past.warnings |= dict.fromkeys(chain.from_iterable(unread), 1)
            await past.learn()
            broken = await _judged(past)
            return await _result(call, past, [first, second] if second else [first], session, broken)
        except SourceError as error:
            raise click.ClickException(f"Prometheus cannot be read: {error}") from error


async def _judged(past: "Past") -> str:
    """Judge the span. Returns why Prometheus could not be read to its end. Raises SourceError where not even its beginning was."""
    from analyzer.ports import SourceError

    try:
        await past.judge()
    except SourceError as error:
        if past.judged_to < past.span.start:
            raise
        return str(error)
    return ""


def _stop(stopping: asyncio.Event) -> None:
    """First Ctrl-C: end after this column and tell what is known. A second one ends everything at once."""
    stopping.set()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def _sides(call: Call, first: Config, second: Config | None, session: Any) -> list["Side"]:
    """One or two configurations at work."""
    from analyzer.build import prometheus_source
    from analyzer.sources.observer import Silent

    sides = [_side(first, call.lang)]
    if second is not None:
        if second.reader.url != first.reader.url:
            message = f"it reads {second.reader.url}, the other one {first.reader.url}: samples of one Prometheus are needed"
            raise ConfigError(message, file=str(call.against), key="reader.url")
        side = _side(second, call.lang)
        side.shared = shared(first, second)
        own = [s for s in second.reader.signals if s.alias not in side.shared]
        if own:
            side.own = prometheus_source(second, own, session, Silent())
        sides.append(side)
    return sides


async def _silences(side: "Side", config: Config, stack: AsyncExitStack) -> list[str]:
    """Let the side know what Alertmanagers have silenced, as far back as they remember. Returns which of them did not answer."""
    from analyzer.people import People
    from analyzer.silences import Silence, Silences, parse
    from analyzer.sinks.alertmanager import Target
    from analyzer.sinks.silences import FAILURES, answer
    from service.httpclient import HttpConfig, make_session

    found: dict[str, Silence] = {}
    away: list[str] = []
    for endpoint in config.alerting.alertmanagers if config.alerting.silences else ():
        target = Target(endpoint.url, await stack.enter_async_context(make_session(HttpConfig.parse(endpoint.http))))
        try:
            known, _ = parse(await answer(target, config.reader.timeout))
            found |= {silence.id: silence for silence in known}
        except FAILURES as error:
            away.append(f"{endpoint.url}: silences not read: {error}")
    people = People(Silences(found.values(), config.identity.labels))
    side.cycle.people = lambda: people
    return away


def shared(first: Config, second: Config) -> frozenset[str]:
    """Signals of the second that are the same question to Prometheus in the first: they need not be read twice."""
    from analyzer.promql import compile as promql

    def reads(config: Config) -> Any:
        return config.reader.selector, config.reader.scrape_interval, config.identity

    if reads(first) != reads(second):
        return frozenset()
    asked = {s.alias: promql(s, rate_window=60.0) for s in first.reader.signals}
    return frozenset(s.alias for s in second.reader.signals if asked.get(s.alias) == promql(s, rate_window=60.0))


def _side(config: Config, lang: str) -> "Side":
    from analyzer.backtest.outcome import Recorder
    from analyzer.build import make_cycle, make_explainer
    from analyzer.past import Side

    explainer = make_explainer(replace(config, explanation=replace(config.explanation, languages=(lang,))))
    cycle = make_cycle(config, 0.0, None)  # the recorder asks for words when it needs some
    return Side(cycle, Recorder(explainer), config.alerting.maintenance)


async def _result(call: Call, past: "Past", configs: list[Config], session: Any, broken: str) -> "Result":
    """What was heard, beside what rules and the fleet say about that time. Raises ClickException where nothing was there."""
    from analyzer.backtest.lead import rules
    from analyzer.backtest.result import Known, Result, compared
    from analyzer.backtest.truth import planted
    from analyzer.build import identity_of

    span, names = past.span, [str(call.path), str(call.against)]
    end = past.judged_to
    outcomes = [side.recorder.outcome(span.start, end) for side in past.sides]
    if not outcomes[0].columns:
        _nothing(call, configs[0], span, stopped=past.stopped())
    theirs, truth = [await _told(past, configs[0], expr, session) for expr in (RULES, TRUTH)]
    known = Known(rules(theirs, identity_of(configs[0])), planted(truth) if truth else None, past.topology)
    sides = tuple(
        known.beside(outcome, name=name, mode=config.alerting.mode)
        for name, config, outcome in zip(names, configs, outcomes, strict=False)
    )
    learned = past.sides[0].learned * span.history_step
    own = [c.reader.interval for c in configs[1:] if c.reader.interval != span.step]
    other = own[0] if own and call.step is None else None
    return Result(configs[0].reader.url, span.step, learned, span.end, sides, compared(sides), past.warnings, other, broken)


async def _told(past: "Past", config: Config, expr: str, session: Any) -> list["Told"]:
    """When series that exist while something is so were there; none, and a warning, where they cannot be read."""
    from analyzer.build import prometheus_source
    from analyzer.past import told
    from analyzer.ports import SourceError
    from analyzer.signals import Signal
    from analyzer.sources.observer import Silent

    source = prometheus_source(config, [Signal("told", "told", {}, "count", expr=expr)], session, Silent())
    try:
        return await told(source, past.span, past.judged_to)
    except SourceError as error:
        past.warnings[f"{expr}: {error}"] = 1
        return []


def _nothing(call: Call, config: Config, span: "Span", *, stopped: bool) -> None:
    if stopped:
        click.echo("omctl: stopped before anything was judged", err=True)
        sys.exit(130)
    zone = ZoneInfo(config.timezone)
    first, last = (f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}" for at in (span.start, span.end))
    reader = config.reader
    asked = f" with the selector {reader.selector}" if reader.selector else ""
    raise click.ClickException(
        f"{reader.url} holds no samples of the {len(reader.signals)} signals of {call.path}{asked} "
        f"between {first} and {last} {config.timezone}: is the selector right, and does its retention reach so far?"
    )
