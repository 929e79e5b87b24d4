"""systemd units: systemd reads them, and the programs they start have the flags they are given."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.deploy.compose import script_flags

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy/systemd"
WANTED = (
    "User=openmanager",
    "Restart=on-failure",
    "ExecReload=/bin/kill -HUP $MAINPID",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
)
BY_PATH = "/opt/openmanager/bin/"


def problems(text: str) -> list[str]:
    """What one unit lacks, and flags that its program has not."""
    wrong = [f"lacks {line}" for line in WANTED if line not in text.splitlines()]
    for program, rest in re.findall(rf"^ExecStart={BY_PATH}([\w-]+)(.*)$", text, re.MULTILINE):
        given = set(re.findall(r"--[a-z][\w.-]*", rest + " ".join(re.findall(r'^# OPTIONS="(.*)"', text, re.MULTILINE))))
        wrong += [f"{program} has no {flag}" for flag in sorted(given - script_flags(program))]
    return wrong


def verify(texts: dict[str, str]) -> list[str]:
    """systemd-analyze on copies whose programs are this environment's; nothing where there is no systemd."""
    if shutil.which("systemd-analyze") is None:
        return []
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / unit for unit in texts]
        for file in files:
            file.write_text(texts[file.name].replace(BY_PATH, f"{Path(sys.executable).parent}/"))
        done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout + done.stderr).strip().splitlines()


def all_wrong() -> list[str]:
    """Everything about every unit."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(UNITS.glob("*.service"))}
    return [f"{name}: {problem}" for name, text in texts.items() for problem in problems(text)] + verify(texts)
