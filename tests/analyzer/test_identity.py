"""Whose a series is."""

import pytest

from analyzer.identity import Identity, display_names, without_port


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("web-01:9100", "web-01"),
        ("10.0.0.1:9100", "10.0.0.1"),
        ("[::1]:9100", "::1"),
        ("[::1]", "::1"),
        ("fe80::1", "fe80::1"),
        ("web-01", "web-01"),
        ("https://a.example/x:1", "https://a.example/x:1"),
        ("a:b", "a:b"),
        (":9100", ":9100"),
        ("[broken:9100", "[broken:9100"),
        ("", ""),
    ],
)
def test_a_port_is_no_part_of_a_name(address, host):
    assert without_port(address) == host


def test_several_labels_are_joined():
    assert Identity(("cluster", "instance")).host({"cluster": "seoul", "instance": "web-01:9100"}) == "seoul/web-01"


def test_a_label_that_is_missing_is_left_out():
    assert Identity(("cluster", "instance")).host({"instance": "web-01:9100"}) == "web-01"


def test_ports_stay_where_they_tell_servers_apart():
    assert Identity(strip_port=False).host({"instance": "node:9101"}) == "node:9101"


def test_the_role_is_a_label_too():
    assert Identity(role_label="tier").role({"tier": "db", "role": "x"}) == "db"


def test_a_spoken_name_belongs_to_one_host_only():
    uname = [(("instance", f"10.0.0.{i}:9100"), ("nodename", name)) for i, name in enumerate(["web-01", "localhost", "localhost"])]
    assert display_names(Identity(), uname) == {"10.0.0.0": "web-01"}
