"""From columns to a matrix whose every fitted number is the training rows'."""

from __future__ import annotations

import numpy as np
import pytest

from sweep_service.numerics.design import fit_design
from sweep_service.numerics.table import NumberColumn, Table, TextColumn

NAN = np.nan


def table(*columns: NumberColumn | TextColumn) -> Table:
    n = len(columns[0].values if isinstance(columns[0], NumberColumn) else columns[0].codes)
    return Table(columns, np.zeros((n, 1)), ("y",))


def numbers(name: str, *values: float) -> NumberColumn:
    return NumberColumn(name, np.array(values))


def test_columns_have_mean_0_and_deviation_1_on_the_training_rows_alone() -> None:
    random = np.random.default_rng(0)
    data = table(NumberColumn("a", random.normal(50, 9, 100)), NumberColumn("b", random.exponential(1e-6, 100)))
    train = np.arange(70)
    design = fit_design(data, train)
    inside = design.transform(data, train).astype(float)
    assert inside.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert inside.std(axis=0) == pytest.approx([1, 1], abs=1e-5)
    held = design.transform(data, np.arange(70, 100))
    a = data.features[0]
    assert held[:, 0] == pytest.approx((a.values[70:] - a.values[:70].mean()) / a.values[:70].std(), abs=1e-5)


def test_held_out_rows_change_nothing_that_is_fitted() -> None:
    train = np.arange(4)
    plain = fit_design(table(numbers("a", 1, 2, NAN, 4, 5, 6)), train)
    wild = fit_design(table(numbers("a", 1, 2, NAN, 4, 1e9, -1e9)), train)
    assert plain.medians == wild.medians == {"a": 2.0}
    assert plain.mean.tolist() == wild.mean.tolist()
    assert plain.scale.tolist() == wild.scale.tolist()


def test_a_missing_number_is_the_median_of_the_training_rows_and_has_a_flag() -> None:
    data = table(numbers("a", 1, 2, 30, NAN, 100, NAN))
    design = fit_design(data, np.array([0, 1, 2, 3]))
    assert design.names == ("a", "a is missing")
    out = design.transform(data, np.arange(6)).astype(float)
    assert out[3, 0] == out[5, 0] == pytest.approx((2 - 8.75) / np.std([1, 2, 30, 2]), abs=1e-5)
    assert (out[:, 1] > 0).tolist() == [False, False, False, True, False, True]


def test_the_flag_stands_even_where_the_training_rows_miss_nothing_so_that_folds_have_one_shape() -> None:
    data = table(numbers("a", 1, 2, 3, NAN))
    design = fit_design(data, np.array([0, 1, 2]))
    assert design.width == 2
    assert design.transform(data, np.arange(4))[:, 1].tolist() == [0, 0, 0, 0]  # constant in training: no guess


def test_text_is_one_hot_and_missing_text_is_none_of_its_levels() -> None:
    data = table(TextColumn("c", np.array([0, 1, 1, -1], np.int32), ("red", "blue", "never seen")))
    design = fit_design(data, np.arange(4))
    assert design.names == ("c=red", "c=blue", "c=never seen")
    raw = design.transform(data, np.arange(4)) * np.where(np.isinf(design.scale), 0, design.scale) + design.mean
    assert raw.round(5).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("value", [0.0, 0.1, 1e12, -7e-9])
def test_a_constant_column_is_0_and_not_magnified_round_off(value: float) -> None:
    data = table(NumberColumn("a", np.r_[np.full(9, value), value + 1]), numbers("b", *range(10)))
    design = fit_design(data, np.arange(9))
    assert design.transform(data, np.arange(10))[:, 0].tolist() == [0] * 10


def test_a_column_that_is_missing_in_every_training_row_is_0() -> None:
    data = table(numbers("a", NAN, NAN, 5.0), numbers("b", 1, 2, 3))
    design = fit_design(data, np.array([0, 1]))
    assert design.transform(data, np.arange(3))[:, :2].tolist() == [[0, 0]] * 3
