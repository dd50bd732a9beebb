"""From columns to a standardised matrix, fitted on training rows alone.

The columns of the matrix are decided by the whole table (which levels exist, which columns ever miss a value),
so that every fold has one shape; every fitted number (medians, means, deviations) is the training rows'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep_service.numerics.table import NumberColumn, Table

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What was fitted: `medians` for missing numbers, `mean` and `scale` (p,) of the matrix' columns."""

    names: tuple[str, ...]
    medians: dict[str, float]
    mean: Floats
    scale: Floats

    @property
    def width(self) -> int:
        """Number of columns p."""
        return len(self.names)

    def transform(self, table: Table, rows: Rows) -> NDArray[np.float32]:
        """The standardised matrix (m, p) of some rows; a column that is constant in training is 0."""
        raw = _raw(table, rows, self.medians)
        return ((raw - self.mean) / self.scale).astype(np.float32)


def fit_design(table: Table, rows: Rows) -> Design:
    """Fit on the training rows (m,)."""
    medians: dict[str, float] = {}
    for column in table.features:
        if isinstance(column, NumberColumn):
            seen = column.values[rows]
            seen = seen[~np.isnan(seen)]
            medians[column.name] = float(np.median(seen)) if seen.size else 0.0
    raw = _raw(table, rows, medians)
    mean = raw.mean(axis=0)
    deviation = raw.std(axis=0)
    # Round-off leaves a constant column with a deviation near 1e-17: dividing by it would make noise of it.
    constant = deviation <= 1e-12 * np.maximum(1.0, np.abs(mean))
    return Design(_names(table), medians, mean, np.where(constant, np.inf, deviation))


def _names(table: Table) -> tuple[str, ...]:
    names: list[str] = []
    for column in table.features:
        if isinstance(column, NumberColumn):
            names.append(column.name)
            if np.isnan(column.values).any():
                names.append(f"{column.name} is missing")
        else:
            names += [f"{column.name}={level}" for level in column.levels]
    return tuple(names)


def _raw(table: Table, rows: Rows, medians: dict[str, float]) -> Floats:
    """Imputed and one-hot, not standardised: (m, p). A missing text value is 0 in all of its levels."""
    parts: list[Floats] = []
    for column in table.features:
        if isinstance(column, NumberColumn):
            values = column.values[rows]
            missing = np.isnan(values)
            parts.append(np.where(missing, medians[column.name], values)[:, None])
            if np.isnan(column.values).any():
                parts.append(missing.astype(np.float64)[:, None])
        else:
            parts.append((column.codes[rows][:, None] == np.arange(len(column.levels))).astype(np.float64))
    return np.concatenate(parts, axis=1) if parts else np.empty((rows.size, 0))
