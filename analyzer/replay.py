"""Data sets on disk through the live code: which files there are, where their scores go, reading and writing them whole.

In: a `.npz` file or a folder of them. Out: files of the same names, in the same sub-folders, that hold the arrays of
`analyzer.detect.replay`. A file of scores is either whole or not there.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.replay import CHUNK, DatasetError, replay, rows

__all__ = ["CHUNK", "DatasetError", "count", "files", "read", "replay_file", "target"]

SUFFIX = ".npz"


def files(dataset: Path) -> list[Path]:
    """The data sets of a folder and its sub-folders, or the one file; sorted by name."""
    return sorted(dataset.rglob(f"*{SUFFIX}")) if dataset.is_dir() else [dataset]


def target(file: Path, dataset: Path, out: Path) -> Path:
    """Where the scores of a file go: under the same name in `out`; a single file may be given the name of its scores itself."""
    if dataset.is_dir():
        return out / file.relative_to(dataset)
    return out if out.suffix == SUFFIX and not out.is_dir() else out / file.name


def read(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file. Raises DatasetError for what is none, or holds objects instead of numbers."""
    try:
        with file.open("rb") as f, np.load(f, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{file}: no .npz file of numbers") from error
    except OSError as error:
        raise DatasetError(f"{file}: {error.strerror or error}") from error


def count(file: Path) -> int:
    """How many rows a file will be scored for. Raises DatasetError."""
    try:
        return rows(read(file))
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{file}: neither train, test and step_s nor value and ts are in it") from error


def replay_file(
    file: Path, to: Path, *, chunk: int = CHUNK, progress: Callable[[int], None] | None = None
) -> dict[str, NDArray[Any]]:
    """Score a file and write what came out; returns it. `progress` is called with the number of rows done. Raises DatasetError."""
    arrays = read(file)
    try:
        scored = replay(arrays, chunk=chunk, progress=progress)
    except (DatasetError, ValueError, TypeError) as error:  # ValueError: arrays of a kind that no number can be made of
        raise DatasetError(f"{file}: {error}") from error
    scored["score"] = np.nan_to_num(scored["score"], nan=0.0, posinf=0.0, neginf=0.0)  # a row that cannot be judged scores 0
    to.parent.mkdir(parents=True, exist_ok=True)
    beside = to.with_name(f".{to.name}.part")
    try:
        with beside.open("wb") as f:
            np.savez_compressed(f, allow_pickle=False, **scored)
        beside.replace(to)
    finally:
        beside.unlink(missing_ok=True)
    return scored
