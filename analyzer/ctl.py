"""omctl: check a configuration, replay a data set, plant a fault, read findings and explanations, back up and restore.

Tables for people by default, `--json` for programs. Exit codes: 0 done, 1 refused,
2 the call or the configuration is wrong.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from analyzer import remote
from analyzer.config import load
from analyzer.table import table
from analyzer.yamlfile import ConfigError
from service.build import VERSION

EXPORTER = "http://127.0.0.1:10180"
ANALYZER = "http://127.0.0.1:10181"


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
    posts = {"off": "nothing is found out loud", "observe": "findings are kept, nothing is posted", "on": "alerts are posted"}
    click.echo(f"  alerts  {parsed.alerting.mode}: {posts[parsed.alerting.mode]}")


@main.command()
@click.argument("dataset", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="where the scores go, under the same names")
@click.option("--chunk", default=1000, show_default=True, type=click.IntRange(1), help="rows a turn; changes nothing in the result")
def replay(dataset: Path, out: Path, chunk: int) -> None:
    """Score a data set (a .npz file, or a folder of them) by the code that runs live."""
    from analyzer import replay as replaying

    files = replaying.files(dataset)
    if not files:
        raise click.UsageError(f"{dataset}: no .npz file in it")
    with click.progressbar(files, label="replaying", file=sys.stderr, item_show_func=lambda f: f.name if f else "") as bar:
        for file in bar:
            try:
                replaying.replay_file(file, replaying.target(file, dataset, out), chunk=chunk)
            except replaying.DatasetError as error:
                raise click.ClickException(f"{file}: {error}") from error
    click.echo(f"{len(files)} files scored into {out}")


@main.group()
def fault() -> None:
    """Faults of the simulated fleet."""


@fault.command("add")
@click.argument("kind")
@click.argument("server")
@click.option("--severity", default=0.7, show_default=True, type=click.FloatRange(0, 1))
@click.option("--duration", default=1800.0, show_default=True, type=click.FloatRange(1, min_open=False), help="seconds")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def fault_add(remotes: dict[str, remote.Remote], kind: str, server: str, severity: float, duration: float, as_json: bool) -> None:
    """Plant a fault of KIND on SERVER now."""
    body = {"kind": kind, "server": server, "severity": severity, "duration_seconds": duration}
    planted = _ask(remotes["exporter"], "POST", "/api/fleet/faults", body)
    if as_json:
        _echo_json(planted)
    else:
        row = planted.get("fault", planted)
        click.echo(f"planted {row['id']}: {kind} on {server}, severity {severity:g}, for {duration:g} s")


@fault.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def fault_list(remotes: dict[str, remote.Remote], as_json: bool) -> None:
    """Faults that are planted now."""
    answer = _ask(remotes["exporter"], "GET", "/api/fleet/faults")
    rows = answer["faults"] if isinstance(answer, dict) else answer
    if as_json:
        _echo_json(answer)
    else:
        click.echo(table(rows, ("id", "kind", "server", "severity", "start", "duration_seconds", "benign")))


@fault.command("remove")
@click.argument("id")
@click.pass_obj
def fault_remove(remotes: dict[str, remote.Remote], id: str) -> None:  # noqa: A002 - the word that `list` shows
    """Lift the fault ID."""
    _ask(remotes["exporter"], "DELETE", f"/api/fleet/faults/{remote.quote(id)}")
    click.echo(f"lifted {id}")


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
    else:
        columns = ("state", "hostname", "signal", "kind", "observed", "expected", "peak", "onset", "ended")
        click.echo(table(answer["findings"], columns))


@main.command()
@click.argument("incident", required=False)
@click.option("--lang", default="en", type=click.Choice(["en", "ko"]))
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def explain(remotes: dict[str, remote.Remote], incident: str | None, lang: str, as_json: bool) -> None:
    """What INCIDENT is about and what to do; without one, every open incident."""
    analyzer = remotes["analyzer"]
    if incident:
        rows = [_ask(analyzer, "GET", f"/api/v1/incidents/{remote.quote(incident)}", query={"lang": lang})]
    else:
        rows = _ask(analyzer, "GET", "/api/v1/incidents", query={"lang": lang, "state": "open"})["incidents"]
    if as_json:
        _echo_json(rows)
        return
    for row in rows:
        click.echo(story(row) + "\n")
    if not rows:
        click.echo({"en": "No incident is open.", "ko": "열려 있는 인시던트가 없습니다."}[lang])


def story(incident: dict[str, Any]) -> str:
    """An incident as people read it on a terminal."""
    words = incident.get("explanation") or {}
    head = f"[{incident['severity']}] {words.get('headline') or incident['kind'] + ' ' + incident['hostname']}"
    lines = [head, f"  {incident['id']}  {incident['state']}  {incident['started']}", ""]
    if words.get("text"):
        lines += [f"  {words['text']}", ""]
    lines += [f"  {i}. {action}" for i, action in enumerate(words.get("actions", []), 1)]
    return "\n".join(lines).rstrip()


@main.command()
@click.argument("config", type=click.Path(exists=True, path_type=Path))
@click.argument("archive", type=click.Path(path_type=Path))
def backup(config: Path, archive: Path) -> None:
    """Write the state that CONFIG names into ARCHIVE (.tar), while the analyzer runs or not."""
    from analyzer import archive as archives

    size = archives.backup(_state_of(config), archive)
    click.echo(f"{archive}: {size} bytes")


@main.command()
@click.argument("config", type=click.Path(exists=True, path_type=Path))
@click.argument("archive", type=click.Path(exists=True, path_type=Path))
def restore(config: Path, archive: Path) -> None:
    """Put ARCHIVE back as the state that CONFIG names. Stop the analyzer first; what was there is kept aside."""
    from analyzer import archive as archives

    try:
        aside = archives.restore(archive, _state_of(config))
    except archives.ArchiveError as error:
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
