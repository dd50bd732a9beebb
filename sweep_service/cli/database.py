"""db upgrade and check: the tables of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The database's tables: upgrade them, or check them.")

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="SWEEP_DATABASE_URL",
        help="Such as sqlite:///sweeps.db or postgresql://...",
        show_default=False,
    ),
]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="SWEEP_DATA_DIR", help="Folder of the SQLite database.")]


@app.command()
def upgrade(database_url: DatabaseUrl = None, data_dir: DataDir = Path("sweep-data")) -> None:
    """Bring the database to the tables of this version; one that is there already is left as it is.

    Example: sweep-service db upgrade --database-url postgresql://user@host/sweeps
    """
    from sweep_service.storage.migrate import upgrade as upgrade_tables

    upgrade_tables(_url(database_url, data_dir, make=True))
    typer.echo("The database has the tables of this version.")


@app.command()
def check(database_url: DatabaseUrl = None, data_dir: DataDir = Path("sweep-data")) -> None:
    """Tell whether the database has the tables of this version; changes nothing. Exits with 1 where it has not.

    Example: sweep-service db check
    """
    from sweep_service.storage.migrate import check as check_tables

    check_tables(_url(database_url, data_dir, make=False))
    typer.echo("The database has the tables of this version.")


def _url(database_url: str | None, data_dir: Path, *, make: bool) -> str:
    from sweep_service.core.errors import StoreError
    from sweep_service.launch.data_dir import DATABASE_FILE, open_data_dir, sqlite_url

    if database_url:
        return database_url
    if make:
        return sqlite_url(open_data_dir(data_dir))
    folder = data_dir.expanduser().absolute()
    if not (folder / DATABASE_FILE).exists():
        raise StoreError(
            f"There is no database in {folder} yet: `sweep-service db upgrade` or `sweep-service up` makes it."
        )
    return sqlite_url(folder)
