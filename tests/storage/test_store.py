"""The stores on SQLite and PostgreSQL under the contract that the store in memory obeys too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import sweeps, tasks, workers
from sweep_service.testing.store_contract import StoreContract


class TestSqlStore(StoreContract):
    @pytest.fixture
    def store(self, emptied: str) -> Iterator[SqlStore]:
        store = SqlStore(emptied)
        yield store
        store.close()

    def pass_time(self, store: SqlStore, seconds: float) -> None:
        # The database's clock cannot be set: what it is compared with is made older instead.
        columns = [sweeps.c.created_at, sweeps.c.started_at, tasks.c.expires_at, workers.c.seen_at]
        with store.engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                for column in columns:
                    connection.execute(update(column.table).values({column: column - seconds}))
