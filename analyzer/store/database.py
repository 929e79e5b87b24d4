"""One SQLite file with one writer thread: pieces of work in, their results out, each in a transaction of its own.

What it protects: a write has returned only when it is on disk (WAL, synchronous FULL); a full disk keeps what must not be lost in
memory and tries again; a damaged or newer file is set aside and a fresh one begun, never read half.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from analyzer.store.schema import MIGRATIONS

log = structlog.get_logger("analyzer.store")
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StoreError(RuntimeError):
    """What was asked for could not be done. `recoverable`: it may work later (disk full, queue full)."""

    def __init__(self, message: str, *, recoverable: bool) -> None:
        super().__init__(message)
        self.recoverable = recoverable


@dataclass(frozen=True, slots=True)
class Job:
    """Work for the writer. `keep`: it is tried again from memory when the disk refuses."""

    work: Work[Any]
    done: Future[Any]
    keep: bool


class Database:
    """A file and its two threads, one to write and one to read. `open` before use, `close` after.

    Parameters
    ----------
    migrations : one SQL script for each schema version.
    most_waiting : writes that may wait for the writer; one more is refused.
    most_kept : writes kept in memory while the disk refuses; then the oldest goes and is counted.
    retry_every : seconds between two tries to write what was kept.
    on_event : called with "quarantined", "disk_refused", "kept_lost", "busy".
    """

    def __init__(
        self,
        path: Path,
        *,
        migrations: Sequence[str] = MIGRATIONS,
        most_waiting: int = 1000,
        most_kept: int = 500,
        retry_every: float = 1.0,
        on_event: Callable[[str], None] = lambda event: None,
    ) -> None:
        self.path, self.migrations = path, migrations
        self.events: Counter[str] = Counter()
        self._most_kept, self._retry_every, self._on_event = most_kept, retry_every, on_event
        self._jobs: queue.Queue[Job | None] = queue.Queue(most_waiting)
        self._kept: deque[Work[Any]] = deque()
        self._writer: sqlite3.Connection | None = None
        self._reader: tuple[int, sqlite3.Connection] | None = None
        self._generation = 0
        self._thread: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(1, "store-read")

    @property
    def kept(self) -> int:
        """Writes that wait in memory because the disk refused them."""
        return len(self._kept)

    def open(self) -> None:
        """Open or create the file and start the writer. Blocking."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connect_or_quarantine()
        self._thread = threading.Thread(target=self._write_loop, name="store-write", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits and close. Blocking."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(timeout=5.0)
            self._thread = None
        self._readers.submit(self._close_reader).result(timeout=5.0)
        self._readers.shutdown()

    async def write(self, work: Work[T], *, keep: bool = False) -> T:
        """Do work in a transaction; returns when it is on disk. Raises StoreError."""
        job = Job(work, Future(), keep)
        try:
            self._jobs.put_nowait(job)
        except queue.Full as e:
            self._event("busy")
            raise StoreError("the store cannot keep up: too many writes wait", recoverable=True) from e
        result: T = await asyncio.wrap_future(job.done)
        return result

    async def read(self, work: Work[T]) -> T:
        """Do work on a connection that cannot write. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Work[T]) -> T:
        try:
            if self._reader is None or self._reader[0] != self._generation:
                self._close_reader()
                uri = f"{self.path.absolute().as_uri()}?mode=ro"
                self._reader = (self._generation, sqlite3.connect(uri, uri=True, timeout=5.0))
            return work(self._reader[1])
        except sqlite3.Error as e:
            raise StoreError(f"reading the store failed: {e}", recoverable=True) from e

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader[1].close()
            self._reader = None

    def _write_loop(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._retry_every if self._kept else None)
            except queue.Empty:
                self._flush_kept()
                continue
            if job is None:
                self._flush_kept()
                if self._writer is not None:
                    self._writer.close()
                return
            if job.done.set_running_or_notify_cancel():
                self._handle(job)

    def _handle(self, job: Job) -> None:
        if job.keep and self._kept and not self._flush_kept():  # order is kept: nothing overtakes what waits
            self._keep(job.work)
            job.done.set_exception(StoreError("the disk refuses writes; kept in memory", recoverable=True))
            return
        try:
            job.done.set_result(self._commit(job.work))
        except sqlite3.OperationalError as e:
            self._event("disk_refused")
            if job.keep:
                self._keep(job.work)
            job.done.set_exception(StoreError(f"the disk refuses writes: {e}", recoverable=True))
        except Exception as e:  # noqa: BLE001  # whatever the work raises belongs to its caller, not to the writer thread
            job.done.set_exception(e)

    def _commit(self, work: Work[T]) -> T:
        try:
            return self._transaction(work)
        except sqlite3.DatabaseError as e:
            if (getattr(e, "sqlite_errorcode", 0) & 0xFF) not in _DAMAGED:
                raise
            self._quarantine(str(e))
            self._writer = self._connect()
            return self._transaction(work)

    def _transaction(self, work: Work[T]) -> T:
        if self._writer is None:
            self._writer = self._connect_or_quarantine()
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _keep(self, work: Work[Any]) -> None:
        self._kept.append(work)
        if len(self._kept) > self._most_kept:
            self._kept.popleft()
            self._event("kept_lost")

    def _flush_kept(self) -> bool:
        """Write what was kept, oldest first. False: the disk still refuses."""
        while self._kept:
            try:
                self._commit(self._kept[0])
            except sqlite3.OperationalError:
                return False
            except Exception:  # its caller has gone; it can only be logged, and must not block what follows
                log.exception("a kept write failed for good")
            self._kept.popleft()
        return True

    def _connect_or_quarantine(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except (sqlite3.DatabaseError, _NewerSchemaError) as e:
            if isinstance(e, sqlite3.OperationalError):
                raise  # not allowed, not there, disk full: the file itself may be fine
            self._quarantine(str(e))
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check found damage")
            self.path.chmod(0o600)  # findings name hosts and what ails them
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # a commit that returned survives a power cut
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._generation += 1
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(self.migrations):
            raise _NewerSchemaError(f"schema version {version} is newer than this program's {len(self.migrations)}")
        for number in range(version, len(self.migrations)):
            connection.executescript(f"BEGIN IMMEDIATE; {self.migrations[number]}; PRAGMA user_version={number + 1}; COMMIT;")

    def _quarantine(self, reason: str) -> None:
        """Set the file aside under a name of its own, for people to look at."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        stamp = time.time_ns() // 1_000_000
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(part.with_name(f"{self.path.name}.quarantined-{stamp}{suffix}"))
        self._event("quarantined")
        log.error("the store could not be used; it is set aside and a fresh one begun", path=str(self.path), reason=reason)

    def _event(self, event: str) -> None:
        self.events[event] += 1
        self._on_event(event)


class _NewerSchemaError(Exception):
    """Written by a later version of this program."""
