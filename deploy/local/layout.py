"""The demo's files: what Prometheus, Alertmanager and the analyzer are told, and on which ports. Values in, texts out."""

from dataclasses import dataclass
from pathlib import Path

import yaml

SCRAPE = "15s"
SEED_DAYS = 7


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one demo lies."""

    folder: Path
    prometheus: int
    alertmanager: int
    exporter: int
    analyzer: int
    rules: Path

    def url(self, name: str) -> str:
        """Loopback address of a part."""
        return f"http://127.0.0.1:{getattr(self, name)}"


def prometheus_yml(at: Layout) -> str:
    """Scrapes the fleet through /sd, this host, the analyzer; old samples are taken so that history can be seeded."""
    jobs = [
        {"job_name": "node", "http_sd_configs": [{"url": f"{at.url('exporter')}/sd", "refresh_interval": "5s"}]},
        {"job_name": "exporter", "static_configs": [{"targets": [f"127.0.0.1:{at.exporter}"]}]},
        {"job_name": "openmanager", "static_configs": [{"targets": [f"127.0.0.1:{at.analyzer}"]}]},
    ]
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": SCRAPE, "scrape_timeout": "10s", "evaluation_interval": SCRAPE},
            "storage": {"tsdb": {"out_of_order_time_window": f"{SEED_DAYS + 1}d"}},
            "scrape_configs": jobs,
            "rule_files": [str(at.rules / "*.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{at.alertmanager}"]}]}]},
        },
        sort_keys=False,
    )


def alertmanager_yml(at: Layout) -> str:
    """Everything goes to the analyzer's webhook."""
    hook = {"url": f"{at.url('analyzer')}/webhook/alertmanager", "send_resolved": True}
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "openmanager",
                "group_by": ["alertname", "instance"],
                "group_wait": "5s",
                "group_interval": "30s",
                "repeat_interval": "4h",
            },
            "receivers": [{"name": "openmanager", "webhook_configs": [hook]}],
        },
        sort_keys=False,
    )


def analyzer_yml(at: Layout, *, embedded: bool, with_alerts: bool, lang: str, timezone: str) -> str:
    """The analyzer of the demo: 15 s cycles, and alerts that are really sent."""
    reader: dict[str, object] = {
        "presets": ["node", "fleet"],
        "interval": SCRAPE,
        "scrape_interval": SCRAPE,
        "history_step": "5m",
        "judge_last": 0,
    }
    if embedded:
        reader |= {"source": "embedded", "sd_urls": [f"{at.url('exporter')}/sd"], "history": "15m", "history_step": SCRAPE}
    else:
        reader |= {"url": at.url("prometheus"), "selector": 'job="node"', "history": f"{SEED_DAYS}d"}
    alerting: dict[str, object] = {"mode": "on" if with_alerts else "observe", "hold": "30s"}
    if with_alerts:
        alerting["alertmanagers"] = [{"url": at.url("alertmanager")}]
    return yaml.safe_dump(
        {
            "reader": reader,
            "alerting": alerting,
            "explanation": {"default_language": lang},
            "writer": {"mode": "off" if embedded else "remote_write"},
            "server": {"listen": [f"127.0.0.1:{at.analyzer}"]},
            "state": {"directory": str(at.folder / "state")},
            "timezone": timezone,
            "external_url": at.url("analyzer"),
        },
        sort_keys=False,
    )
