"""Exposition text: escaping, order, floats, and what Prometheus's own parser makes of it."""

import gzip
import math
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.servers import need
from exporter.families import Family
from exporter.render import CONTENT_TYPE, Page, Printer, compress, print_floats, series, wants_gzip

LOAD = "node_load1"
UP = "node_network_up"


def samples(text: bytes) -> list[tuple[str, dict[str, str], float]]:
    families = text_string_to_metric_families(text.decode())
    return [(s.name, s.labels, s.value) for family in families for s in family.samples]


def test_page_has_help_type_and_value():
    assert Page([LOAD], [()]).text([0.25]) == (
        b"# HELP node_load1 Tasks running or waiting, averaged over 1 minute.\n# TYPE node_load1 gauge\nnode_load1 0.25\n"
    )


def test_rows_of_a_family_are_brought_together():
    page = Page([UP, LOAD, UP], [{"device": "a"}, {}, {"device": "b"}])
    values = [line.rsplit(b" ", 1)[1] for line in page.text([1, 2, 3]).splitlines() if not line.startswith(b"#")]
    assert values == [b"1.0", b"3.0", b"2.0"]


def test_newline_quote_and_backslash_are_escaped():
    assert series("a", {"b": 'x\n"\\y'}) == b'a{b="x\\n\\"\\\\y"} '


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_label_value_reads_back_equal(value):
    text = series("up", {"mountpoint": value}).decode() + "1\n"
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"mountpoint": value}


def test_file_name_that_is_not_utf8_does_not_break_the_page():
    undecodable = b"/mnt/\xff".decode("utf-8", "surrogateescape")
    series("up", {"mountpoint": undecodable}).decode("utf-8", "strict")


def test_lone_surrogate_does_not_break_the_page():
    assert b"\xef\xbf\xbd" in series("up", {"a": "x\ud800y"})


@pytest.mark.parametrize("label", ["__reserved", "1a", "a-b", "", "라벨"])
def test_label_name_that_the_format_forbids_is_refused(label):
    with pytest.raises(ValueError, match="label name"):
        series("up", {label: "x"})


@pytest.mark.parametrize("name", ["a b", "", "1up", "up\n", "이름"])
def test_metric_name_that_the_format_forbids_is_refused(name):
    with pytest.raises(ValueError, match="metric name"):
        series(name)


def test_nan_and_infinities_are_written_as_prometheus_reads_them():
    assert print_floats(np.array([math.nan, math.inf, -math.inf, 1.5])) == [b"NaN", b"+Inf", b"-Inf", b"1.5"]


@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_printed_floats_are_bit_exact(values):
    assert [float(text) for text in print_floats(np.array(values, dtype=float))] == values


def test_repeated_series_appears_once():
    page = Page([UP, UP], [{"device": "a"}, {"device": "a"}])
    assert samples(page.text([1, 0])) == [(UP, {"device": "a"}, 1.0)]


def test_empty_page_is_empty_text():
    assert Page([], []).text([]) == b""


def test_name_that_nobody_declared_is_refused():
    with pytest.raises(KeyError, match="node_nonsense"):
        Page(["node_nonsense"], [()])


def test_families_of_another_room_can_be_added():
    extra = {"app_requests_total": Family("app_requests_total", "counter", "Requests\nserved.")}
    text = Page(["app_requests_total"], [()], extra).text([3])
    assert text == b"# HELP app_requests_total Requests\\nserved.\n# TYPE app_requests_total counter\napp_requests_total 3.0\n"


def test_printer_follows_series_that_come_and_go():
    printer = Printer()
    printer.text([(UP, (("device", "a"),), 1.0)])
    text = printer.text([(UP, (("device", "b"),), 0.0), (LOAD, (), 2.0)])
    assert samples(text) == [(UP, {"device": "b"}, 0.0), (LOAD, {}, 2.0)]


def test_printer_keeps_the_layout_while_series_stay():
    printer = Printer()
    printer.text([(LOAD, (), 1.0)])
    page = printer.page
    assert samples(printer.text([(LOAD, (), 5.0)])) == [(LOAD, {}, 5.0)]
    assert printer.page is page


def test_gzip_only_when_asked():
    assert compress(b"x", "") == (b"x", {"Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"})
    body, headers = compress(b"x", "deflate, gzip;q=0.5")
    assert (gzip.decompress(body), headers["Content-Encoding"]) == (b"x", "gzip")


@pytest.mark.parametrize(("header", "wanted"), [("gzip;q=0", False), ("GZIP", True), ("identity", False), ("x-gzip", False)])
def test_accept_encoding_is_read(header, wanted):
    assert wants_gzip(header) is wanted


@pytest.mark.servers
def test_promtool_reads_awkward_values():
    page = Page(["openmanager_fleet_fault_active"] * 2, [{"server": 'a"\\\n'}, {"server": "서버"}])
    check = subprocess.run([need("promtool"), "check", "metrics"], check=False, input=page.text([math.nan, 1]), capture_output=True)
    assert check.stdout + check.stderr == b""
