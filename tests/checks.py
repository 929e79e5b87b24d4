"""`make check`, the part beyond lint and types: every file that another program will read is shown to that program.

Rules and their tests, Prometheus's and Alertmanager's configuration, web configuration, our own metrics (promtool, amtool), the
compose file and its mounts, and the repository's own manners. Prints a line a check; exit 1 when one fails.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from deploy.local.servers import need

ROOT = Path(__file__).resolve().parent.parent
Result = str | None  # what is wrong


def run(*command: str | Path, stdin: bytes | None = None) -> Result:
    """None when the program is content, otherwise what it said."""
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, cwd=ROOT, timeout=120, check=False)
    return None if done.returncode == 0 else (done.stdout + done.stderr).decode(errors="replace").strip()


def rules() -> Result:
    """promtool reads every rule file."""
    return run(need("promtool"), "check", "rules", *sorted((ROOT / "alert_rules").glob("*.yml")))


def rule_tests() -> Result:
    """Every rule fires when it should and not before."""
    return run(need("promtool"), "test", "rules", *sorted((ROOT / "alert_rules/tests").glob("*.yml")))


def rule_texts() -> Result:
    """Every alert has both languages, a severity and a runbook section that exists."""
    runbooks = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w-]", "", line.lstrip("# ").strip().lower()) for line in runbooks.splitlines() if line.startswith("#")}
    wrong = []
    for file in sorted((ROOT / "alert_rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            for rule in (r for r in group["rules"] if "alert" in r):
                notes = rule["annotations"]
                missing = {"summary", "description", "summary_ko", "description_ko", "runbook_url"} - notes.keys()
                if missing or "severity" not in rule["labels"]:
                    wrong.append(f"{file.name}: {rule['alert']}: lacks {sorted(missing) or 'severity'}")
                elif notes["runbook_url"].rpartition("#")[2] not in anchors:
                    wrong.append(f"{file.name}: {rule['alert']}: no section in docs/runbooks.md")
    return "\n".join(wrong) or None


def own_metrics() -> Result:
    """promtool finds nothing to say about our metrics."""
    from prometheus_client import generate_latest

    from analyzer.selfmetrics import SelfMetrics

    return run(need("promtool"), "check", "metrics", stdin=generate_latest(SelfMetrics().registry))


def demo_files() -> Result:
    """What the demo writes for Prometheus, Alertmanager and the analyzer is accepted by them."""
    from analyzer.config import from_text
    from deploy.local.layout import Layout, alertmanager_yml, analyzer_yml, prometheus_yml

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        at = Layout(folder, 9090, 9093, 10180, 10181, ROOT / "alert_rules")
        (folder / "prom.yml").write_text(prometheus_yml(at))
        (folder / "am.yml").write_text(alertmanager_yml(at))
        for embedded in (False, True):
            from_text(analyzer_yml(at, embedded=embedded, with_alerts=not embedded, lang="ko", timezone="Asia/Seoul"))
        return run(need("promtool"), "check", "config", folder / "prom.yml") or run(
            need("amtool"), "check-config", folder / "am.yml"
        )


def compose_file() -> Result:
    """docker-compose.yml and the Dockerfile name only what is there, and flags that the real programs have."""
    from tests.deploy import compose

    parsed = compose.load()
    return "\n".join(problem for check in compose.ALL for problem in check(parsed)) or None


def compose_configs() -> Result:
    """Prometheus, Alertmanager, the analyzer and the token reader accept the files of deploy/compose."""
    from tests.deploy import stack

    return "\n".join(stack.all_wrong()) or None


def systemd_units() -> Result:
    """systemd reads the units; their flags exist."""
    from tests.deploy import units

    return "\n".join(units.all_wrong()) or None


def wheel() -> Result:
    """An installed openmanager has every file."""
    from tests.deploy import wheel

    return "\n".join(wheel.all_wrong()) or None


def dashboards() -> Result:
    """Dashboards are as their code makes them; queries parse and ask for metrics that are written."""
    from tests.deploy import dashboards

    return "\n".join(dashboards.all_wrong()) or None


def documents() -> Result:
    """Every configuration key, metric, alert and file that the documents should name is named, and every link leads somewhere."""
    from tests.deploy import documents

    return "\n".join(documents.all_wrong()) or None


def manners() -> Result:
    """No machine's paths, no registry's addresses, nothing unfinished in what is tracked."""
    pattern = r"(^|[^a-zA-Z0-9_.])/(work|root|farm)/|--(extra-)?index-url|\b(TODO|FIXME|XXX)\b"
    done = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", ":!tests/checks.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:2000] or None


def checks() -> Iterator[tuple[str, Callable[[], Result]]]:
    """All of them, by name."""
    yield "rules", rules
    yield "rule tests", rule_tests
    yield "rule texts", rule_texts
    yield "own metrics", own_metrics
    yield "demo files", demo_files
    yield "compose file", compose_file
    yield "compose configs", compose_configs
    yield "systemd units", systemd_units
    yield "wheel", wheel
    yield "dashboards", dashboards
    yield "documents", documents
    yield "manners", manners


def main() -> int:
    """Run all; print one line each."""
    failed = 0
    for name, check in checks():
        wrong = check()
        print(f"{'FAIL' if wrong else 'ok':<5}{name}")
        if wrong:
            failed += 1
            print("     " + wrong.replace("\n", "\n     "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
