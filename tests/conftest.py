"""What tests share: real servers on loopback, in temp folders, ended by pid."""

import pytest

from deploy.local import servers


@pytest.fixture
def prometheus(tmp_path):
    """A factory of real Prometheus servers: `prometheus(config_text, receiver=True)` -> Running, ready."""
    yield from _factory(tmp_path, "prom.yml", servers.start_prometheus)


@pytest.fixture
def alertmanager(tmp_path):
    """A factory of real Alertmanagers: `alertmanager(config_text)` -> Running, ready."""
    yield from _factory(tmp_path, "am.yml", servers.start_alertmanager)


def _factory(tmp_path, file, start):
    running = []

    def make(config, **options):
        folder = tmp_path / f"{file}.{len(running)}"
        folder.mkdir()
        (folder / file).write_text(config)
        server = start(folder / file, folder, **options)
        running.append(server)
        return server.wait_ready()

    yield make
    for server in running:
        server.stop()
