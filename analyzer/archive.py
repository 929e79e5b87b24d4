"""Backup and restore of the state folder: one tar with the store, the snapshots, and a list of their checksums.

In: a state folder, running or not. Out: a tar, or a state folder. The store is copied by SQLite's own backup, so a running analyzer
does not disturb it. A restore checks every name, size and sum before anything in the folder is touched, and keeps what was there.
"""

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from analyzer.snapshot import Disk

STORE: Final = "openmanager.sqlite"
MANIFEST: Final = "manifest.json"
VERSION: Final = 1
MAX_BYTES: Final = 4 << 30
_SNAPSHOTS: Final = "*.npz"


class ArchiveError(Exception):
    """An archive that cannot be restored, or a folder without a state."""


def backup(state: Path, archive: Path) -> int:
    """Write the state of a folder into a tar; returns its size in bytes. Raises ArchiveError where there is none."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=archive.absolute().parent) as folder:
        parts = _copy(state, Path(folder))
        if not parts:
            raise ArchiveError(f"{state} holds no state")
        manifest = {"version": VERSION, "files": {p.name: {"sha256": _sum(p), "bytes": p.stat().st_size} for p in parts}}
        beside = Path(folder) / "archive.tar"
        with tarfile.open(beside, "w") as tar:
            text = json.dumps(manifest, indent=1).encode()
            info = tarfile.TarInfo(MANIFEST)
            info.size, info.mode, info.mtime = len(text), 0o600, int(time.time())
            tar.addfile(info, io.BytesIO(text))
            for part in parts:
                tar.add(part, part.name, recursive=False)
        beside.chmod(0o600)  # findings name hosts and what ails them
        Disk().sync(beside)
        beside.replace(archive)
    return archive.stat().st_size


def restore(archive: Path, state: Path) -> Path | None:
    """Put an archive's state in the place of a folder's; returns where the former state lies. Raises ArchiveError before it."""
    state = state.absolute()
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{state.name}-", dir=state.parent))
    try:
        _extract(archive, fresh)
        aside = None
        if state.exists():
            aside = state.with_name(f"{state.name}.before-{time.time_ns() // 1_000_000}")
            state.rename(aside)
        fresh.rename(state)
        Disk().sync(state.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return aside


def _copy(state: Path, folder: Path) -> list[Path]:
    """Consistent copies of what makes the state."""
    snapshots = sorted(state.glob(_SNAPSHOTS))  # each was renamed into place, so none is half
    parts = [Path(shutil.copyfile(source, folder / source.name)) for source in snapshots]
    if (state / STORE).exists():
        uri = f"{(state / STORE).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as live, closing(sqlite3.connect(folder / STORE)) as copy:
            live.backup(copy)
        parts.append(folder / STORE)
    return parts


def _extract(archive: Path, folder: Path) -> None:
    """Files of an archive into an empty folder: only plain ones that the manifest lists, with the sums that it lists."""
    try:
        with tarfile.open(archive, "r:") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or not first.isreg() or first.size > 1 << 20:
                raise ArchiveError("not one of our archives: it does not begin with its manifest")
            listed = _listed(_read(tar, first))
            for member in tar:
                if member.name == MANIFEST:
                    continue
                if not member.isreg() or listed.get(member.name, (-1, ""))[0] != member.size:
                    raise ArchiveError(f"{member.name!r} is not what the manifest lists")
                data = _read(tar, member)
                if hashlib.sha256(data).hexdigest() != listed.pop(member.name)[1]:
                    raise ArchiveError(f"{member.name} was damaged: its checksum differs")
                Disk().write(folder / member.name, data)
    except (tarfile.TarError, OSError, EOFError) as e:
        raise ArchiveError(f"{archive}: {e}") from e
    if listed:
        raise ArchiveError(f"incomplete: {', '.join(sorted(listed))} missing")


def _listed(text: bytes) -> dict[str, tuple[int, str]]:
    """Size and checksum of each file of a manifest; names that could leave the folder are refused."""
    try:
        manifest = json.loads(text)
        files = {str(name): (int(row["bytes"]), str(row["sha256"])) for name, row in manifest["files"].items()}
        version = int(manifest["version"])
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ArchiveError(f"the manifest cannot be read: {e!r}") from e
    if version > VERSION:
        raise ArchiveError(f"written by a later version of this program (archive version {version})")
    for name, (size, _) in files.items():
        if name != Path(name).name or not (name == STORE or Path(name).match(_SNAPSHOTS)) or not 0 <= size <= MAX_BYTES:
            raise ArchiveError(f"{name!r} does not belong into a state folder")
    return files


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    f = tar.extractfile(member)
    if f is None:
        raise ArchiveError(f"{member.name!r} is not a plain file")
    with f:
        return f.read(member.size)


def _sum(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
