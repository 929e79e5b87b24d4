"""What must survive a crash: SQLite in WAL mode, one writer thread, an async face."""

from analyzer.store.database import Database, StoreError
from analyzer.store.store import InboxRow, Store

__all__ = ["Database", "InboxRow", "Store", "StoreError"]
