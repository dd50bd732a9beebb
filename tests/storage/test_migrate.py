"""Migrations: from nothing to the tables as the code declares them, and refusals in words."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from sweep_service.core.errors import SchemaVersionError, StoreError
from sweep_service.storage.database import Database, make_engine
from sweep_service.storage.migrate import _alone, check, scripts_folder, upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import metadata
from sweep_service.testing.scenes import planned, seen

UPGRADE = "import sys; from sweep_service.storage.migrate import upgrade; print(upgrade(sys.argv[1]))"


def tables_of(url: str) -> dict[str, list[str]]:
    """Table -> its columns, of a database."""
    engine = make_engine(url)
    with Database(engine).read() as connection:
        found = inspect(connection)
        names = {name: sorted(c["name"] for c in found.get_columns(name)) for name in found.get_table_names()}
    engine.dispose()
    return names


def set_revision(url: str, revision: str) -> None:
    """Make the database look as if another version had migrated it."""
    engine = make_engine(url)
    with Database(engine).write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    engine.dispose()


def test_the_migrations_make_just_the_tables_that_the_code_declares(database: str) -> None:
    engine = make_engine(database)
    with Database(engine).read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    assert set(tables_of(database)) == {t.name for t in metadata.sorted_tables} | {"alembic_version"}


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(database: str) -> None:
    store = SqlStore(database)
    sweep = planned(store)
    was = seen(store, sweep.id)
    assert upgrade(database) == check(database)
    assert seen(store, sweep.id) == was
    store.close()


def test_check_of_an_empty_database_says_what_to_do_and_makes_nothing(empty_database: str) -> None:
    with pytest.raises(SchemaVersionError, match="has no tables yet: run `sweep-service db upgrade`"):
        check(empty_database)
    assert tables_of(empty_database) == {}


def test_a_database_of_a_newer_version_is_refused_and_untouched(database: str) -> None:
    before = tables_of(database)
    set_revision(database, "9999_from_the_future")
    for ask in (check, upgrade):
        with pytest.raises(SchemaVersionError, match=r"9999_from_the_future.*belongs to a newer version.*nothing was"):
            ask(database)
    assert tables_of(database) == before
    set_revision(database, upgrade_head())
    assert check(database) == upgrade_head()


def upgrade_head() -> str:
    """The newest revision, as the files have it."""
    return max(p.stem for p in (scripts_folder() / "versions").glob("*.py")).split("_")[0]


def test_two_processes_that_migrate_at_once_both_succeed(empty_database: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, empty_database], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [p.communicate(timeout=120) for p in processes]
    assert [p.returncode for p in processes] == [0, 0], outputs
    assert check(empty_database) == upgrade_head()


def test_many_threads_that_migrate_at_once_all_succeed_and_leave_no_lock_behind(
    empty_database: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(upgrade, [empty_database] * 6)) == {upgrade_head()}
    assert not list(tmp_path.glob("*.migrating"))


def test_one_migrates_at_a_time_though_each_removes_the_lock_file_of_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    engine = make_engine(url)
    inside: list[int] = []

    def migrate(number: int) -> int:
        with _alone(engine, url):
            inside.append(number)
            time.sleep(0.001)
            most = len(inside)
            inside.remove(number)
        return most

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(migrate, range(200))) == {1}
    engine.dispose()


def test_a_migration_that_fails_leaves_an_empty_database(empty_database: str) -> None:
    engine = make_engine(empty_database)
    with Database(engine).write() as connection:
        connection.execute(text("CREATE TABLE workers (x integer)"))  # in the way of ours
    engine.dispose()
    with pytest.raises(Exception, match="workers"):
        upgrade(empty_database)
    assert tables_of(empty_database) == {"workers": ["x"]}


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "sweeps.db.migrating").mkdir()
    with pytest.raises(StoreError, match="folder cannot be written"):
        upgrade(f"sqlite:///{tmp_path / 'sweeps.db'}")
