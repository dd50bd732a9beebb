"""A dataset in memory, before anything is fitted on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn:
    """A numeric feature: `values` (n,) float64, NaN where it is missing."""

    name: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """A categorical feature: `codes` (n,) int32 into `levels`, -1 where it is missing."""

    name: str
    codes: NDArray[np.int32]
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """n rows of features and q targets; `test_rows` are those that a published split holds out."""

    features: tuple[NumberColumn | TextColumn, ...]
    target: NDArray[np.float64]
    target_names: tuple[str, ...]
    weight: NDArray[np.float64] | None = None
    time: NDArray[np.float64] | None = None
    group: NDArray[np.int64] | None = None
    test_rows: NDArray[np.int64] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.target.shape[0])
