"""The knowledge files: whole, checked, and extended by users."""

import re
import subprocess

import pytest
import yaml

from analyzer.explain.engine import LocalExplainer
from analyzer.explain.knowledge import KnowledgeError, load
from analyzer.records import BENIGN_KINDS, FAULT_KINDS
from deploy.local.servers import need
from tests.analyzer.explain.stories import STORIES

OWN = """
more_actions:
  - for: [search]
    en: "Call the search team about {host}."
    ko: "{host} 관련해 검색팀에 연락하세요."
"""


def test_every_kind_is_known_with_steps_and_queries():
    kinds = load()
    assert set(FAULT_KINDS) <= set(kinds)
    assert all(kind.actions and kind.queries for kind in kinds.values())


def test_only_the_benign_are_calm():
    assert {kind for kind, known in load().items() if known.calm} == BENIGN_KINDS


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_has_a_general_first_step(kind):
    assert any(not a.services and not a.moved for a in load()[kind].actions)


@pytest.mark.parametrize("kind", sorted(set(FAULT_KINDS) - BENIGN_KINDS))
def test_no_first_step_restarts_anything(kind):
    assert not re.search(r"systemctl restart|reboot\b(?!\))|kill -9", load()[kind].actions[0].text.en)


def test_a_users_step_comes_first(tmp_path):
    (tmp_path / "cpu_runaway.yml").write_text(OWN)
    texts = LocalExplainer(knowledge=tmp_path).explain(*STORIES["cpu_runaway"]()).texts
    assert texts["en"].actions[0] == "Call the search team about search-es-01."
    assert texts["ko"].actions[0] == "search-es-01 관련해 검색팀에 연락하세요."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("cause: {en: only English}", "cause needs text in both languages"),
        ("colour: red", "unknown key colour"),
        ("- a list", "not a mapping"),
        ("cause: {en: 'at {place}', ko: '{place}'}", "cause uses {place}"),
        ("cause: {en: 'run `x', ko: '`x`'}", "backtick without its partner"),
        ("actions: [{en: a, ko: 가, when: now}]", "an action has when"),
        ("actions: [{en: a, ko: 가, while: soon}]", "`while` is up or down"),
        ("actions: [{en: a, ko: 가, for: web}]", "`for` is a list of names"),
        ("rules_out: [{en: a, ko: 가}]", "needs `signals`"),
        ("a: &x [1]\nname: *x", "aliases"),
        ("name: [", "not YAML"),
    ],
)
def test_a_bad_file_stops_the_start_and_says_why(tmp_path, body, message):
    (tmp_path / "cpu_runaway.yml").write_text(body)
    with pytest.raises(KnowledgeError, match=re.escape(message)):
        load(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(KnowledgeError, match="no such folder"):
        load(tmp_path / "nowhere")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="languages: fr; known are en, ko"):
        LocalExplainer(languages=("en", "fr"))


@pytest.mark.servers
def test_every_query_is_promql(tmp_path):
    queries = [q.replace("{instance}", "a-01") for kind in load().values() for q in kind.queries]
    rules = [{"record": f"q:{n}", "expr": query} for n, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [need("promtool"), "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
