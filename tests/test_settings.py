"""Settings: SWEEP_* variables, what overrides them, and a sentence for each value that cannot be used."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sweep_service.settings import Settings, SettingsError


def test_without_a_variable_everything_has_a_default() -> None:
    settings = Settings.load({})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, None)
    assert settings.data_dir == Path("sweep-data").absolute()
    assert settings.database_url == f"sqlite:///{settings.data_dir / 'sweeps.db'}"
    assert settings.artifacts == "folder"
    assert settings.lease_seconds == 30
    assert (settings.log_level, settings.log_format) == ("INFO", "text")
    assert settings.allowed_hosts == ()


def test_a_variable_is_read_and_an_override_wins() -> None:
    environ = {"SWEEP_PORT": "9000", "SWEEP_HOST": "localhost", "SWEEP_WORKERS": "3", "SWEEP_DATA_DIR": "/d"}
    settings = Settings.load(environ, port=7, host=None)
    assert (settings.port, settings.host, settings.workers) == (7, "localhost", 3)
    assert settings.database_url == "sqlite:////d/sweeps.db"


def test_an_empty_variable_is_as_none() -> None:
    assert Settings.load({"SWEEP_PORT": "", "SWEEP_WORKERS": " "}) == Settings.load({})


def test_with_postgresql_artifacts_lie_in_the_database() -> None:
    environ = {"SWEEP_DATABASE_URL": "postgresql+psycopg://u@h/d"}
    assert Settings.load(environ).artifacts == "database"
    assert Settings.load({**environ, "SWEEP_ARTIFACTS": "folder"}).artifacts == "folder"


def test_hosts_are_a_list_with_commas() -> None:
    assert Settings.load({"SWEEP_ALLOWED_HOSTS": " a.example , b:8443,, "}).allowed_hosts == ("a.example", "b:8443")


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("SWEEP_PORT", "65536", "from 0 to 65535"),
        ("SWEEP_PORT", "-1", "whole number"),
        ("SWEEP_PORT", "٣", "whole number"),
        ("SWEEP_WORKERS", "0", "from 1 to 1024"),
        ("SWEEP_LEASE_SECONDS", "nan", "from 0.5 to 3600"),
        ("SWEEP_LEASE_SECONDS", "soon", "from 0.5 to 3600"),
        ("SWEEP_LOG_LEVEL", "info", "DEBUG, INFO, WARNING, ERROR"),
        ("SWEEP_LOG_FORMAT", "xml", "text, json"),
        ("SWEEP_ARTIFACTS", "s3", "folder, database"),
        ("SWEEP_MAX_UPLOAD_BYTES", "0", "from 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_would_be_right(variable: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load({variable: text})
    assert str(refused.value).startswith(f"{variable}={text!r} cannot be used: it must be ")
    assert words in str(refused.value)


def test_each_setting_has_a_variable_of_its_own_name() -> None:
    """Given a value that cannot be used, each is either refused under its name or any text will do."""
    free = {"host", "data_dir", "database_url", "allowed_hosts"}
    for field in dataclasses.fields(Settings):
        variable = f"SWEEP_{field.name.upper()}"
        if field.name in free:
            assert Settings.load({variable: "/x"}) != Settings.load({})
        else:
            with pytest.raises(SettingsError, match=variable):
                Settings.load({variable: "?"})
