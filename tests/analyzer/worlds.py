"""Fixtures over the clockwork's made-up world, for this folder and for promises and threats."""

import pytest

from tests.analyzer import clockwork

LEARNED = {}  # two days that need not be learned by every test


@pytest.fixture
async def learned(tmp_path):
    """A state folder whose detectors have learned the world's two days; nothing was judged yet."""
    if not LEARNED:
        await clockwork.runner(clockwork.World(), clockwork.Disk(tmp_path)).prepare()
        LEARNED["npz"] = (tmp_path / "detectors.npz").read_bytes()
    (tmp_path / "detectors.npz").write_bytes(LEARNED["npz"])
    return clockwork.Disk(tmp_path)


@pytest.fixture
def world():
    """A fresh world."""
    return clockwork.World()
