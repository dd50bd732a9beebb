"""Settings of the service: SWEEP_* variables and what overrides them. Nothing is read at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sweep_service.core.errors import SweepError


class SettingsError(SweepError):
    """A variable with a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process of the service is told from outside.

    `artifacts`: where datasets and models lie: a folder below `data_dir`, or the database itself, which is the
    default with PostgreSQL, so that a worker elsewhere needs the database's address and nothing more.
    """

    host: str
    port: int
    workers: int | None
    data_dir: Path
    database_url: str
    artifacts: Literal["folder", "database"]
    lease_seconds: float
    log_level: str
    log_format: Literal["text", "json"]
    max_upload_bytes: int
    allowed_hosts: tuple[str, ...]

    @staticmethod
    def load(environ: Mapping[str, str], **overrides: Any) -> Settings:
        """Settings from the environment; an override that is not None wins.

        Raises:
            SettingsError: names the variable and says what would be right.
        """

        def read(name: str, default: str, convert: Callable[[str], Any] = str) -> Any:
            if overrides.get(name) is not None:
                return overrides[name]
            variable = f"SWEEP_{name.upper()}"
            text = environ.get(variable, "").strip() or default
            try:
                return convert(text)
            except ValueError as error:
                raise SettingsError(f"{variable}={text!r} cannot be used: {error}.") from None

        data_dir = Path(read("data_dir", "sweep-data")).expanduser().absolute()
        database_url = str(read("database_url", f"sqlite:///{data_dir / 'sweeps.db'}"))
        kept = "folder" if database_url.startswith("sqlite") else "database"
        return Settings(
            host=read("host", "127.0.0.1"),
            port=read("port", "8000", _whole(0, 65_535)),
            workers=read("workers", "", lambda text: _whole(1, 1024)(text) if text else None),
            data_dir=data_dir,
            database_url=database_url,
            artifacts=read("artifacts", kept, _one_of("folder", "database")),
            lease_seconds=read("lease_seconds", "30", _seconds),
            log_level=read("log_level", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR")),
            log_format=read("log_format", "text", _one_of("text", "json")),
            max_upload_bytes=read("max_upload_bytes", str(256 * 2**20), _whole(1, 2**40)),
            allowed_hosts=read("allowed_hosts", "", lambda t: tuple(h.strip() for h in t.split(",") if h.strip())),
        )


def _whole(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(text)

    return convert


def _one_of(*names: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in names:
            raise ValueError(f"it must be one of {', '.join(names)}")
        return text

    return convert


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.5 <= value <= 3_600:
        raise ValueError("it must be a number of seconds from 0.5 to 3600")
    return value
