"""The built-in datasets: their names, options and arrays."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError
from sweep_service.datasets.published import BOSTON, CALIFORNIA, load_published

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OptionRange:
    """An option of a generated dataset."""

    default: float
    low: float
    high: float
    integer: bool
    help: str


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A built-in dataset."""

    name: str
    description: str
    default_target: str
    options: Mapping[str, OptionRange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Named numeric columns of equal length, the target among them; `test_rows` of a published split."""

    values: dict[str, Floats]
    default_target: str
    test_rows: NDArray[np.int64] | None = None


FRIEDMAN_OPTIONS = {
    "rows": OptionRange(500, 20, 1_000_000, integer=True, help="rows"),
    "features": OptionRange(10, 5, 1_000, integer=True, help="columns, of which five matter"),
    "noise": OptionRange(1.0, 0.0, 1e6, integer=False, help="sd of the Gaussian noise"),
    "outlier_share": OptionRange(0.0, 0.0, 0.5, integer=False, help="share of rows with a gross error"),
    "outlier_scale": OptionRange(10.0, 0.0, 1e6, integer=False, help="sd of the gross errors, in target units"),
    "seed": OptionRange(0, 0, 2**31 - 1, integer=True, help="of everything that is drawn"),
}

_ENTRIES = (
    CatalogEntry("diabetes", "442 patients, disease progression after a year (Efron et al. 2004)", "progression"),
    CatalogEntry("boston_housing", "506 suburbs, house prices, as Keras publishes and splits them", "medv"),
    CatalogEntry("california_housing", "20,640 districts, house prices, as Keras publishes and splits them", "value"),
    CatalogEntry(
        "friedman1", "generated: Friedman's first function with noise and gross errors", "y", FRIEDMAN_OPTIONS
    ),
)


def catalog() -> tuple[CatalogEntry, ...]:
    """All built-in datasets."""
    return _ENTRIES


def check_options(name: str, options: Mapping[str, Any]) -> dict[str, float]:
    """The options of a dataset, completed.

    Raises:
        DataError: no such dataset or option, or a value beyond its range.
    """
    entry = next((e for e in _ENTRIES if e.name == name), None)
    if entry is None:
        raise DataError(f"There is no built-in dataset {name!r}; there are {', '.join(e.name for e in _ENTRIES)}.")
    complete = {n: o.default for n, o in entry.options.items()}
    for option, value in options.items():
        known = entry.options.get(option)
        if known is None:
            what = f"its options are {', '.join(entry.options)}" if entry.options else "it has no options"
            raise DataError(f"The dataset {name} has no option {option!r}; {what}.")
        kind = "a whole number" if known.integer else "a number"
        whole = isinstance(value, int) or not known.integer
        if isinstance(value, bool) or not isinstance(value, int | float) or not whole:
            raise DataError(f"The option {option} of {name} is {kind}, not {value!r}.")
        if not known.low <= value <= known.high:
            raise DataError(f"The option {option} of {name} is from {known.low:g} to {known.high:g}, not {value:g}.")
        complete[option] = value
    return complete


def load_builtin(name: str, options: Mapping[str, Any]) -> Columns:
    """The columns of a built-in dataset.

    Raises:
        DataError: unknown, wrong options, or its file cannot be had.
    """
    complete = check_options(name, options)
    if name == "diabetes":
        return _diabetes()
    if name == "friedman1":
        return friedman1(**complete)
    return _published(name)


def _diabetes() -> Columns:
    text = files("sweep_service.datasets").joinpath("data/diabetes.csv").read_text(encoding="utf-8")
    header, *rows = list(csv.reader(text.splitlines()))
    table = np.array(rows, dtype=np.float64)
    return Columns({name: table[:, i] for i, name in enumerate(header)}, "progression")


def _published(name: str) -> Columns:
    source = BOSTON if name == "boston_housing" else CALIFORNIA
    x, y, test = load_published(source)
    values = {n: x[:, i] for i, n in enumerate(source.features)}
    return Columns(values | {source.target: y}, source.target, test)


def friedman1(
    rows: float, features: float, noise: float, outlier_share: float, outlier_scale: float, seed: float
) -> Columns:
    """10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5 + noise (Friedman, Annals of Statistics 19, 1991).

    Gross errors, Gaussian with sd `outlier_scale`, are added to just the given share of the rows.
    """
    random = np.random.default_rng(int(seed))
    x = random.uniform(size=(int(rows), int(features)))
    y = friedman1_mean(x) + noise * random.standard_normal(int(rows))
    hit = random.permutation(int(rows))[: round(int(rows) * outlier_share)]
    y[hit] += outlier_scale * random.standard_normal(hit.size)
    return Columns({**{f"x{i + 1}": x[:, i] for i in range(x.shape[1])}, "y": y}, "y")


def friedman1_mean(x: Floats) -> Floats:
    """The noiseless function of x (n, >= 5)."""
    wave = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    return np.asarray(wave + 10 * x[:, 3] + 5 * x[:, 4])
