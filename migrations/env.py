"""Alembic's entry. `storage.migrate` hands in the engine; the `alembic` command reads SWEEP_DATABASE_URL."""

from __future__ import annotations

import os

from alembic import context

from sweep_service.storage.database import make_engine
from sweep_service.storage.tables import metadata

engine = context.config.attributes.get("engine") or make_engine(os.environ["SWEEP_DATABASE_URL"])

with engine.connect() as plain:
    connection = plain.execution_options(writes=True)
    with connection.begin():
        context.configure(
            connection=connection, target_metadata=metadata, render_as_batch=engine.dialect.name == "sqlite"
        )
        context.run_migrations()
