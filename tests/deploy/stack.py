"""The compose stack's files shown to the programs that read them, with container paths and names rewritten to this machine's."""

import re
import subprocess
import tempfile
from pathlib import Path

from analyzer.config import from_text
from analyzer.yamlfile import ConfigError
from deploy.compose import tokens
from deploy.local.servers import need
from service.webconfig import read_tokens
from service.yamltext import ConfigError as WebConfigError

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy/compose"


def rewritten(name: str, folder: Path, hosts: dict[str, str] | None = None) -> str:
    """A file of deploy/compose with its secrets in `folder`, its rules in the repository, its services at `hosts`."""
    text = (COMPOSE / name).read_text(encoding="utf-8")
    text = secrets_here(text, folder).replace("/etc/prometheus/rules", str(ROOT / "alert_rules"))
    for service, address in (hosts or {}).items():
        text = re.sub(rf"(?<![\w.]){re.escape(service)}\b", address, text)
    return text


def secrets_here(text: str, folder: Path) -> str:
    """With the secrets' folder replaced."""
    return text.replace("/run/openmanager", str(folder))


def told(*command: str | Path) -> str:
    """What a program complains about; empty when it is content."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


def files(folder: Path) -> list[str]:
    """promtool, amtool, the analyzer and the services' token reader on the files of deploy/compose."""
    tokens.make(folder, renew=False, chown=False)
    (folder / "prometheus.yml").write_text(rewritten("prometheus.yml", folder))
    (folder / "alertmanager.yml").write_text(rewritten("alertmanager.yml", folder))
    wrong = [told(need("promtool"), "check", "config", folder / "prometheus.yml")]
    wrong.append(told(need("amtool"), "check-config", folder / "alertmanager.yml"))
    routes = ["config", "routes", "test", f"--config.file={folder / 'alertmanager.yml'}", "--verify.receivers=openmanager"]
    wrong.append(told(need("amtool"), *routes, "alertname=OpenManagerAnomaly", "severity=warning", "source=openmanager"))
    wrong.append(told(need("amtool"), *routes, "alertname=HostDown", "severity=critical"))
    try:
        from_text(rewritten("analyzer.yml", folder), file="analyzer.yml", env={"TZ": "Asia/Seoul"})
        for service in tokens.services(tokens.SECRETS):
            read_tokens(folder / f"{service}-tokens.yml")
    except (ConfigError, WebConfigError) as error:
        wrong.append(str(error))
    return [text for text in wrong if text]


def all_wrong() -> list[str]:
    """Everything about the files, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        return files(Path(name))
