"""One database: its engine, its clock, its transactions, and its errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sweep_service.core.errors import StoreError
from sweep_service.core.plain import dump_json
from sweep_service.storage.sentences import sentence

POOL_SIZE, POOL_OVERFLOW, BUSY_MS, CONNECT_SECONDS = 5, 10, 30_000, 10
_CLOCK = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())::double precision",
}


def make_engine(url: str) -> Engine:
    """An engine for SQLite (a file) or PostgreSQL (psycopg).

    Raises:
        StoreError: the address cannot be used.
    """
    address = _address(url)
    kind = address.get_backend_name()
    if kind not in _CLOCK:
        raise StoreError(f"{kind} is not a database that sweep-service knows; write it such as {_EXAMPLES}.")
    try:
        if kind == "sqlite":
            _make_folder(address.database)
            engine = create_engine(address, json_serializer=dump_json, connect_args={"timeout": BUSY_MS / 1000})
            _tune_sqlite(engine)
            return engine
        wait = {} if "connect_timeout" in address.query else {"connect_timeout": CONNECT_SECONDS}
        return create_engine(
            address.set(drivername="postgresql+psycopg"),
            json_serializer=dump_json,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=True,
            connect_args=wait,
        )
    except NoSuchModuleError as error:
        raise StoreError(f"The database address cannot be used ({error}).") from None


def _address(url: str) -> URL:
    """The parts of an address. What cannot be read is not repeated: there may be a password in it."""
    beyond = url.partition("://")[2].partition("?")[0]
    if url.startswith("postgres") and beyond.count("@") > 1:
        raise StoreError("The database address has more than one @: write one that belongs to a password as %40.")
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(f"The database address cannot be read; write it such as {_EXAMPLES}.") from None


def _make_folder(database: str | None) -> None:
    if database in {None, "", ":memory:"}:
        return
    folder = Path(str(database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The database's folder cannot be made: {error.strerror} ({folder}).") from None


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
        """A transaction that only reads, all of it from one snapshot."""
        with _in_words(), self.engine.connect() as plain:
            connection = plain.execution_options(isolation_level="REPEATABLE READ") if self.postgres else plain
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, *, alone: str | None = None) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing.

        Args:
            alone: what no other transaction of this name may do meanwhile; for those that look whether a row is
                there before they insert it. (On SQLite every writer is alone.)
        """
        with _in_words(), self.engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                if alone is not None and self.postgres:
                    connection.execute(_ALONE, {"name": alone})
                yield connection

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the database's clock."""
        return float(connection.execute(text(_CLOCK[self.engine.dialect.name])).scalar_one())


_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError:
        raise StoreError("All connections to the database are in use: try again, or give it more.") from None
    except DBAPIError as error:
        words = sentence(error)
        if words is None:
            raise
        raise StoreError(words) from error


def moment(seconds: float | None) -> datetime | None:
    """A stored time as a datetime in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def moment_of(seconds: float) -> datetime:
    """A stored time that is never empty."""
    return datetime.fromtimestamp(seconds, tz=UTC)
