"""Logs that cannot be forged and hold no secrets (row 44)."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from service import logs


@pytest.fixture
def written():
    """What a service logs, after ``setup``; the root logger is put back."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()

    def setup(form: str = "logfmt") -> io.StringIO:
        logs.setup("info", form, stream)  # type: ignore[arg-type]
        return stream

    yield setup
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_row_44_input_cannot_start_a_line_or_colour_a_terminal(written):
    stream = written()
    logs.get("t").info("said", words='a\r\nts=forged level=error msg="x" \x1b[31mred\x1b[0m \u202etxt \u2028 \x9b1m')
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.isprintable() or set(text) - set("\n") == {char for char in text if char.isprintable()}
    assert "\\r\\n" in text
    assert "\\x1b[31m" in text
    assert "\\u202e" in text


@pytest.mark.parametrize(
    "words",
    [
        "http://user:hunter2@prometheus:9090/api",
        "Authorization: Basic aHVudGVyMg==hunter2",
        "Bearer hunter2hunter2",
        "/x?token=hunter2&a=1",
        "password=hunter2",
        "{'api_key': 'hunter2'}",
        '{"client_secret":"hunter2"}',
        "redis://:hunter2@host/0",
    ],
)
def test_row_44_secret_in_words_is_cut_out(words, written):
    stream = written()
    logs.get("t").info(words, detail=words, nested={"list": [words]})
    logging.getLogger("library").warning("said %s", words)
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 2


def test_row_44_secret_by_its_key_is_cut_out(written):
    stream = written()
    logs.get("t").info("x", password="hunter2", headers={"Authorization": "hunter2", "Accept": "a"}, tokens=3)
    assert "hunter2" not in stream.getvalue()
    assert "tokens=3" in stream.getvalue()


def test_traceback_is_one_line_without_secrets(written):
    stream = written()
    try:
        raise ValueError("password=hunter2\nlevel=error")
    except ValueError as exc:
        logs.get("t").error("failed", exc_info=exc)
        logging.getLogger("library").exception("failed")
    assert stream.getvalue().count("\n") == 2
    assert "hunter2" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_logfmt_has_prometheus_fields_first(written):
    stream = written()
    logs.get("web").info("listening on", port=1, name="한글", quoted='a "b"', empty="")
    words = stream.getvalue().split(" ", 1)
    assert words[0].startswith("ts=20")
    assert words[1] == 'level=info component=web msg="listening on" port=1 name=한글 quoted="a \\"b\\"" empty=""\n'


def test_json_is_one_object_a_line(written):
    stream = written("json")
    logs.get("web").warning("said", number=1.5)
    logging.getLogger("library").warning("plain")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["msg"], first["level"], first["number"], first["component"]) == ("said", "warning", 1.5, "web")
    assert (second["msg"], second["component"]) == ("plain", "library")


def test_level_is_honoured(written):
    stream = written()
    logs.get("t").debug("quiet")
    assert stream.getvalue() == ""


def test_endless_value_is_cut(written):
    stream = written()
    logs.get("t").info("x", detail="a" * 1_000_000)
    assert len(stream.getvalue()) < 10_000


def test_loggers_made_by_structlog_itself_say_it_in_the_same_words(written):
    early = structlog.get_logger("analyzer.store")  # at import, before anything was set up
    stream = written()
    early.warning("kept", password="hunter2", n=3)
    line = stream.getvalue()
    assert "level=warning component=analyzer.store msg=kept" in line
    assert 'password="<secret>"' in line or "password=<secret>" in line
