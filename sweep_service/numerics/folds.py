"""Which rows are held out: the locked test rows, and the validation folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError
from sweep_service.numerics.table import NumberColumn, Table

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Row numbers of the table, ascending: `train` and `validation` share none."""

    train: Rows
    validation: Rows


def duplicate_groups(table: Table) -> Rows:
    """Group number of each row (n,): rows equal in features and target share one, and so do the user's groups."""
    parts = [c.values if isinstance(c, NumberColumn) else c.codes.astype(np.float64) for c in table.features]
    matrix = np.column_stack([*parts, table.target])
    matrix = np.where(np.isnan(matrix), -np.pi * 1e300, matrix) + 0.0  # one missing value equals another; -0 is 0
    _, first, same = np.unique(matrix, axis=0, return_index=True, return_inverse=True)
    # Numbered as they occur: in the order of their values, one corrected cell would draw other test rows.
    same = np.argsort(np.argsort(first))[same.reshape(-1)].astype(np.int64)
    return same if table.group is None else _union(same, table.group)


def _union(a: Rows, b: Rows) -> Rows:
    """Rows connected through either grouping get one number: the smallest label is passed on until nothing moves."""
    label = np.unique(a, return_inverse=True)[1].reshape(-1).astype(np.int64)
    other = np.unique(b, return_inverse=True)[1].reshape(-1)
    while True:
        before = label.copy()
        for groups in (other, before):
            least = np.full(int(groups.max()) + 1, np.iinfo(np.int64).max)
            np.minimum.at(least, groups, label)
            label = least[groups]
        if np.array_equal(label, before):
            return label


def lock_test_rows(
    n: int,
    fraction: float,
    seed: int,
    kind: str,
    *,
    groups: Rows | None = None,
    time: Floats | None = None,
    published: Rows | None = None,
) -> tuple[Rows, Rows]:
    """Working rows and test rows.

    A published split is taken as it is. TIME: the last rows in time. Otherwise whole groups at random, up to
    the share.

    Raises:
        DataError: too few rows.
    """
    every = np.arange(n, dtype=np.int64)
    if published is not None:
        return np.setdiff1d(every, published), np.unique(published)
    wanted = max(1, round(n * fraction))
    if n - wanted < 2:
        raise DataError(
            f"{n} rows are too few to lock away {fraction:.0%} of them as a test set: set test_fraction to 0."
        )
    if kind == "TIME":
        if time is None:
            raise DataError("TIME folds need a time column.")
        order = np.argsort(time, kind="stable")
        start = time[order[n - wanted]]  # rows of one moment stay together
        test = every[time >= start]
    else:
        ids = every if groups is None else groups
        test = _take_groups(ids, every, wanted, np.random.default_rng(seed))
    if test.size in {0, n}:
        raise DataError("The rows form too few groups to lock some of them away as a test set: set test_fraction to 0.")
    return np.setdiff1d(every, test), np.sort(test)


def _take_groups(ids: Rows, rows: Rows, wanted: int, random: np.random.Generator) -> Rows:
    """Whole groups in a random order, those passed over that would exceed the wanted number of rows.

    Where each group alone would, the smallest is taken.
    """
    names, place, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    order = random.permutation(names.size)
    if sizes.max() == 1:
        take = order[: min(wanted, names.size - 1)]
    else:
        chosen, free = [], wanted
        for group in order:
            if sizes[group] <= free:
                chosen.append(group)
                free -= sizes[group]
        take = np.array(chosen or [order[np.argmin(sizes[order])]])
    return rows[np.isin(place.reshape(-1), take)]


def make_folds(
    kind: str,
    rows: Rows,
    folds: int,
    fraction: float,
    seed: int,
    repeat: int,
    *,
    groups: Rows | None = None,
    time: Floats | None = None,
) -> list[Fold]:
    """Folds of the given rows.

    Args:
        kind: KFOLD, REPEATED_KFOLD, GROUP, TIME or HOLDOUT.
        rows: row numbers of the table, (m,).
        folds: how many (HOLDOUT: one).
        fraction: held out by HOLDOUT.
        seed: of the partition.
        repeat: KFOLD and GROUP draw a new partition for each; TIME and HOLDOUT keep theirs.
        groups: of all rows of the table (n,): none of them straddles a fold.
        time: of all rows of the table (n,), for TIME.

    Raises:
        DataError: too few rows or groups.
    """
    rows = np.sort(rows)
    ids = rows if groups is None else groups[rows]
    if kind == "TIME":
        return _time_folds(rows, folds, time)
    if kind == "HOLDOUT":
        held = _take_groups(ids, rows, max(1, round(rows.size * fraction)), np.random.default_rng([seed]))
        return [_fold(rows, held)]
    names, place, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    if names.size < folds:
        what = "groups of rows (equal rows count as one)" if names.size < rows.size else "rows"
        raise DataError(f"There are {names.size} {what} for {folds} folds: use at most {names.size} folds.")
    home = _balanced(sizes, folds, np.random.default_rng([seed, repeat]))[place.reshape(-1)]
    return [_fold(rows, rows[home == f]) for f in range(folds)]


def _balanced(sizes: Rows, folds: int, random: np.random.Generator) -> Rows:
    """Fold of each group: large groups first, each to the fold with the fewest rows; ties at random."""
    order = random.permutation(sizes.size)
    home = np.empty(sizes.size, dtype=np.int64)
    large = sizes[order] > 1
    filled = np.zeros(folds, dtype=np.int64)
    for group in order[large][np.argsort(-sizes[order[large]], kind="stable")]:
        fold = int(np.argmin(filled))
        home[group] = fold
        filled[fold] += sizes[group]
    single = order[~large]
    # Single rows fill up the folds to the same height: the smallest fold first, in vectors.
    target = filled.copy()
    rest = int(single.size)
    counts = np.zeros(folds, dtype=np.int64)
    while rest > 0:
        low = np.flatnonzero(target == target.min())
        higher = target[target > target.min()]
        room = int(higher.min() - target.min()) if higher.size else rest
        step = max(1, min(room, rest // low.size))
        for lowest in low:
            add = min(step, rest)
            counts[lowest] += add
            target[lowest] += add
            rest -= add
    home[single] = np.repeat(np.arange(folds), counts)
    return home


def _time_folds(rows: Rows, folds: int, time: Floats | None) -> list[Fold]:
    """An expanding window: each fold validates on the next stretch of time and trains on all before it."""
    if time is None:
        raise DataError("TIME folds need a time column.")
    moments = np.unique(time[rows])
    if moments.size < folds + 1:
        raise DataError(
            f"There are {moments.size} moments in time for {folds} folds: use at most {moments.size - 1} folds."
        )
    ordered = np.sort(time[rows], kind="stable")
    cuts = _distinct_cuts(ordered, moments, folds)
    return [
        Fold(rows[time[rows] < cuts[f]], rows[(time[rows] >= cuts[f]) & (time[rows] < cuts[f + 1])])
        for f in range(folds)
    ]


def _distinct_cuts(ordered: Floats, moments: Floats, folds: int) -> Sequence[float]:
    """Starts of the folds' validation stretches, near equal numbers of rows, each at another moment."""
    wanted = [ordered[ordered.size * (f + 1) // (folds + 1)] for f in range(folds)]
    places = [int(np.searchsorted(moments, w)) for w in wanted]
    for f in range(folds):
        lowest = places[f - 1] + 1 if f else 1
        places[f] = min(max(places[f], lowest), moments.size - (folds - f))
    return [*(float(moments[p]) for p in places), float("inf")]


def _fold(rows: Rows, held: Rows) -> Fold:
    train = np.setdiff1d(rows, held)
    if train.size < 2 or held.size == 0:
        raise DataError(f"{rows.size} rows are too few for these folds: use fewer folds.")
    return Fold(train, np.sort(held))
