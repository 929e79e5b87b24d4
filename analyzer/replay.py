"""Data sets on disk through the live code: which files there are, where their scores go, reading and writing them whole.

In: a `.npz` file or a folder of them. Out: files of the same names, in the same sub-folders, that hold the arrays of
`analyzer.detect.replay`. A file of scores is either whole or not there.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.replay import CHUNK, DatasetError, replay, rows

__all__ = ["CHUNK", "DatasetError", "checked", "count", "files", "read", "replay_file", "target"]

SUFFIX = ".npz"
FORMS = (frozenset({"train", "test", "step_s"}), frozenset({"value", "ts"}))
LONGEST_STEP = 31 * 86400.0
LATEST = 1e11  # unix seconds: the year 5138


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
        objects = "allow_pickle" in str(error) and zipfile.is_zipfile(file)
        raise DatasetError(f"{file}: {'it holds objects, not numbers' if objects else 'no .npz file of numbers'}") from error
    except OSError as error:
        raise DatasetError(f"{file}: {error.strerror or error}") from error


def checked(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file as one of the two forms, numbers only; what is not finite is no sample. Raises DatasetError."""
    arrays = read(file)
    forms = [form for form in FORMS if form <= arrays.keys()]
    if not forms:
        raise DatasetError(f"{file}: neither train, test and step_s nor value and ts are in it")
    for name in sorted(forms[0]):
        if arrays[name].dtype.kind not in "biuf":
            raise DatasetError(f"{file}: {name} holds {arrays[name].dtype}, not numbers")
    problem = _shapes(arrays) if "train" in forms[0] else _stamps(arrays)
    if problem:
        raise DatasetError(f"{file}: {problem}")
    known = {name: np.asarray(arrays[name], np.float64) for name in forms[0]}
    if "step_s" in known:
        known["step_s"] = known["step_s"].reshape(())
    return {name: np.where(np.isfinite(array), array, np.nan) for name, array in known.items()}


def _shapes(arrays: Mapping[str, NDArray[Any]]) -> str:
    """What is wrong with a host's arrays; "" = nothing."""
    train, test, step = arrays["train"], arrays["test"], arrays["step_s"]
    for name, array in (("train", train), ("test", test)):
        if array.ndim != 2 or not array.shape[1]:
            return f"{name} {array.shape} is not rows x metrics"
    if train.shape[1] != test.shape[1]:
        return f"train has {train.shape[1]} columns, test {test.shape[1]}"
    if step.size != 1 or not 0 < float(step.reshape(())) <= LONGEST_STEP:
        return f"step_s {step.tolist()} is not a number of seconds above 0 and up to {LONGEST_STEP:.0f}"
    return ""


def _stamps(arrays: Mapping[str, NDArray[Any]]) -> str:
    """What is wrong with a single series; "" = nothing."""
    value, ts = arrays["value"], arrays["ts"]
    if value.ndim != 1 or value.shape != ts.shape:
        return f"value {value.shape} and ts {ts.shape} differ"
    wrong = np.flatnonzero(~(np.abs(ts) <= LATEST))
    return f"ts[{wrong[0]}] {ts[wrong[0]]} is no time in unix seconds" if len(wrong) else ""


def count(file: Path) -> int:
    """How many rows a file will be scored for. Raises DatasetError."""
    return rows(checked(file))


def replay_file(
    file: Path, to: Path, *, chunk: int = CHUNK, progress: Callable[[int], None] | None = None
) -> dict[str, NDArray[Any]]:
    """Score a file and write what came out; returns it. `progress` hears the number of rows done. Raises DatasetError, OSError."""
    if to.resolve() == file.resolve():
        raise DatasetError(f"{file}: the scores would take its place; name another --out")
    arrays = checked(file)
    try:
        scored = replay(arrays, chunk=chunk, progress=progress)
    except (DatasetError, ValueError, TypeError) as error:
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
