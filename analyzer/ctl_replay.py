"""omctl replay: data sets on disk through the code that runs live, their scores into files of the same names.

Exit codes: 0 done, 1 a data set is none or the scores cannot be written, 2 the call is wrong, 130 stopped by Ctrl-C (the files that
were done stay, none is half written).
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from analyzer.progress import Bar
from analyzer.table import table


def _spoken() -> str:
    return "재생 중" if os.environ.get("LANG", "").startswith("ko") else "replaying"


@click.command("replay")
@click.argument("dataset", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="where the scores go, under the same names")
@click.option("--chunk", default=1000, show_default=True, type=click.IntRange(1), help="rows a turn; changes nothing in the result")
@click.option("--json", "as_json", is_flag=True)
def replay(dataset: Path, out: Path, chunk: int, as_json: bool) -> None:
    """Score a data set (a .npz file, or a folder of them) by the code that runs live."""
    from analyzer import replay as replaying

    files = replaying.files(dataset)
    if dataset.is_dir():  # earlier scores inside the folder are no data
        files = [file for file in files if not (out.is_dir() and file.resolve().is_relative_to(out.resolve()))]
    if not files:
        raise click.UsageError(f"{dataset}: no .npz file in it" + (" beside the scores" if out.is_dir() else ""))
    try:
        done = _scored(files, dataset, out, chunk)
    except replaying.DatasetError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        click.echo(json.dumps(done, ensure_ascii=False, indent=1))
    else:
        click.echo(table(done, ("file", "rows", "flagged", "scores")))


def _scored(files: list[Path], dataset: Path, out: Path, chunk: int) -> list[dict[str, object]]:
    """Score every file, when all of them are known to be data. Raises DatasetError, OSError."""
    from analyzer import replay as replaying

    done: list[dict[str, object]] = []
    rows = {file: replaying.count(file) for file in files}
    with Bar(sys.stderr) as bar:
        before = 0
        for file in files:
            to = replaying.target(file, dataset, out)
            scored = replaying.replay_file(file, to, chunk=chunk, progress=_onward(bar, before, sum(rows.values())))
            done.append({"file": str(file), "scores": str(to), "rows": rows[file], "flagged": int(scored["flag"].sum())})
            before += rows[file]
    return done


def _onward(bar: Bar, before: int, of: int) -> Callable[[int], None]:
    """Moves a bar by rows of one file, from where it stands."""
    phase = _spoken()
    return lambda rows: bar.show(phase, (before + rows) / max(of, 1))
