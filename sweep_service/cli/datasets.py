"""dataset add and list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep_service.cli.failures import UsageError
from sweep_service.cli.output import console, number, print_json, row, table
from sweep_service.cli.service import DEFAULT_URL, AsJson, Url, connect

MEDIA_TYPES = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}

app = typer.Typer(no_args_is_help=True, help="Upload datasets, and list them.")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet file.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="Defaults to the file's name.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Upload a CSV or Parquet file; the same name again makes a new version.

    Example: sweep-service dataset add housing.csv --name ca-housing
    """
    media_type = MEDIA_TYPES.get(file.suffix.lower())
    if media_type is None:
        raise UsageError(f"{file} is neither .csv nor .parquet: convert it to one of them.")
    if not file.is_file():
        raise UsageError(f"There is no file {file}.")
    with connect(url) as service, file.open("rb") as content:
        document = service.upload("/datasets", content, media_type, name=name or file.stem)
    if as_json:
        print_json(document)
        return
    typer.echo(f"{document['name']} version {document.get('version')}")
    typer.echo(f"  sweep it   sweep-service submit --dataset {document['name']} --set dataset.target=COLUMN --watch")


@app.command("list")
def list_datasets(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the datasets that can be swept.

    Example: sweep-service dataset list --json | jq '.datasets[].name'
    """
    with connect(url) as service:
        page = service.pages("/datasets", "datasets")
    if as_json:
        print_json(page)
        return
    made = table("", "name", "version", "rows", "columns", "target", "what it is", right=("version", "rows", "columns"))
    for dataset in page["datasets"]:
        summary = {**(dataset.get("summary") or {}), **dataset}
        columns = summary.get("columns")
        row(
            made,
            dataset.get("name"),
            dataset.get("version"),
            number(summary.get("rows")),
            len(columns) if isinstance(columns, list) else number(columns),
            summary.get("default_target"),
            summary.get("description"),
        )
    console().print(made)
