"""Bring a database to this version's tables, or say why not."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.engine import Engine, make_url

from sweep_service.core.errors import SchemaVersionError, StoreError
from sweep_service.storage.database import Database, make_engine

_LOCK = 0x5EE9  # any number, the same for every process that migrates


def scripts_folder() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout.

    Raises:
        StoreError: they are missing.
    """
    here = Path(__file__).parent
    for folder in (here / "migrations", here.parent.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise StoreError("The migrations are missing from this installation: install sweep-service again.")


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def upgrade(url: str) -> str:
    """Migrate to the newest revision and return it; two processes may do so at once.

    Raises:
        SchemaVersionError: the database belongs to a newer version.
        StoreError: it cannot be reached or written.
    """
    engine = make_engine(url)
    try:
        with _alone(engine, url):
            _refuse_newer(engine)
            command.upgrade(_config(engine), "head")
        return _head(engine)
    except CommandError as error:
        raise StoreError(f"The database could not be migrated: {error}") from error
    finally:
        engine.dispose()


def check(url: str) -> str:
    """The database's revision, which is this version's.

    Raises:
        SchemaVersionError: it is another, with what to do.
        StoreError: the database cannot be reached.
    """
    engine = make_engine(url)
    try:
        found, head = _refuse_newer(engine), _head(engine)
    finally:
        engine.dispose()
    if found != head:
        state = "has no tables yet" if found is None else f"is at revision {found}, this version needs {head}"
        raise SchemaVersionError(f"The database {state}: run `sweep-service db upgrade`.")
    return head


def _head(engine: Engine) -> str:
    return str(ScriptDirectory.from_config(_config(engine)).get_current_head())


def _refuse_newer(engine: Engine) -> str | None:
    with Database(engine).read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config(engine)).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaVersionError(
            f"The database is at revision {found}, which this version of sweep-service does not know: it belongs to a "
            "newer version. Upgrade sweep-service, or point it at another database; nothing was changed."
        )
    return found


@contextmanager
def _alone(engine: Engine, url: str) -> Iterator[None]:
    """One migrating process at a time: an advisory lock on PostgreSQL, a lock file beside a SQLite file."""
    if engine.dialect.name == "postgresql":
        with Database(engine).read() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        return
    database = make_url(url).database
    if not database or database == ":memory:":
        yield
        return
    path = Path(f"{database}.migrating")
    with _locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    while True:
        try:
            opened = path.open("w")
        except OSError as error:
            raise StoreError(f"The database's folder cannot be written: {error.strerror} ({path}).") from None
        with opened as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever had it before has removed the file: a lock on that is no lock.
            if _is_file(path, lock.fileno()):
                yield
                return


def _is_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
