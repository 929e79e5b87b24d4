"""A small analyzer for tests to kill: store, Alertmanager, remote write, one cycle after another; it goes on where it was stopped.

`python -m tests.analyzer.sinks.cycling FOLDER ALERTMANAGER RECEIVER LAST`: an incident opens in the fifth cycle and is resolved in
cycle LAST, after which the program ends by itself. Prints each cycle's number once everything of it was handed over.
"""

import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import structlog

from analyzer.sinks.alertmanager import AlertmanagerSink, AlertSettings, Target
from analyzer.sinks.backoff import Backoff
from analyzer.sinks.remote_write import RemoteWrite
from analyzer.sinks.spool import Spool
from analyzer.store import Store
from tests.analyzer.reports import EXPLANATION, FINDING, INCIDENT, report

EVERY = 0.05


def report_of(cycle, state):
    """The report of one cycle; `state` remembers when the incident opened."""
    now = time.time()
    finding = replace(FINDING, id=f"f{cycle}")
    if cycle < 5:
        return report(at=now, findings=(finding,))
    state.setdefault("opened", now)
    incident = replace(INCIDENT, opened=state["opened"], started=state["opened"], updated=now)
    if cycle < state["last"]:
        changed = (incident,) if cycle == 5 else ()
        return report(at=now, incidents=(incident,), changed=changed, explanations=(EXPLANATION,), findings=(finding,))
    return report(at=now, changed=(replace(incident, state="resolved", ended=now),), findings=(finding,))


async def main(folder, alertmanager, receiver, last):
    store = await Store.open(folder / "openmanager.sqlite")
    saved = await store.trackers()
    state = {"cycle": 0, "last": last} if saved is None else json.loads(saved[1])
    async with aiohttp.ClientSession() as client:
        settings = AlertSettings(mode="on", cycle=4, resend=1)  # 16 s until an alert ends: a start takes some
        alerts = AlertmanagerSink([Target(alertmanager, client)], store, settings=settings)
        writer = RemoteWrite(receiver, client, spool=Spool(folder / "spool"), backoff=Backoff(0.05, 0.2))
        await alerts.start()
        await writer.start()
        while state["cycle"] < last:
            state["cycle"] += 1
            made = report_of(state["cycle"], state)
            await store.put_report(made, json.dumps(state))
            await alerts.put(made)
            await writer.put(made)
            print(state["cycle"], flush=True)
            await asyncio.sleep(EVERY)
        await alerts.put(report(at=time.time()))
        await writer.drain(10)
        await asyncio.sleep(1.5)  # one more heartbeat
        await writer.close()
        await alerts.close()
    await store.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # standard output is for the cycles
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
