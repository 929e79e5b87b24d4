"""The table of `make bench-accuracy`, and that make calls it as it wants to be called."""

import shlex
from pathlib import Path

import pytest

from tests.bench.accuracy import arguments, main, tables

ROOT = Path(__file__).resolve().parents[2]
MEAN = {
    "vus_pr": 0.604,
    "auc_pr": 0.488,
    "ev_f1": 0.546,
    "ev_false_alarms_per_day": 0.23,
    "ips@100": 0.91,
    "mae_ratio_3600s": 0.777,
}


def test_make_calls_it_as_it_wants_to_be_called():
    line = next(x for x in (ROOT / "Makefile").read_text().splitlines() if "tests.bench.accuracy" in x)
    words = shlex.split(line.split("tests.bench.accuracy")[1].split("$(if")[0].replace("$(", "").replace(")", ""))
    options = [word for word in words if word.startswith("--")]
    assert options == ["--data", "--score"]
    assert arguments().parse_args(["--data", "d", "--score", "s", "--sets", "asd"]).sets == "asd"


def test_ours_stand_above_the_peers_with_seconds_a_machine():
    lines = tables({"asd": {"mean": MEAN}}, {"asd": [10.0, 20.0]}).splitlines()
    assert lines[0].split() == ["ASD,", "2", "machines", "VUS-PR", "AUC-PR", "event", "F1", "false/day", "IPS@100", "s/machine"]
    assert lines[1].split() == ["openmanager", "0.604", "0.488", "0.546", "0.23", "0.910", "15.00"]
    assert lines[-2].split()[-3:] == ["0.777", "nan", "nan"]
    assert len({len(line) for line in lines[: lines.index("")]}) == 1


def test_nab_has_its_own_peers():
    mean = {"nab_standard": 17.8, "nab_standard_own_flag": 12.0}
    assert "  openmanager                                    17.8       12.0       1.00" in tables(
        {"nab": {"mean": mean}}, {"nab": [1.0]}
    )


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--data", "/nowhere", "--score", "/x"], "no sub-folder"), (["--data"], "expected")]
)
def test_what_is_not_there_is_said(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr("sys.argv", ["accuracy", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert said in str(ended.value) + capsys.readouterr().err
