"""The analyzer's configuration: one YAML file in, one frozen Config out, or a ConfigError that names line and key.

Shape and defaults are in `config.schema.json` beside this file; what a schema cannot say is checked here. Parsed once, reloaded
whole or not at all. Reading the file is the caller's (`load`); everything else is values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jsonschema

from analyzer.duration import seconds
from analyzer.signals import Signal, SignalError, load_presets, parse_matchers, parse_signals
from analyzer.yamlfile import ConfigError, Document, parse

HTTP_KEYS = ("basic_auth", "authorization", "tls_config", "headers")
Http = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Where samples come from. Durations in seconds."""

    source: Literal["prometheus", "embedded"]
    url: str
    presets: tuple[str, ...]
    signals: tuple[Signal, ...]
    selector: str
    interval: float
    scrape_interval: float
    timeout: float
    history: float
    history_step: float
    judge_last: float
    max_series: int
    max_bytes: int
    concurrency: int
    sd_urls: tuple[str, ...]
    targets: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    topology: Mapping[str, str]
    http: Http


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """Which labels make a server."""

    labels: tuple[str, ...]
    strip_port: bool
    role_label: str


@dataclass(frozen=True, slots=True)
class Detection:
    """How strict. `false_alarms_per_week` None = the shipped budget."""

    false_alarms_per_week: float | None
    ready_after: float
    new_normal_after: float
    seed: int


@dataclass(frozen=True, slots=True)
class ForecastConfig:
    """How far and how often to look ahead, seconds."""

    horizons: tuple[float, ...]
    every: float
    limit_within: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Something we call: address and Prometheus's http_config."""

    url: str
    http: Http


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """A span in which a host (or `*`) neither alerts nor teaches. Unix seconds."""

    start: float
    end: float
    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class Alerting:
    """What reaches people, and through whom."""

    mode: Literal["off", "observe", "on"]
    alertmanagers: tuple[Endpoint, ...]
    hold: float
    resend: float
    resolve_after: float
    explain_companions: bool
    silences: bool
    runbook_base: str
    dashboard_base: str
    maintenance: tuple[MaintenanceWindow, ...]


@dataclass(frozen=True, slots=True)
class ExplanationConfig:
    """In which languages, with which knowledge."""

    languages: tuple[str, ...]
    default_language: str
    knowledge: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Where derived series go."""

    mode: Literal["remote_write", "scrape", "off"]
    url: str
    prefix: str
    max_written_series: int
    queue_bytes: int
    queue_age: float
    http: Http


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where we listen."""

    listen: tuple[str, ...]
    web_config: str
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What survives a restart, and for how long."""

    directory: str
    retention: float
    snapshot_every: float


@dataclass(frozen=True, slots=True)
class Config:
    """All of it."""

    reader: Reader
    identity: IdentityConfig
    detection: Detection
    forecast: ForecastConfig
    alerting: Alerting
    explanation: ExplanationConfig
    writer: Writer
    server: ServerConfig
    state: State
    timezone: str
    external_url: str


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read and check a file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise ConfigError("not UTF-8 text", file=str(path)) from e
    except OSError as e:
        raise ConfigError(e.strerror or str(e), file=str(path)) from e
    return from_text(text, file=str(path), env=env)


def from_text(text: str, *, file: str = "config.yml", env: Mapping[str, str] | None = None) -> Config:
    """Check a text. Raises ConfigError with file, line, key and the fix."""
    document = parse(text, file=file, env=env)
    _validate(document)
    value = _defaults(schema(), document.value)
    _check_times(document, value)
    value["reader"]["signals"] = _signals(document, value["reader"])
    config = _build(value)
    _cross_check(document, config)
    return config


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema that ships beside this file."""
    text = Path(__file__).with_name("config.schema.json").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def _validate(document: Document) -> None:
    if not isinstance(document.value, dict):
        raise document.error("the file must hold sections such as `reader:`; it holds none", ())
    errors = sorted(jsonschema.Draft202012Validator(schema()).iter_errors(document.value), key=lambda e: len(e.absolute_path))
    if not errors:
        return
    error = errors[0]
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        unknown = next(k for k in error.instance if k not in error.schema["properties"])
        raise document.error(f"unknown key; known here: {', '.join(known)}", (*path, unknown))
    if error.validator == "anyOf":
        raise document.error(f"{error.instance!r} is not a duration; write it like 30s, 5m, 1h30m or 7d", path)
    raise document.error(error.message[:300], path)


def _signals(document: Document, reader: Mapping[str, Any]) -> tuple[Signal, ...]:
    """The presets' signals with the user's own on top."""
    try:
        if reader["selector"]:
            parse_matchers(reader["selector"])
        return parse_signals(reader["signals"] or {}, base=load_presets(reader["presets"]))
    except SignalError as e:
        raise document.error(e.problem, ("reader", *e.path)) from e
    except ConfigError as e:
        raise document.error(str(e), ("reader", "presets")) from e


def _check_times(document: Document, value: Mapping[str, Any]) -> None:
    for i, window in enumerate(value["alerting"]["maintenance"] or ()):
        for key in ("from", "to"):
            try:
                _time(window[key])
            except (ValueError, OverflowError) as e:
                message = f"{window[key]!r} is not a time with a zone; write it like 2026-11-21T02:00:00+09:00"
                raise document.error(message, ("alerting", "maintenance", i, key)) from e


def _defaults(rule: Mapping[str, Any], value: Any) -> Any:
    """The value with the schema's defaults filled in."""
    if "properties" in rule:
        given = value if isinstance(value, dict) else {}
        filled = {key: _defaults(sub, given.get(key, sub.get("default"))) for key, sub in rule["properties"].items()}
        return filled | {key: v for key, v in given.items() if key not in filled}
    if rule.get("type") == "array" and isinstance(value, list):
        return [_defaults(rule["items"], item) if isinstance(item, dict) else item for item in value]
    return value


def _http(section: Mapping[str, Any]) -> Http:
    given: dict[str, Any] = {}
    for key in HTTP_KEYS:
        value = {k: v for k, v in (section.get(key) or {}).items() if v is not None}
        if value:
            given[key] = value
    return given


def _build(value: Mapping[str, Any]) -> Config:
    return Config(
        reader=_reader(value["reader"]),
        identity=IdentityConfig(
            tuple(value["identity"]["labels"]), value["identity"]["strip_port"], value["identity"]["role_label"]
        ),
        detection=_detection(value["detection"]),
        forecast=_forecast(value["forecast"]),
        alerting=_alerting(value["alerting"]),
        explanation=_explanation(value["explanation"]),
        writer=_writer(value["writer"], value["reader"]),
        server=_server(value["server"]),
        state=_state(value["state"]),
        timezone=value["timezone"],
        external_url=(value["external_url"] or "").rstrip("/"),
    )


def _reader(v: Mapping[str, Any]) -> Reader:
    targets = tuple((t["url"], tuple(sorted((t["labels"] or {}).items()))) for t in v["targets"] or ())
    return Reader(
        source=v["source"],
        url=(v["url"] or "").rstrip("/"),
        presets=tuple(v["presets"]),
        signals=v["signals"],
        selector=v["selector"] or "",
        interval=seconds(v["interval"]),
        scrape_interval=seconds(v["scrape_interval"]),
        timeout=seconds(v["timeout"]),
        history=seconds(v["history"]),
        history_step=seconds(v["history_step"]),
        judge_last=seconds(v["judge_last"]),
        max_series=v["max_series"],
        max_bytes=v["max_bytes"],
        concurrency=v["concurrency"],
        sd_urls=tuple(v["sd_urls"] or ()),
        targets=targets,
        topology=v["topology"],
        http=_http(v),
    )


def _detection(v: Mapping[str, Any]) -> Detection:
    return Detection(v["false_alarms_per_week"], seconds(v["ready_after"]), seconds(v["new_normal_after"]), v["seed"])


def _forecast(v: Mapping[str, Any]) -> ForecastConfig:
    return ForecastConfig(tuple(seconds(h) for h in v["horizons"]), seconds(v["every"]), seconds(v["limit_within"]))


def _alerting(v: Mapping[str, Any]) -> Alerting:
    return Alerting(
        mode=v["mode"], alertmanagers=tuple(Endpoint(a["url"].rstrip("/"), _http(a)) for a in v["alertmanagers"] or ()),
        hold=seconds(v["hold"]), resend=seconds(v["resend"]), resolve_after=seconds(v["resolve_after"]),
        explain_companions=v["explain_companions"], silences=v["silences"], runbook_base=v["runbook_base"] or "",
        dashboard_base=v["dashboard_base"] or "",
        maintenance=tuple(_window(m) for m in v["maintenance"] or ()),
    )  # fmt: skip


def _window(v: Mapping[str, Any]) -> MaintenanceWindow:
    return MaintenanceWindow(_time(v["from"]), _time(v["to"]), v["host"] or "*", v["reason"] or "")


def _time(value: str) -> float:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("no zone")
    return at.timestamp()


def _explanation(v: Mapping[str, Any]) -> ExplanationConfig:
    return ExplanationConfig(tuple(dict.fromkeys(v["languages"])), v["default_language"], v["knowledge"] or "")


def _writer(v: Mapping[str, Any], reader: Mapping[str, Any]) -> Writer:
    url = v["url"] or (f"{reader['url'].rstrip('/')}/api/v1/write" if reader["url"] else "")
    mode: Literal["remote_write", "scrape", "off"] = (
        v["mode"] if url or v["mode"] != "remote_write" else "off"
    )  # embedded: nowhere to write to
    return Writer(
        mode, url, v["prefix"], v["max_written_series"], v["queue_bytes"], seconds(v["queue_age"]),
        _http(v) or (_http(reader) if not v["url"] else {}),
    )  # fmt: skip


def _server(v: Mapping[str, Any]) -> ServerConfig:
    return ServerConfig(
        tuple(v["listen"]), v["web_config"] or "", tuple(v["allowed_hosts"] or ()), tuple(v["allowed_origins"] or ())
    )


def _state(v: Mapping[str, Any]) -> State:
    return State(v["directory"], seconds(v["retention"]), seconds(v["snapshot_every"]))


def _cross_check(document: Document, config: Config) -> None:
    reader = config.reader
    if reader.source == "prometheus" and not reader.url:
        raise document.error("source prometheus needs `url`, such as http://127.0.0.1:9090", ("reader",))
    if reader.source == "embedded" and not (reader.sd_urls or reader.targets):
        raise document.error("source embedded needs `sd_urls` or `targets`", ("reader",))
    if reader.interval < max(reader.scrape_interval, 1.0):
        raise document.error("a cycle shorter than the scrape interval sees every sample twice", ("reader", "interval"))
    if reader.history_step < 1 or reader.history / reader.history_step > 20_000:
        raise document.error("history / history_step must lie within 20,000 points", ("reader", "history_step"))
    if reader.judge_last > reader.history / 2 or reader.judge_last > 7200:
        raise document.error("at most 2h, and at most half of `history`", ("reader", "judge_last"))
    if config.alerting.mode == "on" and not config.alerting.alertmanagers:
        raise document.error("mode `on` needs at least one entry in `alertmanagers`", ("alerting", "mode"))
    if any(w.end <= w.start for w in config.alerting.maintenance):
        raise document.error("a window must end after it starts", ("alerting", "maintenance"))
    try:
        ZoneInfo(config.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise document.error(f"{config.timezone!r} is no time zone; write it like UTC or Asia/Seoul", ("timezone",)) from e
