"""Planted faults outlive a restart, because the counters they fed do."""

import numpy as np
import pytest

from exporter.fleet import memory
from exporter.fleet.faults import Fault
from exporter.fleet.fleet import Fleet

NOW = 1_795_000_000.0


def test_a_restarted_fleet_goes_on_with_the_faults_of_the_one_before(tmp_path):
    file = tmp_path / "faults.json"
    first = Fleet(start=NOW, remember=lambda faults: memory.save(file, faults))
    planted = first.plant("cpu_runaway", "search-es-01", NOW, severity=0.8)
    again = Fleet(start=NOW + 600, faults=memory.load(file))
    assert again.faults(NOW + 600) == (planted,)
    assert np.array_equal(again.readings(NOW + 600).values, first.readings(NOW + 600).values, equal_nan=True)


def test_a_lifted_fault_stays_lifted_and_numbers_go_on(tmp_path):
    file = tmp_path / "faults.json"
    first = Fleet(start=NOW, remember=lambda faults: memory.save(file, faults))
    one = first.plant("cpu_runaway", "search-es-01", NOW)
    first.lift(one.id, NOW + 60)
    again = Fleet(start=NOW + 100, faults=memory.load(file))
    assert not again.faults(NOW + 100)[0].active(NOW + 100)
    assert again.plant("steal", "web-prod-01", NOW + 100).id != one.id


def test_no_file_is_no_faults(tmp_path):
    assert memory.load(tmp_path / "none.json") == ()


@pytest.mark.parametrize(
    "text", ["{", "[1]", '[{"id": "x"}]', '[{"id":"x","kind":"nope","server":"a","start":1,"duration_seconds":1}]']
)
def test_a_file_that_holds_something_else_is_named(tmp_path, text):
    (tmp_path / "faults.json").write_text(text)
    with pytest.raises(ValueError, match=r"faults\.json holds no faults"):
        memory.load(tmp_path / "faults.json")


def test_a_daily_job_without_an_end_comes_back_as_it_was(tmp_path):
    job = Fault("fault-0001", "batch_job", "analytics-01", NOW, 1200.0)
    memory.save(tmp_path / "faults.json", [job])
    assert memory.load(tmp_path / "faults.json") == (job,)
