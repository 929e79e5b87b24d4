"""What waits to be written: a first-in first-out queue bounded by bytes and age, on disk where a directory is given.

In: compressed request bodies. Out: the oldest one, until it is taken off. A body is a file of its own, written beside and renamed,
so that a kill loses at most the one being written, and a restart finds the rest in order. What is over the bound goes from the
old end and is counted. When the disk refuses, bodies wait in memory.
"""

import os
import time as clocks
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"OMRW1\n"


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: evaluation time, number of samples, size of the body, and the body itself unless it lies on disk."""

    number: int
    time: float
    samples: int
    size: int
    body: bytes | None


class Spool:
    """A bounded queue of batches. Not for several threads at once.

    Parameters
    ----------
    directory : where bodies lie; None keeps them in memory.
    max_bytes, max_age : the bounds, bytes and seconds.
    """

    def __init__(self, directory: Path | None = None, *, max_bytes: int = 64 << 20, max_age: float = 3600.0) -> None:
        self.directory, self.max_bytes, self.max_age = directory, max_bytes, max_age
        self.disk_errors = 0
        self.damaged = 0
        self._queue: deque[Batch] = deque()
        self._bytes = 0
        self._next = 0
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            for left in directory.glob("*.tmp"):
                left.unlink(missing_ok=True)
            self._adopt(directory)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def samples(self) -> int:
        """Samples that wait."""
        return sum(batch.samples for batch in self._queue)

    @property
    def oldest(self) -> float | None:
        """Evaluation time of the oldest batch; None when nothing waits."""
        return self._queue[0].time if self._queue else None

    def push(self, time: float, samples: int, body: bytes) -> list[Batch]:
        """Put a body at the end. Returns what had to go from the old end to make room."""
        number = self._next = max(self._next + 1, clocks.time_ns() // 1000)  # never the name of a file of another spool here
        stored = self._write(number, time, samples, body)
        self._queue.append(Batch(number, time, samples, len(body), None if stored else body))
        self._bytes += len(body)
        dropped = []
        while self._bytes > self.max_bytes and len(self._queue) > 1:
            dropped.append(self.pop())
        return dropped

    def head(self) -> Batch | None:
        """The oldest batch with its body; None when nothing waits. One that cannot be read any more is taken off and counted."""
        if not self._queue and self.directory is not None:
            self._adopt(self.directory)  # what another spool left here, before a reload
        while self._queue:
            first = self._queue[0]
            if first.body is not None:
                return first
            body = self._read(self._path(first.number))
            if body is not None:
                return Batch(first.number, first.time, first.samples, first.size, body[2])
            self.damaged += self._path(first.number).exists()
            self.pop()
        return None

    def pop(self) -> Batch:
        """Take the oldest batch off."""
        batch = self._queue.popleft()
        self._bytes -= batch.size
        if batch.body is None:
            self._path(batch.number).unlink(missing_ok=True)
        return batch

    def finish(self, number: int) -> None:
        """Take a batch off that was dealt with, if the bound has not done so meanwhile."""
        if self._queue and self._queue[0].number == number:
            self.pop()

    def expire(self, now: float) -> list[Batch]:
        """Take off what is older than `max_age` at `now` (unix seconds)."""
        dropped = []
        while self._queue and now - self._queue[0].time > self.max_age:
            dropped.append(self.pop())
        return dropped

    def _path(self, number: int) -> Path:
        return (self.directory or Path()) / f"{number:020d}.rw"

    def _adopt(self, directory: Path) -> None:
        for path in sorted(directory.glob("*.rw")):
            found = self._read(path)
            if found is None or not path.stem.isdigit():
                self.damaged += 1
                path.unlink(missing_ok=True)
                continue
            time, samples, body = found
            self._queue.append(Batch(int(path.stem), time, samples, len(body), None))
            self._bytes += len(body)
            self._next = int(path.stem)

    def _write(self, number: int, time: float, samples: int, body: bytes) -> bool:
        if self.directory is None:
            return False
        head = b"%s%r %d %08x\n" % (MAGIC, time, samples, zlib.crc32(body))
        path, beside = self._path(number), self._path(number).with_suffix(".tmp")
        try:
            with beside.open("wb") as f:
                f.write(head + body)
                f.flush()
                os.fsync(f.fileno())
            beside.replace(path)
        except OSError:  # disk full or gone: memory holds it, the bound is the same
            self.disk_errors += 1
            beside.unlink(missing_ok=True)
            return False
        return True

    @staticmethod
    def _read(path: Path) -> tuple[float, int, bytes] | None:
        try:
            magic, head, body = path.read_bytes().split(b"\n", 2)
            time, samples, check = head.split(b" ")
            whole = magic + b"\n" == MAGIC and int(check, 16) == zlib.crc32(body)
            return (float(time), int(samples), body) if whole else None
        except (OSError, ValueError):
            return None
