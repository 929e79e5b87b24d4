"""Data sets on disk: which files, where their scores go, whole or not at all."""

import numpy as np
import pytest

from analyzer import replay
from analyzer.replay import DatasetError


def host(path, rows=120):
    rng = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, train=rng.random((200, 3)), test=rng.random((rows, 3)), label=np.zeros(rows, bool), step_s=300)
    return path


def single(path, rows=150):
    value = np.random.default_rng(0).random(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, value=value, ts=1e9 + 300 * np.arange(rows), label=np.zeros(rows, bool))
    return path


def test_a_folder_is_walked_in_order(tmp_path):
    for name in ("smd/b", "asd/a", "top"):
        host(tmp_path / f"{name}.npz")
    (tmp_path / "asd/a.json").write_text("{}")
    assert [str(f.relative_to(tmp_path)) for f in replay.files(tmp_path)] == ["asd/a.npz", "smd/b.npz", "top.npz"]


def test_scores_go_under_the_same_names(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    file = host(data / "asd/a.npz")
    assert replay.target(file, data, out) == out / "asd/a.npz"
    assert replay.target(file, file, out) == out / "a.npz"
    assert replay.target(file, file, out / "x.npz") == out / "x.npz"


def test_a_host_is_scored_row_by_row(tmp_path):
    file, seen = host(tmp_path / "a.npz"), []
    replay.replay_file(file, tmp_path / "out/a.npz", chunk=50, progress=seen.append)
    assert seen == [50, 100, 120]
    with np.load(tmp_path / "out/a.npz", allow_pickle=False) as scored:
        assert (scored["score"].shape, scored["flag"].dtype, scored["dim_score"].shape) == ((120,), bool, (120, 3))
        assert np.isfinite(scored["score"]).all()
        assert scored["yhat"].shape == (120, len(scored["horizons_s"]), 3)


def test_a_single_series_is_scored(tmp_path):
    scored = replay.replay_file(single(tmp_path / "a.npz"), tmp_path / "out.npz")
    assert (scored["score"].shape, scored["flag"].shape) == ((150,), (150,))


@pytest.mark.parametrize("make", [host, single])
def test_chunks_change_nothing(tmp_path, make):
    file = make(tmp_path / "a.npz")
    first, again = (replay.replay_file(file, tmp_path / f"{n}.npz", chunk=n) for n in (1, 1000))
    assert all(np.array_equal(first[name], again[name], equal_nan=True) for name in first)


def test_what_cannot_be_judged_scores_zero(tmp_path):
    np.savez(tmp_path / "a.npz", train=np.full((200, 2), np.nan), test=np.full((5, 2), np.nan), step_s=60)
    scored = replay.replay_file(tmp_path / "a.npz", tmp_path / "out.npz")
    assert scored["score"].tolist() == [0.0] * 5


def test_rows_are_counted_before_they_are_scored(tmp_path):
    assert (replay.count(host(tmp_path / "a.npz")), replay.count(single(tmp_path / "b.npz"))) == (120, 150)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros(3)}, {"train": np.zeros((5, 2)), "test": np.zeros((5, 3)), "step_s": 60},
        {"train": np.zeros(5), "test": np.zeros(5), "step_s": 60}, {"value": np.zeros(3), "ts": np.zeros(4)},
        {"train": np.zeros((5, 2)), "test": np.zeros((5, 2)), "step_s": 0}, {"value": np.array(["a"]), "ts": np.zeros(1)},
        {"train": np.zeros((5, 0)), "test": np.zeros((5, 0)), "step_s": 60}, {"value": np.zeros((5, 2)), "ts": np.zeros((5, 2))},
        {"train": np.zeros((5, 2)), "test": np.zeros((5, 2)), "step_s": np.inf}, {"value": np.zeros(2), "ts": np.array([0, 1e300])},
        {"train": np.ones((5, 2)), "test": np.ones((5, 2)), "step_s": [6, 6]}, {"value": np.zeros(2), "ts": np.array([0, np.nan])},
        {"train": np.zeros((5, 2)) * 1j, "test": np.zeros((5, 2)), "step_s": 60}, {"train": 1.0, "test": 2.0, "step_s": 60},
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_refused_by_name_and_writes_nothing(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DatasetError, match=r"a\.npz"):
        replay.replay_file(tmp_path / "a.npz", tmp_path / "out/a.npz")
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_is_known_before_anything_is_scored(tmp_path):
    np.savez(tmp_path / "a.npz", train=np.zeros((5, 2)), test=np.zeros((5, 3)), step_s=60)
    with pytest.raises(DatasetError, match=r"a\.npz: train has 2 columns, test 3"):
        replay.count(tmp_path / "a.npz")


def test_a_step_may_be_an_array_of_one_and_what_is_not_finite_is_no_sample(tmp_path):
    np.savez(tmp_path / "a.npz", train=np.full((5, 1), np.inf), test=np.full((3, 1), -np.inf), step_s=[60])
    arrays = replay.checked(tmp_path / "a.npz")
    assert (float(arrays["step_s"]), np.isnan(arrays["train"]).all(), np.isnan(arrays["test"]).all()) == (60.0, True, True)


def test_scores_never_take_the_place_of_their_data(tmp_path):
    file = single(tmp_path / "a.npz")
    before = file.read_bytes()
    with pytest.raises(DatasetError, match="take its place"):
        replay.replay_file(file, tmp_path / "b" / ".." / "a.npz")
    assert file.read_bytes() == before


def test_files_of_objects_or_of_nothing_are_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", value=np.array([{}, []], object), ts=np.zeros(2))
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "half.npz").write_bytes(host(tmp_path / "whole.npz").read_bytes()[:1000])
    for name in ("objects", "text", "half", "missing"):
        with pytest.raises(DatasetError, match=name):
            replay.read(tmp_path / f"{name}.npz")
