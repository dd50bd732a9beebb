"""One database: its engine, its clock, its transactions, and its errors in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sweep_service.core.errors import StoreError

POOL_SIZE, POOL_OVERFLOW, BUSY_MS = 5, 10, 30_000
_CLOCK = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())::double precision",
}


def make_engine(url: str) -> Engine:
    """An engine for SQLite (a file) or PostgreSQL (psycopg).

    Raises:
        StoreError: the address cannot be used.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        raise StoreError(f"The database address cannot be read; write it such as {_EXAMPLES}.") from None
    kind = address.get_backend_name()
    if kind == "postgresql" and address.get_driver_name() != "psycopg":
        address = address.set(drivername="postgresql+psycopg")
    if kind not in _CLOCK:
        raise StoreError(f"{kind} is not a database that sweep-service knows; write it such as {_EXAMPLES}.")
    if kind == "sqlite" and address.database not in {None, "", ":memory:"}:
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    try:
        if kind == "sqlite":
            engine = create_engine(address, connect_args={"timeout": BUSY_MS / 1000})
            _tune_sqlite(engine)
            return engine
        return create_engine(address, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_pre_ping=True)
    except NoSuchModuleError as error:
        raise StoreError(f"The database address cannot be used: {error}") from None


_EXAMPLES = "sqlite:///sweeps.db or postgresql+psycopg://user:password@host/name"


def _tune_sqlite(engine: Engine) -> None:
    """WAL with a full sync at each commit (nothing committed is lost), and transactions that we begin ourselves."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A writer takes the lock at once: a transaction that read first and wrote later could only fail.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Database:
    """Transactions on an engine. An unreachable, busy or full database is a StoreError; the rest are bugs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.postgres = engine.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one snapshot on SQLite."""
        with _in_words(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing."""
        with _in_words(), self.engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                yield connection

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the database's clock."""
        return float(connection.execute(text(_CLOCK[self.engine.dialect.name])).scalar_one())


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError:
        raise StoreError("All connections to the database are in use: try again, or give it more.") from None
    except (OperationalError, InterfaceError) as error:
        raise StoreError(_sentence(error)) from error
    except ProgrammingError as error:
        if "does not exist" not in str(error.orig):
            raise
        raise StoreError(_sentence(error)) from error


def _sentence(error: DBAPIError) -> str:
    cause = error.orig
    words = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    lowered = words.lower()
    if isinstance(cause, sqlite3.Error) and ("full" in lowered or "disk i/o" in lowered):
        return (
            f"The disk that holds the database is full or broken ({words}): nothing was written; make room and go on."
        )
    if "no such table" in lowered or "does not exist" in lowered:
        return f"The database has no tables of this service yet ({words}): run `sweep-service db upgrade`."
    if "locked" in lowered:
        return f"The database was busy for {BUSY_MS // 1000} s ({words}): nothing was written; try again."
    if "readonly" in lowered or "unable to open" in lowered:
        return f"The database file cannot be opened or written ({words})."
    if error.connection_invalidated or "connect" in lowered:
        return f"The database cannot be reached ({words}): nothing was written; it is tried again when it is back."
    return f"The database refused ({words}): nothing was written."


def moment(seconds: float | None) -> datetime | None:
    """A stored time as a datetime in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def moment_of(seconds: float) -> datetime:
    """A stored time that is never empty."""
    return datetime.fromtimestamp(seconds, tz=UTC)
