"""Detector state: what was saved comes back, and nothing else ever does."""

import hashlib
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from analyzer import archive, snapshot
from analyzer.snapshot import SnapshotError, load, pack, save, unpack

ARRAYS = {"level": np.array([1.5, np.nan]), "count": np.array([[1, 2], [3, 4]], np.int64), "none": np.zeros((0, 3), np.float32)}


def framed(body, schema=1):
    """Any bytes behind a head that fits them: what somebody who can write the folder could leave there."""
    return b"openmanager-state %d %s %d\n" % (schema, hashlib.sha256(body).hexdigest().encode(), len(body)) + body


def npz(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members.items():
            z.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy(header, data=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def reason(data):
    with pytest.raises(SnapshotError) as caught:
        unpack(data)
    return caught.value.reason


def test_arrays_and_meta_come_back_as_they_were(tmp_path):
    save(tmp_path / "detectors.npz", ARRAYS, {"time": 12.5, "fingerprint": "x"})
    arrays, meta = load(tmp_path / "detectors.npz")
    assert meta == {"time": 12.5, "fingerprint": "x"}
    assert {k: (v.dtype, v.shape) for k, v in arrays.items()} == {k: (v.dtype, v.shape) for k, v in ARRAYS.items()}
    assert all(np.array_equal(arrays[k], ARRAYS[k], equal_nan=True) for k in ARRAYS)


def test_restored_arrays_can_be_changed(tmp_path):
    save(tmp_path / "s.npz", ARRAYS)
    arrays, _ = load(tmp_path / "s.npz")
    arrays["level"][0] = 2.0
    assert arrays["level"][0] == 2.0


def test_fortran_order_comes_back_right():
    arrays, _ = unpack(pack({"f": np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])}, {}))
    assert arrays["f"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_no_file_is_no_error(tmp_path):
    assert load(tmp_path / "s.npz") is None


def test_row_38_every_flipped_byte_is_noticed():
    data = pack({"a": np.arange(3.0)}, {"t": 1})
    noticed = 0
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x01
        with pytest.raises(SnapshotError):
            unpack(bytes(broken))
        noticed += 1
    assert noticed == len(data)


def test_row_38_every_truncation_is_noticed():
    data = pack({"a": np.arange(3.0)}, {"t": 1})
    for length in range(len(data)):
        with pytest.raises(SnapshotError):
            unpack(data[:length])


def test_row_38_pickles_are_refused_even_with_a_right_checksum():
    class Bomb:
        def __reduce__(self):
            return (print, ("ran",))

    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    assert reason(framed(npz(a=npy(header, pickle.dumps(Bomb()))))) == "pickle"


def test_row_38_a_huge_shape_is_refused_before_memory_is_taken():
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1024), }"
    assert reason(framed(npz(a=npy(header, b"12345678")))) == "shape"


@pytest.mark.parametrize(
    "member",
    [
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", b"12345678"),
        npy("__import__('os').abort()"),
        npy("{'descr': ["),
        b"not an array",
        b"\x93NUMPY\x09\x00",
    ],
)
def test_row_38_headers_that_lie_are_refused(member):
    assert reason(framed(npz(a=member))) in {"shape", "format"}


def test_row_38_an_archive_that_unpacks_to_more_than_the_bound_is_refused(monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_BYTES", 1000)
    assert reason(pack({"a": np.zeros(1000)}, {})) == "too_big"


def test_row_38_a_newer_schema_is_refused_by_name():
    assert reason(framed(b"whatever", schema=2)) == "schema"


@pytest.mark.parametrize(
    "body", [b"", b"PK", npz(), npz(__meta__=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", b"[]"))]
)
def test_row_38_what_is_no_archive_of_ours_is_refused(body):
    assert reason(framed(body)) == "format"


def test_objects_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="would have to be pickled"):
        save(tmp_path / "s.npz", {"a": np.array([{}])})


def test_an_unusable_file_is_set_aside_and_the_next_start_is_cold(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"garbage")
    with pytest.raises(SnapshotError) as caught:
        load(tmp_path / "s.npz")
    assert caught.value.reason == "not_a_snapshot"
    assert caught.value.aside.read_bytes() == b"garbage"
    assert load(tmp_path / "s.npz") is None


def test_only_we_may_read_it(tmp_path):
    save(tmp_path / "s.npz", ARRAYS)
    assert (tmp_path / "s.npz").stat().st_mode & 0o777 == 0o600


class CrashError(Exception):
    """The machine stopped."""


class CrashingDisk(snapshot.Disk):
    """Stops at its n-th operation; a write stops in the middle."""

    def __init__(self, at, share):
        self.left, self.share = at, share

    def _step(self):
        self.left -= 1
        if self.left < 0:
            raise CrashError

    def write(self, path, data):
        try:
            self._step()
        except CrashError:
            super().write(path, data[: int(len(data) * self.share)])
            raise
        super().write(path, data)

    def sync(self, path):
        self._step()
        super().sync(path)

    def rename(self, old, new):
        self._step()
        super().rename(old, new)


def test_p5_a_crash_at_any_write_sync_or_rename_leaves_the_old_state_or_the_new(tmp_path):
    """300 crashes: 60 saves, each stopped at one of its four operations or not at all, with a random share of the bytes written."""
    path, rng, kept, crashes = tmp_path / "s.npz", np.random.default_rng(7), -1, 0
    for n in range(60):
        for at in range(5):
            value = n * 5 + at
            try:
                save(path, {"v": np.array([value])}, files=CrashingDisk(at, rng.random()))
                assert at == 4
                allowed = {value}
            except CrashError:
                crashes += 1
                allowed = {kept, value} if at >= 3 else {kept}
            found = load(path)
            got = -1 if found is None else int(found[0]["v"][0])
            assert got in allowed
            kept = got
    assert crashes == 240


def test_a_full_disk_keeps_the_old_state(tmp_path):
    class Full(snapshot.Disk):
        def write(self, path, data):
            super().write(path, data[:10])
            raise OSError(28, "No space left on device")

    save(tmp_path / "s.npz", {"v": np.array([1])})
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "s.npz", {"v": np.array([2])}, files=Full())
    assert load(tmp_path / "s.npz")[0]["v"].tolist() == [1]


# ---- backup and restore ----


def test_a_backup_of_a_running_store_and_its_snapshot_restores(tmp_path):
    import asyncio

    from analyzer.store import Store

    async def run():
        store = await Store.open(tmp_path / "state" / archive.STORE)
        await store.put_state("a", "kept")
        save(tmp_path / "state" / "detectors.npz", ARRAYS, {"time": 1})
        size = await asyncio.to_thread(archive.backup, tmp_path / "state", tmp_path / "b.tar")
        await store.put_state("a", "later")
        await store.close()
        aside = archive.restore(tmp_path / "b.tar", tmp_path / "state")
        again = await Store.open(tmp_path / "state" / archive.STORE)
        text = (await again.state("a"))[1]
        await again.close()
        return size, aside, text

    size, aside, text = asyncio.run(run())
    assert (size > 10_000, text) == (True, "kept")
    assert (aside / archive.STORE).exists()
    assert load(tmp_path / "state" / "detectors.npz")[1] == {"time": 1}


def tar_of(path, manifest, **members):
    with tarfile.open(path, "w") as tar:
        for name, data in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def listing(**files):
    return {"version": 1, "files": {n: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for n, d in files.items()}}


@pytest.mark.parametrize("name", ["../evil.npz", "/tmp/evil.npz", "a/b.npz", "evil.sh", "..", "manifest.json"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    made = tar_of(tmp_path / "b.tar", listing(**{name: b"x"}), **{name: b"x"})
    with pytest.raises(archive.ArchiveError):
        archive.restore(made, tmp_path / "state")
    assert {p.name for p in tmp_path.iterdir()} == {"b.tar"}


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        text = json.dumps(listing(**{"a.npz": b""})).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
        link = tarfile.TarInfo("a.npz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(archive.ArchiveError, match="not what the manifest lists"):
        archive.restore(tmp_path / "b.tar", tmp_path / "state")


def test_a_damaged_or_incomplete_archive_changes_nothing(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "keep.npz").write_bytes(b"mine")
    for made in (
        tar_of(tmp_path / "1.tar", listing(**{"a.npz": b"right"}), **{"a.npz": b"wrong"}),
        tar_of(tmp_path / "2.tar", listing(**{"a.npz": b"right"})),
        tar_of(tmp_path / "3.tar", {"version": 2, "files": {}}),
        tar_of(tmp_path / "4.tar", [1]),
    ):
        with pytest.raises(archive.ArchiveError):
            archive.restore(made, tmp_path / "state")
    (tmp_path / "5.tar").write_bytes(b"not a tar")
    with pytest.raises(archive.ArchiveError):
        archive.restore(tmp_path / "5.tar", tmp_path / "state")
    assert (tmp_path / "state" / "keep.npz").read_bytes() == b"mine"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".state")]


def test_a_folder_without_state_cannot_be_backed_up(tmp_path):
    (tmp_path / "state").mkdir()
    with pytest.raises(archive.ArchiveError, match="holds no state"):
        archive.backup(tmp_path / "state", tmp_path / "b.tar")
