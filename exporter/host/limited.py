"""Calls that may hang -> outcomes in bounded time.

A read from a dead mount or a stuck driver cannot be cancelled, only waited for somewhere else. Calls run one after another
in one thread of their own; a call that passes its limit keeps that thread, a new thread goes on with the rest, and the call
is not started again until it has come back. So threads are bounded by the number of distinct calls, however often we are asked.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one call: a value, or the error that kept it from giving one.

    `seconds` is the time it took; for a call that still hangs, the time that was waited.
    """

    value: T | None
    error: Exception | None
    seconds: float


class InFlightError(Exception):
    """The call has not come back in time, or an earlier one has not come back yet."""


@dataclass(slots=True)
class Batch(Generic[T]):
    """Calls given to one thread, and how far it is."""

    todo: deque[tuple[str, Callable[[], T]]]
    done: dict[str, Outcome[T]] = field(default_factory=dict)
    current: str = ""
    started: float = 0.0
    abandoned: bool = False
    finished: threading.Event = field(default_factory=threading.Event)


class Limited(Generic[T]):
    """Runs calls with a time limit each; at most one call of a name in flight.

    Parameters
    ----------
    seconds
        How long one call may take.
    """

    def __init__(self, seconds: float, name: str = "collector") -> None:
        self.seconds = seconds
        self.name = name
        self.stuck: set[str] = set()
        self.timeouts = 0
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._worker: SimpleQueue[Batch[T] | None] | None = None

    def run(self, calls: Mapping[str, Callable[[], T]]) -> dict[str, Outcome[T]]:
        """All outcomes, by name. Takes at most the limit for each call that newly hangs, plus the others' own time."""
        with self._turn:
            with self._state:
                waiting = {name for name in calls if name in self.stuck}
            late = InFlightError("an earlier call has not come back")
            outcomes: dict[str, Outcome[T]] = {name: Outcome(None, late, 0.0) for name in waiting}
            todo = deque((name, call) for name, call in calls.items() if name not in waiting)
            while todo:
                batch = Batch(todo)
                self._thread().put(batch)
                self._wait(batch)
                outcomes.update(batch.done)
                todo = batch.todo
            return {name: outcomes[name] for name in calls}

    def close(self) -> None:
        """Lets the idle thread end; threads that hang end when their call does."""
        with self._turn:
            if self._worker is not None:
                self._worker.put(None)
                self._worker = None

    def _thread(self) -> SimpleQueue[Batch[T] | None]:
        if self._worker is None:
            self._worker = SimpleQueue()
            # daemon: a thread that hangs for ever must not keep the process from ending
            threading.Thread(target=self._work, args=(self._worker,), name=self.name, daemon=True).start()
        return self._worker

    def _wait(self, batch: Batch[T]) -> None:
        """Until the batch is through, or its current call has passed the limit and is left behind."""
        remaining = self.seconds
        while not batch.finished.wait(remaining):
            with self._state:
                waited = time.monotonic() - batch.started
                if not batch.current or waited < self.seconds:
                    remaining = max(self.seconds - waited, 0.001) if batch.current else self.seconds
                    continue
                batch.abandoned = True
                self.stuck.add(batch.current)
                self.timeouts += 1
                self._worker = None
                error = InFlightError(f"took longer than {self.seconds:g} s")
                batch.done[batch.current] = Outcome(None, error, waited)
                return

    def _work(self, queue: SimpleQueue[Batch[T] | None]) -> None:
        while (batch := queue.get()) is not None:
            while batch.todo:
                with self._state:
                    name, call = batch.todo.popleft()
                    batch.current, batch.started = name, time.monotonic()
                outcome = attempt(call)
                with self._state:
                    if batch.abandoned:
                        self.stuck.discard(name)
                        return
                    batch.done[name] = outcome
                    batch.current = ""
            batch.finished.set()


def attempt(call: Callable[[], T]) -> Outcome[T]:
    """The call's outcome, timed."""
    started = time.monotonic()
    try:
        return Outcome(call(), None, time.monotonic() - started)
    except Exception as error:  # noqa: BLE001  one collector's failure, of whatever kind, must not cost the others
        return Outcome(None, error, time.monotonic() - started)


class Refreshed(Generic[T]):
    """The newest answer of a slow call (another program), renewed in the background when asked for.

    Parameters
    ----------
    call
        What to run, in a thread of its own, never twice at once.
    every
        Answers younger than this are not renewed, seconds.
    keep
        Answers older than this are no longer given out, seconds.
    """

    def __init__(self, call: Callable[[], T], every: float = 15.0, keep: float = 90.0) -> None:
        self.call = call
        self.every = every
        self.keep = keep
        self._outcome: Outcome[T] | None = None
        self._at = 0.0
        self._thread: threading.Thread | None = None

    def get(self, wait: float = 0.0) -> T:
        """The newest answer; waits up to `wait` seconds when there is none yet.

        Raises
        ------
        InFlightError
            When there is no answer that is young enough.
        """
        age = time.monotonic() - self._at
        if (self._outcome is None or age > self.every) and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._refresh, name="refresh", daemon=True)
            self._thread.start()
            if self._outcome is None:
                self._thread.join(wait)
        outcome = self._outcome
        if outcome is None or time.monotonic() - self._at > self.keep:
            raise InFlightError("no answer yet")
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[return-value]  # no error means that there is a value

    def _refresh(self) -> None:
        self._outcome, self._at = attempt(self.call), time.monotonic()
