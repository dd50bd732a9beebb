"""A sweep's data, prepared: rows split, folds cut, and each fold's arrays fitted on its training rows alone.

The worker's parent (PLAN) and its child (TRAIN) prepare the same spec to the same arrays: everything follows
from the spec and the bytes of the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError
from sweep_service.core.run import Purpose, common_seed
from sweep_service.core.spec import SweepSpec
from sweep_service.datasets.load import BuiltinSource, ColumnChoice, FileSource, load_table
from sweep_service.numerics.design import fit_design
from sweep_service.numerics.folds import Fold, duplicate_groups, lock_test_rows, make_folds
from sweep_service.numerics.scale import Scale, residual_sigma
from sweep_service.numerics.table import NumberColumn, Table

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Source = BuiltinSource | FileSource
LARGEST = 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The table, and which of its rows may be learned from; the test rows stay locked."""

    table: Table
    work_rows: Rows
    test_rows: Rows
    groups: Rows


@dataclass(frozen=True, slots=True, eq=False)
class FoldArrays:
    """One fold: all m working rows in the units of its training rows.

    `x` (m, p) and `y` (m, q) are standardised; `target` (m, q) is not; `train` and `validation` index the
    working rows; `scale.sigma` is the residual scale in target units, `mean` and `sd` (q,) are the target's.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    target: Floats
    weight: NDArray[np.float32] | None
    train: Rows
    validation: Rows
    mean: Floats
    sd: Floats
    scale: Scale


def column_choice(spec: SweepSpec) -> ColumnChoice:
    """Which columns are what."""
    dataset = spec.dataset
    target = dataset.target if isinstance(dataset.target, list) else [dataset.target] if dataset.target else []
    return ColumnChoice(
        target=tuple(target),
        exclude=tuple(dataset.features.exclude),
        categorical=tuple(dataset.features.categorical),
        weight=dataset.weight,
        time=dataset.time,
        group=dataset.group,
        missing=dataset.missing,
    )


def prepare(spec: SweepSpec, source: Source) -> Prepared:
    """Load the table and lock its test rows.

    Raises:
        DataError: it cannot be used; the sentence says why.
    """
    table = load_table(source, column_choice(spec))
    _refuse_enormous(table)
    split = spec.dataset.split
    groups = duplicate_groups(table)
    kind = split.validation.kind
    if split.test_fraction == 0:
        work, test = np.arange(table.n_rows), np.empty(0, dtype=np.int64)
    else:
        work, test = lock_test_rows(
            table.n_rows,
            split.test_fraction,
            common_seed(spec.split_seed(), "TEST"),
            kind,
            groups=groups,
            time=table.time,
            published=table.test_rows,
        )
    return Prepared(table, np.sort(work), np.sort(test), groups)


def _refuse_enormous(table: Table) -> None:
    """Finite numbers whose squares are not: no mean square, and so no scale, could be had of them."""
    named = [(n, table.target[:, i]) for i, n in enumerate(table.target_names)]
    named += [(c.name, c.values) for c in table.features if isinstance(c, NumberColumn)]
    for name, values in named:
        largest = float(np.nanmax(np.abs(values), initial=0.0))
        if largest > LARGEST:
            raise DataError(
                f"The column {name!r} holds numbers as large as {largest:.3g}, whose squares no computer can hold: "
                "divide it by a power of ten, or exclude it."
            )


def partition(prepared: Prepared, spec: SweepSpec, purpose: Purpose, repeat: int) -> list[Fold]:
    """The folds of one repeat. Confirmation draws other partitions than the search; TIME and HOLDOUT keep theirs."""
    validation = spec.dataset.split.validation
    fixed = validation.kind in {"TIME", "HOLDOUT"}
    seed = common_seed(spec.split_seed(), "FOLDS", "" if fixed else purpose)
    kind = "KFOLD" if validation.kind == "REPEATED_KFOLD" else validation.kind
    return make_folds(
        kind,
        prepared.work_rows,
        validation.folds,
        validation.fraction,
        seed,
        repeat,
        groups=prepared.groups,
        time=prepared.table.time,
    )


def fold_arrays(prepared: Prepared, fold: Fold) -> FoldArrays:
    """A fold's arrays.

    Raises:
        DataError: the target is constant on the fold's training rows, or they all weigh nothing.
    """
    table, work = prepared.table, prepared.work_rows
    if table.weight is not None and not table.weight[fold.train].any():
        raise DataError("The weights of the training rows of a fold are all 0: there is nothing to learn there.")
    design = fit_design(table, fold.train)
    target = table.target[work]
    train = np.searchsorted(work, fold.train)
    mean, sd = target[train].mean(axis=0), target[train].std(axis=0)
    if not np.all(sd > 0):
        raise DataError("The target is constant on the training rows of a fold: there is nothing to learn there.")
    x = design.transform(table, work)
    return FoldArrays(
        x=x,
        y=((target - mean) / sd).astype(np.float32),
        target=target,
        weight=None if table.weight is None else table.weight[work].astype(np.float32),
        train=train,
        validation=np.searchsorted(work, fold.validation),
        mean=mean,
        sd=sd,
        scale=residual_sigma(x[train].astype(np.float64), target[train, 0]),
    )


def describe(prepared: Prepared, spec: SweepSpec) -> dict[str, object]:
    """The `data` report: what the sweep learns from, and sigma of all working rows.

    Raises:
        DataError: it cannot be learned from as the spec asks.
    """
    wanted = {spec.objective.metric, *spec.objective.additional_metrics}
    if "MAPE" in wanted and (prepared.table.target[prepared.work_rows] == 0).any():
        raise DataError("MAPE divides by the target, and some targets are 0: use MAE, or another metric.")
    everything = Fold(train=prepared.work_rows, validation=prepared.work_rows[:0])
    whole = fold_arrays(prepared, everything)
    folds = partition(prepared, spec, Purpose.SEARCH, 0)
    return {
        "sigma": whole.scale.sigma,
        "sigma_method": whole.scale.method,
        "sigma_statistic": whole.scale.statistic,
        "sigma_sentence": whole.scale.sentence,
        "target_mean": float(whole.mean[0]),
        "target_sd": float(whole.sd[0]),
        "target_name": prepared.table.target_names[0],
        "rows": prepared.table.n_rows,
        "work_rows": int(prepared.work_rows.size),
        "test_rows": int(prepared.test_rows.size),
        "inputs": int(whole.x.shape[1]),
        "outputs": int(whole.y.shape[1]),
        "feature_names": [column.name for column in prepared.table.features],
        "folds": [{"train": int(f.train.size), "validation": int(f.validation.size)} for f in folds],
    }
