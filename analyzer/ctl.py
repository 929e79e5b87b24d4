"""omctl: check a configuration, replay a data set, plant a fault, read findings and explanations, back up and restore.

Tables for people by default, `--json` for programs. Exit codes: 0 done, 1 refused,
2 the call or the configuration is wrong.
"""

import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

from analyzer import remote
from analyzer.config import load
from analyzer.ctl_backtest import backtest
from analyzer.ctl_replay import replay
from analyzer.table import table, wrapped
from analyzer.yamlfile import ConfigError
from service.build import VERSION

EXPORTER = "http://127.0.0.1:10180"
ANALYZER = "http://127.0.0.1:10181"
NOTHING_OPEN = {"en": "No incident is open.", "ko": "열려 있는 인시던트가 없습니다."}


def _echo_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="omctl")
@click.option("--analyzer", envvar="OMCTL_ANALYZER", default=ANALYZER, show_default=True, help="address of the analyzer")
@click.option("--exporter", envvar="OMCTL_EXPORTER", default=EXPORTER, show_default=True, help="address of the exporter")
@click.option("--token", envvar="OMCTL_TOKEN", default="", help="bearer token, better given as OMCTL_TOKEN")
@click.pass_context
def main(context: click.Context, analyzer: str, exporter: str, token: str) -> None:
    """Talk to openmanager."""
    context.obj = {"analyzer": remote.Remote(analyzer, token), "exporter": remote.Remote(exporter, token)}


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def check(config: Path, as_json: bool) -> None:
    """Check CONFIG without starting anything; a mistake is named with its line."""
    try:
        parsed = load(config, os.environ)
        signals = parsed.reader.signals
    except ConfigError as error:
        if as_json:
            _echo_json({"ok": False, "file": error.file, "line": error.line, "key": error.key, "error": error.reason})
        else:
            click.echo(f"{error}", err=True)
        sys.exit(2)
    if as_json:
        _echo_json({"ok": True, "signals": [s.alias for s in signals], "mode": parsed.alerting.mode})
        return
    click.echo(f"{config}: ok")
    click.echo(f"  reads   {parsed.reader.source} {parsed.reader.url}, {len(signals)} signals every {parsed.reader.interval:g} s")
    click.echo(f"  writes  {parsed.writer.mode} {parsed.writer.url if parsed.writer.mode == 'remote_write' else ''}".rstrip())
    whom = ", ".join(manager.url for manager in parsed.alerting.alertmanagers)
    posts = {"off": "nothing is posted", "observe": "findings are kept, nothing is posted", "on": f"incidents go to {whom}"}
    click.echo(f"  alerts  {parsed.alerting.mode}: {posts[parsed.alerting.mode]}")


main.add_command(replay)
main.add_command(backtest)


@main.group()
def fault() -> None:
    """Faults of the simulated fleet."""


@fault.command("add")
@click.argument("kind")
@click.argument("server")
@click.option("--severity", default=0.6, show_default=True, type=click.FloatRange(0, 1))
@click.option("--duration", type=click.FloatRange(1, 30 * 86400), help="seconds  [default: what the kind usually takes]")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def fault_add(
    remotes: dict[str, remote.Remote], kind: str, server: str, severity: float, duration: float | None, as_json: bool
) -> None:
    """Plant a fault of KIND on SERVER now."""
    body: dict[str, Any] = {"kind": kind, "server": server, "severity": severity}
    if duration is not None:
        body["duration_seconds"] = duration
    row = _ask(remotes["exporter"], "POST", "/api/fleet/faults", body)
    if as_json:
        _echo_json(row)
    else:
        click.echo(f"planted {row['id']}: {kind} on {server}, severity {severity:g}, until {row['end'] or 'it is lifted'}")


@fault.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def fault_list(remotes: dict[str, remote.Remote], as_json: bool) -> None:
    """Faults that are planted, active or yet to come."""
    answer = _ask(remotes["exporter"], "GET", "/api/fleet/faults")
    if as_json:
        _echo_json(answer)
    elif answer["faults"]:
        click.echo(table(answer["faults"], ("id", "kind", "server", "severity", "state", "start", "end", "benign", "origin")))
    else:
        click.echo(f"No fault is planted. Kinds: {', '.join(answer['kinds'])}")


@fault.command("remove")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def fault_remove(remotes: dict[str, remote.Remote], name: str, as_json: bool) -> None:
    """Lift the fault ID, as `fault list` shows it."""
    row = _ask(remotes["exporter"], "DELETE", f"/api/fleet/faults/{remote.quote(name)}")
    if as_json:
        _echo_json(row)
    else:
        click.echo(f"lifted {row['id']}: {row['kind']} on {row['server']}")


@main.command()
@click.option("--server", default="", help="only this server")
@click.option("--signal", default="", help="only this signal")
@click.option("--state", default="", type=click.Choice(["", "pending", "firing", "resolved"]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def findings(remotes: dict[str, remote.Remote], server: str, signal: str, state: str, limit: int, as_json: bool) -> None:
    """What is strange now and was before, newest first."""
    chosen = {"server": server, "signal": signal, "state": state, "limit": str(limit)}
    answer = _ask(remotes["analyzer"], "GET", "/api/v1/findings", query={k: v for k, v in chosen.items() if v})
    if as_json:
        _echo_json(answer)
    elif not answer["findings"]:
        click.echo("Nothing was found.")
    else:
        columns = ("state", "hostname", "signal", "kind", "observed", "expected", "peak", "onset", "ended")
        click.echo(table(answer["findings"], columns))


def _spoken() -> str:
    """Korean on a Korean terminal."""
    return "ko" if os.environ.get("LANG", "").startswith("ko") else "en"


@main.command()
@click.argument("name", required=False, metavar="[INCIDENT|FINGERPRINT]")
@click.option("--lang", default=_spoken, type=click.Choice(["en", "ko"]), help="[default: the terminal's]")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def explain(remotes: dict[str, remote.Remote], name: str | None, lang: str, as_json: bool) -> None:
    """What an incident, or an alert of others by its fingerprint, is about and what to do; without one, every open incident."""
    if name:
        rows = [_one(remotes["analyzer"], name, lang)]
    else:
        query = {"lang": lang, "state": "open", "limit": "1000"}
        rows = _ask(remotes["analyzer"], "GET", "/api/v1/incidents", query=query)["incidents"]
    if as_json:
        _echo_json(rows)
        return
    click.echo("\n\n".join(story(row) for row in rows) or NOTHING_OPEN[lang])


def _one(analyzer: remote.Remote, name: str, lang: str) -> Any:
    """An incident, or words about an alert of others where no incident has that name."""
    for path in (f"/api/v1/incidents/{remote.quote(name)}", f"/api/v1/explanations/{remote.quote(name)}"):
        try:
            return analyzer.ask("GET", path, query={"lang": lang})
        except remote.RemoteError as error:
            if error.status != 404:
                raise click.ClickException(str(error)) from error
    raise click.ClickException(f"{name}: no incident and no explained alert has this name")


def story(row: dict[str, Any]) -> str:
    """An incident, or an explanation of an alert of others, as people read it on a terminal."""
    words = row.get("explanation") or (row if "headline" in row else {})
    if "severity" in row:
        head = f"[{row['severity']}] {words.get('headline') or row['kind'] + ' ' + row['hostname']}"
        lines = [head, f"  {row['id']}  {row['state']}  {row['started']}"]
    else:
        lines = [words["headline"], f"  {row['id']}  {row['time']}"]
    if words.get("text"):
        lines += ["", *_wrapped(words["text"], "  ", "  ")]
    if words.get("actions"):
        lines.append("")
    for i, action in enumerate(words.get("actions", []), 1):
        lines += _wrapped(action, f"  {i}. ", "     ")
    return "\n".join(lines)


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    """Lines no wider than the terminal."""
    return wrapped(text, min(shutil.get_terminal_size((100, 24)).columns, 120), first, rest)


@main.group()
def feedback() -> None:
    """What people said about incidents, and what it moved."""


@feedback.command("give")
@click.argument("incident")
@click.argument("verdict", type=click.Choice(["right", "wrong", "expected"]))
@click.option("--note", default="", help="why")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def feedback_give(remotes: dict[str, remote.Remote], incident: str, verdict: str, note: str, as_json: bool) -> None:
    """Say that INCIDENT was right, wrong (its signals need more from now on) or expected (that hour of the week stays quiet)."""
    body = {"verdict": verdict} | ({"note": note} if note else {})
    row = _ask(remotes["analyzer"], "POST", f"/api/v1/incidents/{remote.quote(incident)}/feedback", body)
    if as_json:
        _echo_json(row)
        return
    click.echo(f"{incident}: {verdict}")
    for move in row["moves"]:
        click.echo(f"  {row['hostname']} {move['signal']}: edge {move['before']:g} -> {move['after']:g}")


@feedback.command("list")
@click.option("--server", default="", help="only this server")
@click.option("--signal", default="", help="only this signal")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def feedback_list(remotes: dict[str, remote.Remote], server: str, signal: str, as_json: bool) -> None:
    """What is in force: who said what, and where every edge that was moved is now."""
    query = {k: v for k, v in {"server": server, "signal": signal, "limit": "1000"}.items() if v}
    answer = _ask(remotes["analyzer"], "GET", "/api/v1/feedback", query=query)
    if as_json:
        _echo_json(answer)
    elif not answer["feedback"]:
        click.echo("Nothing was said.")
    else:
        click.echo(table(answer["feedback"], ("incident", "time", "who", "verdict", "hostname", "kind", "note")))
        if answer["edges"]:
            click.echo("\n" + table(answer["edges"], ("hostname", "signal", "edge")))


@feedback.command("undo")
@click.argument("incident")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def feedback_undo(remotes: dict[str, remote.Remote], incident: str, as_json: bool) -> None:
    """Take back what was said about INCIDENT, with everything that it moved."""
    row = _ask(remotes["analyzer"], "DELETE", f"/api/v1/incidents/{remote.quote(incident)}/feedback")
    if as_json:
        _echo_json(row)
    else:
        click.echo(f"{incident}: taken back")


@main.command()
@click.argument("config", type=click.Path(exists=True, path_type=Path))
@click.argument("archive", type=click.Path(path_type=Path))
def backup(config: Path, archive: Path) -> None:
    """Write the state that CONFIG names into ARCHIVE (.tar), while the analyzer runs or not."""
    from analyzer import archive as archives

    try:
        size = archives.backup(_state_of(config), archive)
    except (archives.ArchiveError, sqlite3.Error, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{archive}: {size:,} bytes")


@main.command()
@click.argument("config", type=click.Path(exists=True, path_type=Path))
@click.argument("archive", type=click.Path(exists=True, path_type=Path))
def restore(config: Path, archive: Path) -> None:
    """Put ARCHIVE back as the state that CONFIG names. Stop the analyzer first; what was there is kept aside."""
    from analyzer import archive as archives

    try:
        aside = archives.restore(archive, _state_of(config))
    except (archives.ArchiveError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo("restored" + (f"; the state before is in {aside}" if aside else ""))


def _state_of(config: Path) -> Path:
    try:
        return Path(load(config, os.environ).state.directory)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _ask(
    where: remote.Remote, method: str, path: str, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
) -> Any:
    try:
        return where.ask(method, path, body=body, query=query)
    except remote.RemoteError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
