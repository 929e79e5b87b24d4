"""The checks of configuration, units and dashboards pass as things stand, and fail when they should."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import dashboards, stack, units, wheel


def overview() -> dict[str, Any]:
    return copy.deepcopy(json.loads((dashboards.FOLDER / "overview.json").read_text(encoding="utf-8")))


@pytest.mark.servers
def test_configuration_is_accepted_by_the_real_programs() -> None:
    assert stack.all_wrong() == []


@pytest.mark.servers
@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("prometheus.yml", "scrape_configs:", "scrape_config:", "scrape_config"),
        ("alertmanager.yml", "receiver: openmanager", "receiver: nobody", "nobody"),
        ("analyzer.yml", "hold: 45s", "hold: soon", "hold"),
    ],
)
def test_spoilt_configuration_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    real = stack.rewritten
    monkeypatch.setattr(
        stack, "rewritten", lambda name, folder: real(name, folder).replace(old, new) if name == file else real(name, folder)
    )
    assert any(said in problem for problem in stack.files(tmp_path))


def test_units_are_accepted() -> None:
    assert units.all_wrong() == []


def test_a_flag_that_does_not_exist_is_found_in_a_unit() -> None:
    text = (units.UNITS / "openmanager-analyzer.service").read_text().replace("--config.file", "--config")
    assert units.problems(text) == ["openmanager-analyzer has no --config"]


def test_the_wheel_holds_every_file() -> None:
    assert wheel.all_wrong() == []


def test_a_preset_that_the_wheel_lacks_is_found() -> None:
    project = (wheel.ROOT / "pyproject.toml").read_text().replace('"presets/*.yml", ', "")
    assert "analyzer/presets/node.yml" in wheel.tracked() - wheel.built(project)


def test_dashboards_are_as_the_code_makes_them_and_right() -> None:
    assert dashboards.all_wrong() == []


def test_a_key_that_grafana_does_not_know_is_found() -> None:
    board = overview()
    board["panels"][0]["titel"] = "x"
    assert dashboards.lost_keys(board) == ["panels[0].titel"]


def test_a_query_that_does_not_parse_is_found() -> None:
    board = overview()
    board["panels"][0]["targets"][0]["expr"] = "sum(openmanager_y"
    assert len(dashboards.bad_queries(board)) == 1


def test_a_metric_that_nobody_writes_is_found() -> None:
    board = overview()
    board["panels"][0]["targets"][0]["expr"] = "count(openmanager_helth_score)"
    assert dashboards.bad_queries(board) == [f"{board['panels'][0]['title']}: nobody writes openmanager_helth_score"]


def test_panels_that_overlap_are_found() -> None:
    board = overview()
    board["panels"][1]["gridPos"] = board["panels"][0]["gridPos"]
    assert dashboards.layout(board) == [f"{board['panels'][1]['title']}: lies over {board['panels'][0]['title']}"]
