"""Migrations: from nothing to the tables as the code declares them, and refusals in words."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from sweep_service.storage.database import Database, make_engine
from sweep_service.storage.tables import metadata


def test_the_migrations_make_just_the_tables_that_the_code_declares(database: str) -> None:
    engine = make_engine(database)
    with Database(engine).read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
