"""An empty store of each kind. Tables are made once and emptied before each test: a migration a test would be slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sweep_service.storage.migrate import upgrade
from sweep_service.storage.tables import metadata


@pytest.fixture(scope="session")
def migrated(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], str]]:
    """By kind, the address of this session's database with all tables."""
    found: dict[str, str] = {}

    def address(kind: str) -> str:
        if kind not in found:
            folder: Path = tmp_path_factory.mktemp("sweeps")
            make = request.getfixturevalue("new_postgres_database") if kind == "postgres" else None
            found[kind] = make() if make else f"sqlite:///{folder / 'sweeps.db'}"
            upgrade(found[kind])
        return found[kind]

    return address


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def emptied(request: pytest.FixtureRequest, migrated: Callable[[str], str]) -> str:
    """Address of a database with all tables and nothing in them."""
    url = migrated(request.param)
    engine = create_engine(url)
    with engine.begin() as connection:
        if request.param == "postgres":
            names = ", ".join(f'"{t.name}"' for t in metadata.sorted_tables)
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        else:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
    engine.dispose()
    return url
