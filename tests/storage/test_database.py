"""A database that cannot be used says so in a sentence, writes nothing, and never shows its password."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError

from sweep_service.core.errors import StoreError
from sweep_service.storage.database import Database, make_engine
from sweep_service.storage.store import SqlStore
from sweep_service.testing.scenes import make_spec, planned

PASSWORD = "hunter2-s3cret"


def refusal(url: str) -> str:
    """The sentence with which a database of that address is refused, and all that hangs on it."""
    with pytest.raises(StoreError) as caught, contextlib.closing(SqlStore(url)) as store:
        store.sweeps(limit=1)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "cannot be read; write it such as"),
        ("", "cannot be read"),
        (f"mysql://u:{PASSWORD}@h/x", "mysql is not a database that sweep-service knows"),
        (f"postgres://u:{PASSWORD}@h/x", "postgresql+psycopg://user:password@host/name"),
        (f"postgresql://u:{PASSWORD}@h:port/x", "cannot be read"),
        (f"postgresql://u:x@{PASSWORD}@h/x", "%40"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", "cannot be reached"),
        (f"postgresql://u:{PASSWORD}@no-such-host.invalid/x", "cannot be reached"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1/x?colour=red", "cannot be used (invalid connection option"),
        (f"sqlite+nothing:///{PASSWORD}", "cannot be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str, sentence: str) -> None:
    said = refusal(url)
    assert sentence in said
    assert said.endswith(".")
    if not url.startswith("sqlite"):
        assert PASSWORD not in said


@pytest.mark.postgres
def test_postgres_says_what_is_missing_and_not_the_password(postgres: URL) -> None:
    other = postgres.set(database="no_such_database", password=PASSWORD)
    said = refusal(other.render_as_string(hide_password=False))
    assert 'database "no_such_database" does not exist' in said
    stranger = postgres.set(username="stranger", password=PASSWORD)
    said += refusal(stranger.render_as_string(hide_password=False))
    assert 'role "stranger" does not exist' in said
    assert "db upgrade" not in said
    assert PASSWORD not in said


def test_a_database_without_tables_asks_for_the_upgrade(empty_database: str) -> None:
    assert "run `sweep-service db upgrade`" in refusal(empty_database)


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n" * 1000)
    assert "not a database" in refusal(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_a_folder_in_the_place_of_the_file_says_so(tmp_path: Path) -> None:
    assert "cannot be opened or written" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_in_the_place_of_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "folder cannot be made" in refusal(f"sqlite:///{tmp_path / 'file' / 'sub' / 'sweeps.db'}")


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'new' / 'sub' / 'sweeps.db'}")
    with Database(engine).write() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    engine.dispose()


# --- refusals while one works ---------------------------------------------------------------------------------------


@pytest.fixture
def store(database: str) -> Iterator[SqlStore]:
    store = SqlStore(database)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SqlStore]:
    from sweep_service.storage.migrate import upgrade

    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    store = SqlStore(url)
    yield store
    store.close()


def on_connect(engine: Engine, *statements: str) -> None:
    """From now on each connection begins with these statements."""

    def run(connection: Any, _record: Any) -> None:
        for statement in statements:
            connection.execute(statement)

    event.listen(engine, "connect", run)
    engine.dispose()


def test_a_full_disk_writes_nothing_and_says_so(sqlite_store: SqlStore) -> None:
    sweep = planned(sqlite_store)
    before = sqlite_store.events(sweep.id)
    on_connect(sqlite_store.engine, "PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match=r"disk that holds the database is full.*nothing was written; make room"):
        sqlite_store.create_sweep(make_spec() | {"description": "x" * 1_000_000})
    assert [s.id for s in sqlite_store.sweeps(limit=10)[0]] == [sweep.id]
    assert sqlite_store.events(sweep.id) == before


def test_a_read_only_file_can_be_read_and_says_why_it_is_not_written(sqlite_store: SqlStore) -> None:
    sweep = planned(sqlite_store)
    on_connect(sqlite_store.engine, "PRAGMA query_only = ON")
    assert sqlite_store.sweep(sweep.id).id == sweep.id
    with pytest.raises(StoreError, match=r"cannot be opened or written.*readonly"):
        sqlite_store.pause(sweep.id)


def test_a_locked_file_is_waited_for_and_then_says_so(sqlite_store: SqlStore, tmp_path: Path) -> None:
    sweep = planned(sqlite_store)
    on_connect(sqlite_store.engine, "PRAGMA busy_timeout = 50")
    holder = make_engine(f"sqlite:///{tmp_path / 'sweeps.db'}")
    with Database(holder).write():
        assert sqlite_store.sweep(sweep.id).id == sweep.id, "a writer hinders no reader"
        with pytest.raises(StoreError, match=r"busy for too long.*locked.*try again"):
            sqlite_store.pause(sweep.id)
    assert sqlite_store.pause(sweep.id).state == "PAUSED"
    holder.dispose()


@pytest.mark.postgres
def test_a_connection_that_the_server_ends_is_a_sentence_and_the_next_one_works(
    new_postgres_database: Callable[[], str],
) -> None:
    engine = make_engine(new_postgres_database())
    other = make_engine(engine.url.render_as_string(hide_password=False))
    database = Database(engine)
    with (  # noqa: PT012 - the error shall come from inside the transaction
        pytest.raises(StoreError, match=r"cannot be reached.*nothing was written"),
        database.write() as connection,
    ):
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with Database(other).write() as admin:
            admin.execute(text("SELECT pg_terminate_backend(:n)"), {"n": number})
        connection.execute(text("CREATE TABLE t (x int)"))
    with database.write() as connection:
        assert connection.execute(text("SELECT to_regclass('t')")).scalar_one() is None
    engine.dispose()
    other.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("setting", "statement", "sentence"),
    [
        ("SET TRANSACTION READ ONLY", "CREATE TABLE t (x int)", "takes no writes, as a standby does"),
        ("SET LOCAL ROLE pg_monitor", "CREATE TABLE t (x int)", "may not do that.*permission denied"),
        ("SET LOCAL statement_timeout = 10", "SELECT pg_sleep(5)", "refused.*timeout"),
    ],
)
def test_other_refusals_of_postgres_are_sentences(
    new_postgres_database: Callable[[], str], setting: str, statement: str, sentence: str
) -> None:
    engine = make_engine(new_postgres_database())
    with (  # noqa: PT012 - the error shall come from inside the transaction
        pytest.raises(StoreError, match=sentence),
        Database(engine).write() as connection,
    ):
        connection.execute(text(setting))
        connection.execute(text(statement))
    engine.dispose()


def test_a_fault_of_ours_is_not_dressed_up_as_the_databases(store: SqlStore) -> None:
    with pytest.raises(DBAPIError), Database(store.engine).write() as connection:
        connection.execute(text("INSERT INTO events (sweep_id) VALUES (NULL)"))


# --- transactions ---------------------------------------------------------------------------------------------------


def test_an_error_inside_a_transaction_undoes_all_of_it(store: SqlStore) -> None:
    database = Database(store.engine)
    with (  # noqa: PT012 - the error shall come from inside the transaction
        pytest.raises(ValueError, match="killed"),
        database.write() as connection,
    ):
        connection.execute(text("INSERT INTO artifacts VALUES ('d', 1, 1)"))
        raise ValueError("killed")
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM artifacts")).scalar_one() == 0


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(store: SqlStore) -> None:
    sweep = planned(store)
    count = text("SELECT count(*) FROM events")
    with Database(store.engine).read() as connection:
        before = connection.execute(count).scalar_one()
        store.pause(sweep.id)
        assert connection.execute(count).scalar_one() == before
    assert len(store.events(sweep.id)) == before + 1


def test_writers_of_one_name_take_turns_and_others_do_not_wait(store: SqlStore) -> None:
    database, order = Database(store.engine), []
    inside = threading.Event()

    def second() -> None:
        with database.write(alone="posts"):
            order.append("second")

    thread = threading.Thread(target=second)
    with database.write(alone="posts"):
        thread.start()
        inside.wait(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_clock_is_the_databases_and_goes_on_within_a_transaction(store: SqlStore) -> None:
    database = Database(store.engine)
    with database.read() as connection:
        first = database.now(connection)
        threading.Event().wait(0.01)
        assert 0.005 < database.now(connection) - first < 60


def test_an_address_of_postgres_may_leave_the_driver_out() -> None:
    engine = make_engine("postgresql://u@h/x")
    assert engine.url.drivername == "postgresql+psycopg"
    engine.dispose()
