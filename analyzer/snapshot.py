"""Detector state on disk: arrays in, the same arrays out, or a reason why not. Never half, never code.

A file is one line (magic, schema version, SHA-256 and length of the rest) and an npz archive. It is written beside, synced and
renamed, so a kill at any instant leaves the old state or the new one. Reading checks the sum first, then every header before memory
is taken; pickles are refused. What cannot be used is set aside for people to look at, and the caller starts cold.
"""

import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Array = NDArray[Any]
MAGIC: Final = b"openmanager-state"
SCHEMA: Final = 1
MAX_BYTES: Final = 1 << 30  # 100,000 series need about 0.4 GB
MAX_ARRAYS: Final = 4096
_META: Final = "__meta__"
_HEAD_BYTES: Final = 256


class SnapshotError(Exception):
    """A snapshot that cannot be used. `reason`: short, for a metric; the file has been set aside to `aside`, if it could be."""

    def __init__(self, reason: str, detail: str, aside: Path | None = None) -> None:
        super().__init__(f"{reason}: {detail}" + (f"; set aside as {aside.name}" if aside else ""))
        self.reason, self.aside = reason, aside


class Files(Protocol):
    """The file operations of a save, one crash point each."""

    def write(self, path: Path, data: bytes) -> None:
        """All of `data` into a new file."""
        ...

    def sync(self, path: Path) -> None:
        """The file's bytes, or the folder's names, onto the disk."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Put `old` in the place of `new`, at once."""
        ...


class Disk:
    """The real ones."""

    def write(self, path: Path, data: bytes) -> None:
        """All of `data` into a new file that only we may read."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:  # noqa: PTH123  # Path.open takes no mode bits
            f.write(data)

    def sync(self, path: Path) -> None:
        """fsync of a file or a folder."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Atomic on one file system."""
        old.replace(new)


def save(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any] | None = None, *, files: Files | None = None) -> None:
    """Write arrays and a JSON-able `meta`. Raises OSError where the disk refuses (the old file stays), ValueError for objects."""
    replace_file(path, pack(arrays, meta or {}), files or Disk())


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """Arrays and meta of a snapshot; None where there is none. Raises SnapshotError after setting an unusable file aside."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SnapshotError("too_big", f"{path.stat().st_size} bytes")
        return unpack(path.read_bytes())
    except FileNotFoundError:
        return None
    except SnapshotError as e:
        raise SnapshotError(e.reason, str(e).partition(": ")[2], quarantine(path)) from e
    except OSError as e:
        raise SnapshotError("unreadable", e.strerror or str(e)) from e


def pack(arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> bytes:
    """The bytes of a snapshot."""
    if any(a.dtype.hasobject for a in arrays.values()) or _META in arrays:
        raise ValueError(f"a snapshot holds plain arrays not called {_META}; objects would have to be pickled")
    text = np.frombuffer(json.dumps(dict(meta)).encode(), np.uint8)
    body = io.BytesIO()
    named: dict[str, Any] = {**arrays, _META: text}
    np.savez(body, allow_pickle=False, **named)
    data = body.getbuffer()  # not a copy: with 100,000 series it is hundreds of megabytes
    head = b"%s %d %s %d\n" % (MAGIC, SCHEMA, hashlib.sha256(data).hexdigest().encode(), len(data))
    return b"".join((head, data))


def unpack(data: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays and meta from bytes. Raises SnapshotError."""
    head, newline, _ = data[:_HEAD_BYTES].partition(b"\n")
    parts = head.split(b" ")
    if not newline or len(parts) != 4 or parts[0] != MAGIC or not parts[1].isdigit() or not parts[3].isdigit():
        raise SnapshotError("not_a_snapshot", "the first line is not one of ours")
    if int(parts[1]) != SCHEMA:
        raise SnapshotError("schema", f"version {int(parts[1])}, this program reads {SCHEMA}")
    body = memoryview(data)[len(head) + 1 :]
    if len(body) != int(parts[3]):
        raise SnapshotError("truncated", f"{len(body)} bytes of {int(parts[3])}")
    if hashlib.sha256(body).hexdigest().encode() != parts[2]:
        raise SnapshotError("checksum", "the bytes are not those that were written")
    try:
        arrays = _read_arrays(body)
        meta = json.loads(arrays.pop(_META).tobytes())
    except SnapshotError:
        raise
    except Exception as e:  # zipfile, tokenize and numpy raise a dozen kinds for bytes that lie; all mean the same
        raise SnapshotError("format", f"{type(e).__name__}: {e}") from e
    if not isinstance(meta, dict):
        raise SnapshotError("format", "meta is not an object")
    return arrays, meta


def _read_arrays(body: memoryview) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS or sum(m.file_size for m in members) > MAX_BYTES:
            raise SnapshotError("too_big", f"{len(members)} arrays, {sum(m.file_size for m in members)} bytes")
        for member in members:
            with archive.open(member) as f:
                raw = f.read(member.file_size + 1)  # never more than it says, whatever it unpacks to
            if len(raw) != member.file_size:
                raise SnapshotError("format", f"{member.filename} is longer than it says")
            arrays[member.filename.removesuffix(".npy")] = _read_array(raw, member.filename)
    return arrays


def _read_array(raw: bytes, name: str) -> Array:
    """One array; its header is checked against the bytes that are there before any memory is taken for it."""
    f = io.BytesIO(raw)
    version = npy.read_magic(f)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read_header is None:
        raise SnapshotError("format", f"{name}: array format {version}")
    shape, fortran, dtype = read_header(f)
    if dtype.hasobject:
        raise SnapshotError("pickle", f"{name} holds objects")
    count = 1
    for size in shape:
        count *= size
    if count < 0 or count * dtype.itemsize != len(raw) - f.tell():
        raise SnapshotError("shape", f"{name}: {shape} of {dtype} is not what is there")
    values: Array = np.frombuffer(raw, dtype, count, f.tell()) if count else np.zeros(shape, dtype)
    return values.reshape(shape, order="F" if fortran else "C").copy()


def replace_file(path: Path, data: bytes, files: Files) -> None:
    """Put bytes in the place of a file so that a kill leaves the old or the new ones. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    files.write(beside, data)
    files.sync(beside)  # the bytes before the name
    files.rename(beside, path)
    files.sync(path.parent)


def quarantine(path: Path) -> Path | None:
    """Set a file aside under a name of its own; None where even that fails."""
    aside = path.with_name(f"{path.name}.quarantined-{time.time_ns() // 1_000_000}")
    try:
        path.rename(aside)
    except OSError:
        return None
    return aside
