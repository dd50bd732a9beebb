"""One object for both ports: what the server and the worker open."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from sweep_service.storage.database import Database, make_engine
from sweep_service.storage.sweep_store import SqlSweepStore
from sweep_service.storage.task_queue import SqlTaskQueue


class SqlStore(SqlSweepStore, SqlTaskQueue):
    """SweepStore and TaskQueue on one database.

    Raises:
        StoreError: the address cannot be used.
    """

    def __init__(self, url: str) -> None:
        database = Database(make_engine(url))
        SqlSweepStore.__init__(self, database)
        SqlTaskQueue.__init__(self, database)

    @property
    def engine(self) -> Engine:
        """The engine, for what lives in the same database (artifacts)."""
        return self._database.engine

    def close(self) -> None:
        """Close all connections."""
        self._database.engine.dispose()
