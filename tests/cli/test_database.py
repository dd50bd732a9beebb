"""db upgrade and check."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

Cli = Any


def test_upgrade_makes_the_tables_and_check_finds_them(cli: Cli, empty_database: str) -> None:
    before = cli("db", "check", "--database-url", empty_database)
    assert before.code == 1
    assert "no tables yet: run `sweep-service db upgrade`" in before.err
    assert cli("db", "upgrade", "--database-url", empty_database).code == 0
    assert cli("db", "check", "--database-url", empty_database).code == 0
    assert cli("db", "upgrade", "--database-url", empty_database).code == 0, "again changes nothing"


def test_the_database_of_a_data_folder_is_meant_by_default(cli: Cli, tmp_path: Path) -> None:
    missing = cli("db", "check")
    assert missing.code == 1
    assert "There is no database in" in missing.err
    assert not (tmp_path / "sweep-data").exists(), "a check makes nothing"
    assert cli("db", "upgrade", "--data-dir", "here").code == 0
    assert (tmp_path / "here" / "sweeps.db").exists()
    assert cli("db", "check", "--data-dir", "here").code == 0


def test_a_database_of_a_newer_version_is_left_as_it_is(cli: Cli, tmp_path: Path) -> None:
    cli("db", "upgrade", "--data-dir", "here")
    with sqlite3.connect(tmp_path / "here" / "sweeps.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for command in (["db", "upgrade"], ["db", "check"], ["serve", "--port", "0"], ["up", "--port", "0"]):
        ended = cli(*command, "--data-dir", "here")
        assert ended.code == 1, command
        assert "belongs to a newer version" in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://localhost/x", "mysql is not a database that sweep-service knows"),
        ("nonsense", "cannot be read"),
        ("postgresql://127.0.0.1:1/x", "cannot be reached"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_sentence(cli: Cli, url: str, words: str) -> None:
    ended = cli("db", "check", "--database-url", url)
    assert ended.code == 1
    assert words in ended.err
    assert "Traceback" not in ended.err
