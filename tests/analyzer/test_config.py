"""The configuration file: five lines are enough, and every mistake is answered with its place and the fix (threat row 37)."""

import pytest

from analyzer import duration
from analyzer.config import from_text, load
from analyzer.yamlfile import ConfigError

MINIMAL = "reader:\n  url: http://prometheus:9090\n"


def test_two_lines_are_a_configuration():
    config = from_text(MINIMAL)
    assert (config.reader.url, config.reader.interval, config.alerting.mode) == ("http://prometheus:9090", 60.0, "observe")


def test_derived_series_are_written_where_they_are_read_unless_told_otherwise():
    assert from_text(MINIMAL).writer.url == "http://prometheus:9090/api/v1/write"


def test_a_reader_with_credentials_lends_them_to_its_own_writer_only():
    text = MINIMAL + "  basic_auth: {username: om, password_file: /run/pw}\n"
    assert from_text(text).writer.http == {"basic_auth": {"username": "om", "password_file": "/run/pw"}}
    assert from_text(text + "writer: {url: http://elsewhere/api/v1/write}\n").writer.http == {}


def test_a_variable_comes_from_the_environment():
    assert from_text("reader: {url: 'http://${HOST}:9090'}", env={"HOST": "prom"}).reader.url == "http://prom:9090"


def test_embedded_without_an_address_to_write_to_writes_nowhere():
    assert from_text("reader: {source: embedded, sd_urls: [http://x/sd]}").writer.mode == "off"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reader:\n  url: http://x\n  intervall: 3s\n", "config.yml:3: reader.intervall: unknown key"),
        ("reader:\n  url: http://x\n  interval: 3x\n", "config.yml:3: reader.interval: '3x' is not a duration"),
        ("reader:\n  url: http://x\n  interval: 1s\n", "config.yml:3: reader.interval: a cycle shorter than the scrape"),
        ("reader:\n  url: ftp://x\n", "config.yml:2: reader.url: "),
        ("reader: {}\n", "config.yml:1: reader: source prometheus needs `url`"),
        ("reader:\n  url: ${NOPE}\n", "config.yml:2: reader.url: environment variable NOPE is not set"),
        ("reader:\n  url: http://x\n  url: http://y\n", "config.yml:3: url: the key is there twice"),
        ("a: &a [1]\nb: *a\n", "config.yml:2: aliases"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "config.yml:2: aliases"),
        (
            "reader: !!python/object/apply:os.system [x]\n",
            "config.yml:1: the tag tag:yaml.org,2002:python/object/apply:os.system is not taken",
        ),
        (MINIMAL + "alerting:\n  mode: on\n", "config.yml:4: alerting.mode: mode `on` needs"),
        (MINIMAL + "alerting:\n  mode: 'on'\n", "config.yml:4: alerting.mode: mode `on` needs"),
        (MINIMAL + "timezone: Mars/Base\n", "config.yml:3: timezone: 'Mars/Base' is no time zone"),
        (MINIMAL + "alerting:\n  maintenance:\n  - from: noon\n    to: x\n", "config.yml:5: alerting.maintenance.0.from: 'noon'"),
        ("[" * 100, "config.yml: nested deeper than 32"),
        ("", "config.yml: the file must hold sections"),
        ("\x00", "config.yml: not YAML"),
        ("a" * 1_100_000, "config.yml: larger than"),
    ],
)
def test_a_mistake_is_named_with_its_line(text, message):
    with pytest.raises(ConfigError) as error:
        from_text(text)
    assert str(error.value).startswith(message)


def test_a_file_that_is_not_text_or_not_there_is_the_users_mistake_too(tmp_path):
    (tmp_path / "c.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "c.yml", {})
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yml", {})


@pytest.mark.parametrize(("text", "value"), [("90s", 90.0), ("1h30m", 5400.0), ("7d", 604800.0), (15, 15.0), ("250ms", 0.25)])
def test_durations_read_as_in_prometheus(text, value):
    assert duration.seconds(text) == value
    assert duration.seconds(duration.text(value)) == value
