"""Exposition text: what is written is what is read, and nothing that is written can hurt."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from analyzer.exposition import REFUSED, parse, scan

NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
LABELS = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
SERIES = st.tuples(NAMES, st.dictionaries(LABELS, TEXTS, max_size=3).map(lambda d: tuple(sorted(d.items()))))
PAGES = st.dictionaries(SERIES, st.floats(allow_nan=False), max_size=8)
PAGE = b"""# HELP up_total Things.
# TYPE up_total counter
up_total{a="x",b="y"} 12 1700000000000
up_total{a="}\\"\\\\ # {",b="\xed\x95\x9c"} 0x
plain 1.5e3
  spaced  { a = "1" , }   7
hist_bucket{le="0.5"} 3 # {trace_id="a}b"} 0.4 1700000000
hist_bucket{le="}\\n # {x"} 4
inf +Inf
nan NaN
"""


def written(name, labels, value):
    def quoted(text):
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    inside = ",".join(f'{key}="{quoted(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {value!r}"


def test_a_page_with_every_oddity():
    page = parse(PAGE)
    found = dict(zip(zip(page.names, page.labels, strict=True), page.values.tolist(), strict=True))
    assert math.isnan(found.pop(("nan", ())))
    assert found == {
        ("up_total", (("a", "x"), ("b", "y"))): 12.0,
        ("plain", ()): 1500.0,
        ("spaced", (("a", "1"),)): 7.0,
        ("hist_bucket", (("le", "0.5"),)): 3.0,
        ("hist_bucket", (("le", "}\n # {x"),)): 4.0,
        ("inf", ()): math.inf,
    }
    assert page.bad == 1


@given(PAGES)
def test_what_is_written_is_read(samples):
    text = "\n".join(written(name, labels, value) for (name, labels), value in samples.items())
    page = parse(text.encode())
    assert dict(zip(zip(page.names, page.labels, strict=True), page.values.tolist(), strict=True)) == samples
    assert page.bad == 0


@given(st.dictionaries(st.tuples(NAMES, st.just(())), st.floats(allow_nan=False), max_size=5))
def test_the_client_library_reads_the_same(samples):
    text = "".join(f"{name} {value!r}\n" for (name, _), value in samples.items())
    theirs = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    page = parse(text.encode())
    assert dict(zip(page.names, page.values.tolist(), strict=True)) == theirs


@given(st.binary(max_size=200))
def test_no_bytes_can_hurt(body):
    page = parse(body)
    assert len(page.names) == len(page.labels) == len(page.values)


@given(st.lists(st.sampled_from([b'a{b="c"}', b'"', b"{", b"}", b" ", b"1", b"\\", b"#", b"\n", b",", b"=", b"\xff"]), max_size=30))
def test_no_pieces_of_a_page_can_hurt(pieces):
    parse(b"".join(pieces))


@pytest.mark.parametrize(
    "line",
    [
        "<html>",
        "a",
        "a b",
        "a 1_0",
        "a 1 2 3",
        'a{b="c" 1',
        "a{b=c} 1",
        'a{b="c",b="d"} 1',
        'a{__name__="b"} 1',
        "1a 1",
        '{b="c"} 1',
        "a{b} 1",
    ],
)
def test_a_bad_line_costs_itself(line):
    page = parse(f"good 1\n{line}\nlast 2".encode())
    assert page.names == ("good", "last")
    assert page.bad == 1


def test_bytes_that_are_no_text_cost_their_line():
    assert parse(b'a{b="\xff"} 1\nc 2').names == ("c",)


def test_names_that_need_quotes():
    page = parse(b'{"a.metric", b="c"} 1')
    assert (page.names, page.labels) == (("a.metric",), ((("b", "c"),),))


def test_only_what_is_wanted_is_looked_at():
    page = parse(b'other{broken 1\nwanted{a="b"} 2\nwanted_too 3', {"wanted"})
    assert page.names == ("wanted",)


def test_a_series_shown_twice_keeps_its_first_value():
    page = parse(b'a{b="1",c="2"} 1\na{b="1",c="2"} 9')
    assert page.values.tolist() == [1.0]


def test_known_lines_are_not_parsed_again():
    known = {}
    scan(b'a{b="c"} 1', known, lambda name, labels: 7)
    page = scan(b'a{b="c"} 2', known, lambda name, labels: pytest.fail("asked again"))
    assert (page.rows.tolist(), page.values.tolist()) == ([7], [2.0])


def test_what_was_refused_is_asked_again():
    known = {}
    assert scan(b"a 1", known, lambda name, labels: REFUSED).rows.tolist() == []
    assert scan(b"a 1", known, lambda name, labels: 3).rows.tolist() == [3]
