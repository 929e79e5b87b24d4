"""The wheel holds every file of the packages: a preset or a page that is left out is missed only where it was installed."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("analyzer", "exporter", "service")


def tracked() -> set[str]:
    """Files of the packages that git knows."""
    done = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists() and not name.endswith((".md", ".po", ".pot"))}


def built(project: str | None = None) -> set[str]:
    """Files inside a wheel made of copies of what git knows, by this or another pyproject.toml."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (*tracked(), "pyproject.toml", "README.md", "LICENSE"):
            target = folder / "src" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / file).read_bytes())
        if project is not None:
            (folder / "src/pyproject.toml").write_text(project)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, folder / "src"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-1000:])
        (wheel,) = folder.glob("*.whl")
        return set(zipfile.ZipFile(wheel).namelist())


def all_wrong() -> list[str]:
    """Files that the wheel lacks."""
    return [f"the wheel lacks {name}" for name in sorted(tracked() - built())]
