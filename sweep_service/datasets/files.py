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
    """One column: NUMBER, TEXT, DATE or BOOLEAN; `distinct` is counted for text, the extremes for numbers."""

    name: str
    kind: str
    missing: int
    distinct: int | None = None
    minimum: float | None = None
    maximum: float | None = None


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
        raise DataError("The file needs more memory to read than an upload may have: send fewer rows or columns.")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise DataError(answer["error"])
    return FileSummary.from_dict(answer)


def validate_choice(summary: FileSummary, choice: ColumnChoice) -> None:
    """What can be told of a choice of columns without reading a row.

    Raises:
        DataError: with the column at fault.
    """
    check_names([c.name for c in summary.columns], choice)
    by_name = {c.name: c for c in summary.columns}
    for name in choice.target:
        column = by_name[name]
        if column.kind not in {"NUMBER", "BOOLEAN"}:
            raise DataError(f"The target {name!r} holds {column.kind.lower()}, not numbers.")
        if column.missing:
            raise DataError(f"The target {name!r} is missing in {column.missing} rows: remove such rows first.")
        if column.minimum == column.maximum:
            raise DataError(f"The target {name!r} is the same in every row: there is nothing to learn.")
    features = [c for c in summary.columns if c.name not in choice.special()]
    if not features:
        raise DataError("No column is left to learn from: exclude fewer columns.")
    for column in features:
        if column.kind == "DATE":
            raise DataError(f"The column {column.name!r} holds dates: exclude it, or use it as dataset.time.")
        if column.kind == "TEXT" and (column.distinct or 0) > MAX_LEVELS:
            raise DataError(
                f"The column {column.name!r} has {column.distinct} different values, and at most {MAX_LEVELS} can be "
                "one-hot: exclude it."
            )
        if column.missing and choice.missing == "REFUSE":
            raise DataError(f"The column {column.name!r} is missing in {column.missing} rows: fill it or exclude it.")
