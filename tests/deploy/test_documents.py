"""The documents say what is there, and the checks notice when they do not."""

from tests.deploy import documents


def test_the_documents_are_right() -> None:
    assert documents.all_wrong() == []


def test_a_key_that_is_not_described_is_found() -> None:
    document = documents.text("docs/configuration.md").replace("`judge_last`", "judging")
    assert documents.configuration(document) == ["docs/configuration.md does not name judge_last"]


def test_a_key_that_does_not_exist_is_found() -> None:
    document = documents.text("docs/configuration.md") + "\n| `juge_last` | `1` | x |\n"
    assert documents.configuration(document) == ["docs/configuration.md: no key juge_last"]


def test_a_wrong_default_is_found() -> None:
    document = documents.text("docs/configuration.md").replace("| `hold` | `2m` |", "| `hold` | `3m` |")
    assert documents.defaults(document) == ["docs/configuration.md: the default of hold is 2m, not 3m"]


def test_a_metric_without_a_row_is_found() -> None:
    document = documents.text("docs/metrics.md").replace("| `openmanager_health_score` |", "| health |")
    assert documents.metrics(document) == ["docs/metrics.md lacks openmanager_health_score"]


def test_an_alert_without_a_section_is_found() -> None:
    document = documents.text("docs/runbooks.md").replace("## HostDown\n", "")
    assert documents.runbooks(document) == ["docs/runbooks.md: no section for HostDown"]


def test_commands_that_differ_between_the_languages_are_found() -> None:
    english, korean = documents.text("README.md"), documents.text("README.ko.md")
    found = documents.readmes(english.replace("make demo\n```", "make demoo\n```"), korean)
    assert found == ["README.ko.md: commands or configuration differ from README.md", "README: no make target demoo"]
