"""What tests of the analyzer share."""

import asyncio
import contextlib
import threading

import pytest

from tests.analyzer.worlds import learned, world

__all__ = ["in_background", "learned", "world"]


@pytest.fixture
def in_background():
    """A factory: runs an async context manager on a loop of its own in a thread and gives what it yields, until the test ends."""
    ends = []

    def start(manager):
        loop, ready, over, made = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

        async def serve():
            async with manager as value:
                made.append(value)
                ready.set()
                await over.wait()

        def run():
            try:
                loop.run_until_complete(serve())
            finally:
                ready.set()
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        ready.wait(30)
        ends.append((loop, over, thread))
        return made[0]

    yield start
    for loop, over, thread in ends:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(over.set)
        thread.join(30)
