"""Alerts of others worked off: each explained once, ours never, whatever the order they come in and whatever breaks."""

import asyncio
import contextlib

import pytest

from analyzer.api.webhook import normalise
from analyzer.explain.engine import LocalExplainer
from analyzer.inbox import Inbox
from analyzer.store import Store
from tests.analyzer.reports import NOW, opened

FIRING = {
    "status": "firing", "labels": {"alertname": "HighCPU", "instance": "web-01"}, "annotations": {},
    "startsAt": "2026-09-21T14:00:00Z", "fingerprint": "f00d",
}  # fmt: skip
RESOLVED = FIRING | {"status": "resolved", "endsAt": "2026-09-21T14:10:00Z"}


class Companions:
    """Who was told what."""

    def __init__(self):
        self.firing, self.calls = {}, []

    async def companion(self, labels, fingerprint, annotations, starts):
        self.calls.append((fingerprint, annotations, starts))
        self.firing[fingerprint] = labels

    async def end_companion(self, fingerprint):
        self.firing.pop(fingerprint, None)


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "state.sqlite", clock=lambda: NOW)
    yield store
    await store.close()


async def put(store, *alerts):
    await store.put_webhook(normalise({"groupKey": "g", "alerts": list(alerts)}, NOW))


def inbox(store, companions=None, board=None, **options):
    board = opened().board if board is None else board
    return Inbox(store, options.pop("explainer", LocalExplainer()), lambda: board or None, companions, clock=lambda: NOW, **options)


async def work(box, store):
    await box.work_off(await store.waiting_webhook())


async def test_an_alert_is_explained_stored_and_posted_beside_the_original(store):
    companions = Companions()
    await put(store, FIRING)
    await work(inbox(store, companions), store)
    words = await store.explanation("f00d")
    assert set(words.texts) == {"en", "ko"}
    name, annotations, starts = companions.calls[0]
    assert (name, starts) == ("f00d", 1789999200.0)
    assert {"summary", "description", "actions", "summary_ko", "description_ko", "actions_ko"} == set(annotations)
    assert await store.waiting_webhook() == []


@pytest.mark.parametrize("labels", [{"source": "openmanager"}, {"explains": "beef"}])
async def test_our_own_alerts_and_explanations_are_never_explained(store, labels):
    companions = Companions()
    await put(store, FIRING | {"labels": FIRING["labels"] | labels})
    await work(inbox(store, companions), store)
    assert (await store.explanation("f00d"), companions.calls, await store.waiting_webhook()) == (None, [], [])


async def test_the_companion_ends_with_the_alert(store):
    companions = Companions()
    await put(store, FIRING, RESOLVED)
    await work(inbox(store, companions), store)
    assert companions.firing == {}


async def test_a_firing_that_comes_after_its_end_raises_no_companion(store):
    companions = Companions()
    await put(store, RESOLVED)
    await work(inbox(store, companions), store)
    await put(store, FIRING)
    await work(inbox(store, companions), store)
    assert companions.calls == []
    assert await store.explanation("f00d") is not None


async def test_an_alert_that_fires_again_later_has_a_companion_again(store):
    companions = Companions()
    await put(store, FIRING, RESOLVED, FIRING | {"startsAt": "2026-09-21T14:12:00Z"})
    await work(inbox(store, companions), store)
    assert list(companions.firing) == ["f00d"]


async def test_without_companions_it_is_explained_all_the_same(store):
    await put(store, FIRING)
    await work(inbox(store), store)
    assert await store.explanation("f00d") is not None


async def test_an_alert_that_breaks_the_explainer_does_not_keep_the_others_waiting(store):
    class Stumbling(LocalExplainer):
        def explain_alert(self, labels, annotations, board, fingerprint=""):
            if fingerprint == "bad":
                raise KeyError("unforeseen")
            return super().explain_alert(labels, annotations, board, fingerprint)

    await put(store, FIRING | {"fingerprint": "bad"}, FIRING)
    await work(inbox(store, explainer=Stumbling()), store)
    assert await store.explanation("f00d") is not None
    assert await store.waiting_webhook() == []


async def test_an_alert_without_a_start_began_when_it_came(store):
    companions = Companions()
    await put(store, FIRING | {"startsAt": "0001-01-01T00:00:00Z"})
    await work(inbox(store, companions), store)
    assert companions.calls[0][2] == NOW


async def test_words_before_the_first_cycle_carry_the_time_they_were_asked_for(store):
    await put(store, FIRING)
    await work(inbox(store, board=False), store)
    assert (await store.explanation("f00d")).time == NOW


async def test_an_alert_waits_for_the_first_cycle_after_a_start(store):
    boards = [None]
    box = Inbox(store, LocalExplainer(), lambda: boards[0], clock=lambda: NOW, wait=0.05)
    await put(store, FIRING)
    async with running(box):
        await asyncio.sleep(0.1)
        assert await store.explanation("f00d") is None
        boards[0] = opened().board
        await until(lambda: store.explanation("f00d"))


async def test_what_a_kill_left_is_worked_off_at_the_next_start(store):
    await put(store, FIRING)
    async with running(inbox(store)):
        await until(lambda: store.explanation("f00d"))


async def test_it_goes_on_when_it_is_woken(store):
    box = inbox(store)
    async with running(box):
        await asyncio.sleep(0.05)
        await put(store, FIRING)
        box.wake()
        await until(lambda: store.explanation("f00d"))


async def until(ask, seconds=10.0):
    """Until the answer is true."""
    async with asyncio.timeout(seconds):
        while not await ask():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(box):
    """The worker, for as long as the block."""
    task = asyncio.create_task(box.run())
    yield task
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
