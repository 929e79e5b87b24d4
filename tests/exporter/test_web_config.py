"""Flags become one checked value, or an error that names the flag."""

import pytest
from click.testing import CliRunner

from exporter import __main__ as program
from exporter.config import Config, ConfigError, FleetConfig, is_address, seconds


@pytest.fixture
def configured(monkeypatch):
    """Run the program with flags; gives (exit code, output, the Config that it would have run)."""

    def run(*flags):
        seen = []
        monkeypatch.setattr(program, "run", seen.append)
        result = CliRunner().invoke(program.main, flags)
        return result.exit_code, result.output, seen[0] if seen else None

    return run


def test_defaults_listen_on_loopback_only(configured):
    code, _, config = configured()
    assert (code, config.listen, config.fleet) == (0, ("127.0.0.1:10180",), FleetConfig())


def test_flags_reach_the_config(configured):
    flags = ["--web.listen-address=:1", "--web.listen-address=[::1]:2", "--fleet.size=3", "--fleet.deploy=manual", "--fleet.seed=9"]
    _, _, config = configured(*flags, "--fleet.deploy-interval=1m30s", "--log.format=json")
    assert config.listen == (":1", "[::1]:2")
    assert config.fleet == FleetConfig(3, "manual", 90.0, 9)
    assert config.log_format == "json"


def test_collectors_are_switched_one_by_one(configured):
    _, _, config = configured("--collector.processes", "--no-collector.cpu")
    assert "processes" in config.host.collect
    assert "cpu" not in config.host.collect


def test_defaults_can_be_left_out(configured):
    _, _, config = configured("--collector.disable-defaults", "--collector.cpu")
    assert config.host.collect == {"cpu"}


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--fleet.size=-1", "--fleet.size: may be 0 to 10000"),
        ("--web.listen-address=nowhere", "--web.listen-address: may be HOST:PORT"),
        ("--collector.timeout=0s", "--collector.timeout: may be 10ms to 60s"),
        ("--fleet.deploy-interval=soon", "not a duration"),
        ("--fleet.deploy=never", "--fleet.deploy"),
        ("--nonsense", "No such option"),
    ],
)
def test_bad_flag_stops_the_start_and_names_itself(configured, flag, said):
    code, output, config = configured(flag)
    assert (code, config) == (2, None)
    assert said in output


@pytest.mark.parametrize(("text", "value"), [("15s", 15.0), ("500ms", 0.5), ("1m30s", 90.0), ("2", 2.0), ("0.5s", 0.5)])
def test_durations_are_prometheus_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "1x", "1s garbage", "-1s"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


@pytest.mark.parametrize(("text", "good"), [("a:1", True), (":65535", True), (":65536", False), ("a", False), ("::1:80", False)])
def test_addresses_have_a_port(text, good):
    assert is_address(text) is good


def test_config_without_addresses_is_refused():
    with pytest.raises(ConfigError, match="listen-address"):
        Config(listen=())
