"""Which build this is: version from the installed distribution, revision from the environment of the image build."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from prometheus_client import CollectorRegistry, Info

DISTRIBUTION = "openmanager"


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0.0.0+source"  # run from a checkout that was never installed


VERSION = _version()


def info() -> dict[str, str]:
    """Version, revision and interpreter, as the build info metric shows them."""
    return {
        "version": VERSION,
        "revision": os.environ.get("OPENMANAGER_REVISION", "unknown"),
        "python": platform.python_version(),
    }


def register(registry: CollectorRegistry) -> None:
    """Put ``openmanager_build_info`` on `registry`."""
    Info("openmanager_build", "Build of this service, always 1.", registry=registry).info(info())
