"""Writes every dashboard as the JSON that Grafana provisions: `python -m grafana.dashboards.build`."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.dashboards import overview

FOLDER = Path(__file__).resolve().parents[1] / "provisioning/dashboards/openmanager"
DASHBOARDS = {"overview.json": overview.build}


def text(name: str) -> str:
    """One dashboard as it stands in its file."""
    return json.dumps(DASHBOARDS[name](), cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write all."""
    for name in DASHBOARDS:
        (FOLDER / name).write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
