"""From a dataset and a choice of columns to a `Table`, or a sentence that says what is wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError
from sweep_service.datasets.catalog import load_builtin
from sweep_service.numerics.table import NumberColumn, Table, TextColumn

MAX_LEVELS = 32


@dataclass(frozen=True, slots=True)
class BuiltinSource:
    """A dataset of the catalog."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileSource:
    """An uploaded dataset: the normalised file."""

    path: Path


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """Which columns are what; `target` () is the default of a built-in dataset."""

    target: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    weight: str | None = None
    time: str | None = None
    group: str | None = None
    missing: Literal["MEDIAN_AND_FLAG", "REFUSE"] = "MEDIAN_AND_FLAG"

    def special(self) -> set[str]:
        """Columns that are no features."""
        return {*self.target, *self.exclude} | {c for c in (self.weight, self.time, self.group) if c is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A column as stored: numbers (NaN missing), or codes (-1 missing) with levels; `kind` as in files."""

    name: str
    kind: str
    values: NDArray[Any]
    levels: tuple[str, ...] = ()


def load_table(source: BuiltinSource | FileSource, choice: ColumnChoice) -> Table:
    """Load and check a table.

    Raises:
        DataError: with the column, and the row (counted from 1) where one is at fault.
    """
    test_rows = None
    if isinstance(source, BuiltinSource):
        found = load_builtin(source.name, source.options)
        columns = [Stored(n, "NUMBER", v) for n, v in found.values.items()]
        test_rows = found.test_rows
        if not choice.target:
            choice = _with_target(choice, found.default_target)
    else:
        columns = read_stored(source.path)
    names = [c.name for c in columns]
    check_names(names, choice)
    by_name = {c.name: c for c in columns}
    targets = [_target(by_name[name]) for name in choice.target]
    features = tuple(_feature(c, choice) for c in columns if c.name not in choice.special())
    if not features:
        raise DataError("No column is left to learn from: exclude fewer columns.")
    return Table(
        features=features,
        target=np.stack(targets, axis=1),
        target_names=choice.target,
        weight=None if choice.weight is None else _weight(by_name[choice.weight]),
        time=None if choice.time is None else _time(by_name[choice.time]),
        group=None if choice.group is None else _group(by_name[choice.group]),
        test_rows=test_rows,
    )


def read_stored(path: Path) -> list[Stored]:
    """The columns of a normalised file (an npz without pickle, see `files`)."""
    with np.load(path, allow_pickle=False) as stored:
        header = json.loads(stored["header"].tobytes())
        return [
            Stored(c["name"], c["kind"], stored[f"c{i}"], tuple(c.get("levels", ())))
            for i, c in enumerate(header["columns"])
        ]


def check_names(names: Sequence[str], choice: ColumnChoice) -> None:
    """Every named column exists, and none has two parts to play.

    Raises:
        DataError: with close names.
    """
    if not choice.target:
        raise DataError(f"Name the column to predict as dataset.target; the columns are {_listed(names)}.")
    single = [c for c in (choice.weight, choice.time, choice.group) if c is not None]
    for name in [*choice.target, *choice.exclude, *choice.categorical, *single]:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the columns are {_listed(names)}."
            raise DataError(f"There is no column {name!r}; {hint}")
    for name in choice.target:
        if name in {*choice.exclude, *choice.categorical, choice.weight, choice.time, choice.group}:
            raise DataError(f"The column {name!r} is the target and cannot be something else too.")


def _with_target(choice: ColumnChoice, target: str) -> ColumnChoice:
    rest = (choice.exclude, choice.categorical, choice.weight, choice.time, choice.group, choice.missing)
    return ColumnChoice((target,), *rest)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"


def _numbers(column: Stored, part: str) -> NDArray[np.float64]:
    if column.kind not in {"NUMBER", "BOOLEAN"}:
        raise DataError(f"The {part} column {column.name!r} holds {column.kind.lower()}, not numbers.")
    return np.asarray(column.values, dtype=np.float64)


def _target(column: Stored) -> NDArray[np.float64]:
    values = _numbers(column, "target")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        row = int(bad[0])
        what = "missing" if np.isnan(values[row]) else "infinite"
        more = f" ({bad.size} such rows)" if bad.size > 1 else ""
        raise DataError(f"The target {column.name!r} is {what} in row {row + 1}{more}: remove such rows first.")
    if np.ptp(values) == 0:
        raise DataError(f"The target {column.name!r} is {values[0]:g} in every row: there is nothing to learn.")
    return values


def _weight(column: Stored) -> NDArray[np.float64]:
    values = _numbers(column, "weight")
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        raise DataError(f"The weight {column.name!r} is not a number of 0 or more in row {int(bad[0]) + 1}.")
    if values.sum() == 0:
        raise DataError(f"The weight {column.name!r} is 0 in every row.")
    return values


def _time(column: Stored) -> NDArray[np.float64]:
    if column.kind not in {"NUMBER", "DATE"}:
        raise DataError(f"The time column {column.name!r} holds {column.kind.lower()}: it must be a number or a date.")
    values = np.asarray(column.values, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(f"The time {column.name!r} is missing in row {int(bad[0]) + 1}.")
    return values


def _group(column: Stored) -> NDArray[np.int64]:
    """Codes of the groups; each missing value is a group of its own."""
    if column.kind == "TEXT":
        codes = np.asarray(column.values, dtype=np.int64)
        missing = codes < 0
    else:
        numbers = np.asarray(column.values, dtype=np.float64)
        missing = np.isnan(numbers)
        codes = np.unique(numbers, return_inverse=True)[1].reshape(-1).astype(np.int64)
    codes = codes.copy()
    codes[missing] = codes.max(initial=0) + 1 + np.arange(int(missing.sum()))
    return codes


def _feature(column: Stored, choice: ColumnChoice) -> NumberColumn | TextColumn:
    name = column.name
    if column.kind == "DATE":
        raise DataError(f"The column {name!r} holds dates: exclude it, or use it as dataset.time.")
    if column.kind == "TEXT" or name in choice.categorical:
        text = _as_text(column)
        if len(text.levels) > MAX_LEVELS:
            raise DataError(
                f"The column {name!r} has {len(text.levels)} different values, and at most {MAX_LEVELS} can be one-hot:"
                " exclude it."
            )
        missing = np.flatnonzero(text.codes < 0)
        _refuse_missing(name, missing, choice)
        return text
    values = np.asarray(column.values, dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DataError(f"The column {name!r} is infinite in row {int(infinite[0]) + 1}: mend it or exclude it.")
    _refuse_missing(name, np.flatnonzero(np.isnan(values)), choice)
    return NumberColumn(name, values)


def _refuse_missing(name: str, rows: NDArray[np.intp], choice: ColumnChoice) -> None:
    if rows.size and choice.missing == "REFUSE":
        raise DataError(
            f"The column {name!r} is missing in row {int(rows[0]) + 1} ({rows.size} in all): fill it, exclude it, or "
            "set dataset.missing to MEDIAN_AND_FLAG."
        )


def _as_text(column: Stored) -> TextColumn:
    if column.kind == "TEXT":
        return TextColumn(column.name, np.asarray(column.values, dtype=np.int32), column.levels)
    numbers = np.asarray(column.values, dtype=np.float64)
    known = ~np.isnan(numbers)
    levels, codes = np.unique(numbers[known], return_inverse=True)
    full = np.full(numbers.size, -1, dtype=np.int32)
    full[known] = codes.reshape(-1)
    return TextColumn(column.name, full, tuple(f"{level:g}" for level in levels))
