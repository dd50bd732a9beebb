"""Uploaded files: parsed by a short-lived child under a memory cap, kept as plain arrays.

The server never parses a file itself: a bomb kills the child, and pyarrow stays out of the server's memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweep_service.core.errors import DataError
from sweep_service.datasets.load import MAX_LEVELS, ColumnChoice, check_names

MEDIA_TYPES = ("text/csv", "application/vnd.apache.parquet")
CHILD_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may be at most."""

    max_bytes: int = 256 * 2**20
    max_rows: int = 5_000_000
    max_columns: int = 2_000
    max_memory: int = 4 * 2**30


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column: NUMBER, TEXT, DATE or BOOLEAN; `distinct` is counted for text, the extremes for finite numbers.

    Rows are counted from 1, the header not counted: row 1 is the first row of data.
    """

    name: str
    kind: str
    missing: int
    distinct: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    first_missing_row: int | None = None
    infinite: int = 0
    first_infinite_row: int | None = None


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What an upload holds."""

    rows: int
    columns: tuple[ColumnSummary, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rows": self.rows, "columns": [asdict(c) for c in self.columns]}

    @staticmethod
    def from_dict(value: Mapping[str, Any]) -> FileSummary:
        """Back from JSON."""
        return FileSummary(int(value["rows"]), tuple(ColumnSummary(**c) for c in value["columns"]))


def normalise_upload(source: Path, destination: Path, media_type: str, limits: Limits) -> FileSummary:
    """Parse an upload and write it as an npz of plain arrays.

    Raises:
        DataError: it cannot be used; the sentence says why.
    """
    if media_type not in MEDIA_TYPES:
        raise DataError(f"A dataset is sent as {' or '.join(MEDIA_TYPES)}, not {media_type!r}.")
    job = {"source": str(source), "destination": str(destination), "media_type": media_type, "limits": asdict(limits)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sweep_service.datasets.parse_child"],
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=CHILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"The file could not be read within {CHILD_SECONDS} s.") from None
    if done.returncode != 0:
        raise DataError(_why_died(done.returncode, done.stderr.decode(errors="replace")))
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise DataError(answer["error"])
    return FileSummary.from_dict(answer)


def _why_died(code: int, errors: str) -> str:
    """A child without an answer ran into its memory cap (refused, or killed), or met something unforeseen."""
    last = errors.strip().splitlines()[-1:] or [""]
    if code < 0 or "MemoryError" in last[0] or "bad_alloc" in errors:
        return "The file needs more memory to read than an upload may have: send fewer rows or columns."
    return f"The file could not be read ({last[0]})."


def validate_choice(summary: FileSummary, choice: ColumnChoice) -> None:
    """What can be told of a choice of columns without reading a row.

    Raises:
        DataError: with the column at fault, and the row where one is.
    """
    check_names([c.name for c in summary.columns], choice)
    by_name = {c.name: c for c in summary.columns}
    for name in choice.target:
        _check_target(by_name[name])
    if choice.weight is not None:
        _check_weight(by_name[choice.weight])
    if choice.time is not None:
        _check_time(by_name[choice.time])
    features = [c for c in summary.columns if c.name not in choice.special()]
    if not features:
        raise DataError("No column is left to learn from: exclude fewer columns.")
    for column in features:
        _check_feature(column, choice)


def _check_target(column: ColumnSummary) -> None:
    if column.kind not in {"NUMBER", "BOOLEAN"}:
        raise DataError(f"The target {column.name!r} holds {column.kind.lower()}, not numbers.")
    for what, count, row in (
        ("missing", column.missing, column.first_missing_row),
        ("infinite", column.infinite, column.first_infinite_row),
    ):
        if count:
            raise DataError(f"The target {column.name!r} is {what}{_rows(count, row)}: remove such rows first.")
    if column.minimum == column.maximum:
        raise DataError(f"The target {column.name!r} is the same in every row: there is nothing to learn.")


def _check_weight(column: ColumnSummary) -> None:
    if column.kind not in {"NUMBER", "BOOLEAN"}:
        raise DataError(f"The weight column {column.name!r} holds {column.kind.lower()}, not numbers.")
    for count, row in ((column.missing, column.first_missing_row), (column.infinite, column.first_infinite_row)):
        if count:
            raise DataError(f"The weight {column.name!r} is not a number{_rows(count, row)}.")
    if column.minimum is not None and column.minimum < 0:
        raise DataError(f"The weight {column.name!r} is negative in some row ({column.minimum:g}).")


def _check_time(column: ColumnSummary) -> None:
    if column.kind not in {"NUMBER", "DATE"}:
        raise DataError(f"The time column {column.name!r} holds {column.kind.lower()}: it must be a number or a date.")
    for count, row in ((column.missing, column.first_missing_row), (column.infinite, column.first_infinite_row)):
        if count:
            raise DataError(f"The time {column.name!r} is missing or infinite{_rows(count, row)}.")


def _check_feature(column: ColumnSummary, choice: ColumnChoice) -> None:
    if column.kind == "DATE":
        raise DataError(f"The column {column.name!r} holds dates: exclude it, or use it as dataset.time.")
    if column.kind == "TEXT" and (column.distinct or 0) > MAX_LEVELS:
        raise DataError(
            f"The column {column.name!r} has {column.distinct} different values, and at most {MAX_LEVELS} can be "
            "one-hot: exclude it."
        )
    if column.infinite and column.name not in choice.categorical:
        where = _rows(column.infinite, column.first_infinite_row)
        raise DataError(f"The column {column.name!r} is infinite{where}: mend it or exclude it.")
    if column.missing and choice.missing == "REFUSE":
        where = _rows(column.missing, column.first_missing_row)
        raise DataError(f"The column {column.name!r} is missing{where}: fill it or exclude it.")


def _rows(count: int, first: int | None) -> str:
    """Where something is found; files stored before rows were noted know the count alone."""
    if first is None:
        return f" in {count} rows"
    return f" in row {first}" + (f" ({count} such rows)" if count > 1 else "")
