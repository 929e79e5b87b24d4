"""A real Alertmanager notifies us; and a kill in the middle loses nothing that was answered with 200 (P9)."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from analyzer.api.app import add_routes
from analyzer.api.state import ApiState
from analyzer.archive import STORE
from analyzer.explain.engine import LocalExplainer
from analyzer.inbox import Inbox
from analyzer.sinks.alertmanager import AlertmanagerSink, AlertSettings, Target
from analyzer.store import Store
from deploy.local.servers import free_port
from service.app import create_app
from service.server import running
from tests.analyzer.reports import opened

TOKEN = "a-token-of-sixteen-letters-or-more"
CONFIG = """
route: {{receiver: om, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: om
    webhook_configs:
      - {{url: "{url}/webhook/alertmanager", send_resolved: true, http_config: {{authorization: {{credentials: "{token}"}}}}}}
"""


class Counting(LocalExplainer):
    """Counts what it was asked to explain."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def explain_alert(self, labels, annotations, board, fingerprint=""):
        self.asked.append(labels["alertname"])
        return super().explain_alert(labels, annotations, board, fingerprint)


@asynccontextmanager
async def watching(tmp_path, explainer):
    """Routes behind a bearer token, over a store; gives (url, store, the function that starts the inbox)."""
    store, board, boxes = await Store.open(tmp_path / "state.sqlite"), opened().board, []
    app = create_app(name="analyzer", registry=CollectorRegistry())

    def wake():
        for box in boxes:
            box.wake()

    add_routes(app, ApiState(lambda: board, str, store, bytes, time.time, wake_webhook=wake))
    tokens = tmp_path / "tokens.yml"
    tokens.write_text(f"bearer_tokens: {{alertmanager: {hashlib.sha256(TOKEN.encode()).hexdigest()}}}")

    def start(companions):
        boxes.append(Inbox(store, explainer, lambda: board, companions))
        return asyncio.create_task(boxes[0].run())

    async with running(app, tokens_file=tokens) as server:
        yield server.urls[0], store, start
    await store.close()


async def until(ask, seconds=20.0):
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):
            await asyncio.sleep(0.1)
    return answer


@pytest.mark.servers
async def test_alertmanagers_alert_is_stored_explained_once_and_has_a_companion_until_it_ends(alertmanager, tmp_path):
    explainer = Counting()
    async with watching(tmp_path, explainer) as (url, store, start), aiohttp.ClientSession() as session:
        manager = await asyncio.to_thread(alertmanager, CONFIG.format(url=url, token=TOKEN))
        sink = AlertmanagerSink([Target(manager.url, session)], store, settings=AlertSettings(mode="on", cycle=15, resend=15))
        await sink.start()
        work = start(sink)
        labels = {"alertname": "HighCPU", "instance": "web-01", "severity": "warning"}

        async def post(**more):
            async with session.post(f"{manager.url}/api/v2/alerts", json=[{"labels": labels} | more]) as reply:
                assert reply.status == 200

        async def firing():
            async with session.get(f"{manager.url}/api/v2/alerts") as reply:
                return {a["labels"]["alertname"]: a for a in await reply.json()}

        await post()
        both = await until(lambda: _both(firing))
        companion = both["HighCPUExplained"]
        assert companion["labels"]["explains"] == both["HighCPU"]["fingerprint"]
        assert {"summary", "summary_ko"} <= set(companion["annotations"])
        await asyncio.sleep(3)  # Alertmanager notifies us of the companion, and of the group again
        assert explainer.asked == ["HighCPU"]
        assert await store.explanation(both["HighCPU"]["fingerprint"]) is not None
        await post(endsAt=datetime.now(UTC).isoformat())
        await until(lambda: _gone(firing))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await sink.close()


async def _both(firing):
    now = await firing()
    return now if {"HighCPU", "HighCPUExplained"} <= set(now) else None


async def _gone(firing):
    return not await firing()


async def test_without_the_token_nobody_is_heard(tmp_path):
    async with watching(tmp_path, Counting()) as (url, store, _), aiohttp.ClientSession() as session:
        async with session.post(f"{url}/webhook/alertmanager", json={"alerts": [{}]}) as reply:
            assert reply.status == 401
        assert await store.waiting_webhook() == []


class Killed:
    """An analyzer of its own process, which is killed and started again over the same state."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.config = folder / "analyzer.yml"
        self.config.write_text(
            'reader: {source: embedded, targets: [{url: "http://127.0.0.1:1/metrics"}]}\n'
            f"state: {{directory: {folder / 'state'}}}\n"
        )

    def start(self):
        command = [sys.executable, "-m", "analyzer", "--config.file", self.config, "--web.listen-address", f"127.0.0.1:{self.port}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        deadline = time.monotonic() + 30
        while not self.answers("/-/healthy"):
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def answers(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False

    def send(self, n):
        alert = {"status": "firing", "labels": {"alertname": f"a{n}"}, "startsAt": "2026-09-21T14:00:00Z", "fingerprint": f"{n}"}
        return self.answers("/webhook/alertmanager", json.dumps({"groupKey": "g", "alerts": [alert]}).encode())


async def test_a_kill_in_the_middle_loses_nothing_that_was_answered(tmp_path):
    service = Killed(tmp_path)
    service.start()
    taken = []

    def send():
        while service.send(len(taken)):
            taken.append(str(len(taken)))

    sender = threading.Thread(target=send)
    sender.start()
    while len(taken) < 20:
        await asyncio.sleep(0.01)
    service.kill()
    sender.join()
    assert set(taken) <= set(await stored_in(tmp_path))
    service.start()
    assert all(service.send(n) for n in range(len(taken) + 3))  # as Alertmanager would, whatever it was told
    service.process.terminate()
    assert service.process.wait(10) == 0
    assert sorted(await stored_in(tmp_path), key=int) == [str(n) for n in range(len(taken) + 3)]


async def stored_in(folder):
    store = await Store.open(folder / "state" / STORE)
    stored = [row.alert["fingerprint"] for row in await store.waiting_webhook(100_000)]
    await store.close()
    return stored
