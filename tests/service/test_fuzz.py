"""Whatever comes in, a refusal is the worst that comes out."""

from __future__ import annotations

import contextlib
import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from service import logs, text
from service.body import unsnappy
from service.guard import check_path
from service.problems import Problem
from service.yamltext import ConfigError, parse

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)
few = settings(max_examples=150, deadline=None)


@few
@given(plain)
def test_what_is_written_is_read_back(value):
    try:
        wire = text.dumps(value)
    except UnicodeEncodeError:
        return  # a lone surrogate is refused on the way out too
    assert text.loads(wire) == value


@few
@given(st.text(alphabet='[]{}",:\\u0dD8 eE+-.019naNtrufls\x00\n', max_size=60))
def test_any_text_is_json_or_refused(source):
    try:
        value = text.loads(source.encode())
    except text.BadText as exc:
        assert exc.reason in {"bad_json", "too_deep", "bad_number", "not_finite", "bad_encoding", "bad_text", "schema"}
        return
    assert json.loads(source) == value
    assert not (isinstance(value, float) and math.isinf(value))


@few
@given(st.binary(max_size=60))
def test_any_bytes_are_text_or_refused(raw):
    with contextlib.suppress(text.BadText):
        text.loads(raw)
    try:
        unsnappy(raw, 1000)
    except Problem as exc:
        assert exc.status in {400, 413}


@few
@given(st.text(max_size=60))
def test_any_text_is_yaml_or_a_config_error(source):
    with contextlib.suppress(ConfigError):
        parse(source)


@few
@given(st.text(alphabet="./%2eEfF5cC\\0a", max_size=30))
def test_path_that_passes_has_no_way_up(path):
    from urllib.parse import unquote

    try:
        check_path("/" + path)
    except Problem as exc:
        assert (exc.status, exc.error) == (404, "bad_path")
        return
    assert ".." not in unquote("/" + path).split("/")


@few
@given(st.text(max_size=80))
def test_escaped_text_is_one_harmless_line(words):
    assert not [char for char in logs.escape(words) if ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0x202A <= ord(char) <= 0x202E]
