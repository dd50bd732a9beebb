"""The built-in datasets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1

from sweep_service.core.errors import DataError
from sweep_service.datasets.catalog import catalog, check_options, friedman1_mean, load_builtin
from sweep_service.datasets.load import BuiltinSource, ColumnChoice, load_table


def friedman(**options: float) -> dict[str, np.ndarray]:
    return load_builtin("friedman1", options).values


def noiseless(values: dict[str, np.ndarray]) -> np.ndarray:
    return friedman1_mean(np.column_stack([v for n, v in values.items() if n != "y"]))


def test_diabetes_is_scikit_learns_to_the_last_digit() -> None:
    theirs = load_diabetes(scaled=False)
    found = load_builtin("diabetes", {})
    assert list(found.values) == [*theirs.feature_names, "progression"]
    assert np.array_equal(np.column_stack(list(found.values.values())), np.column_stack([theirs.data, theirs.target]))
    assert found.default_target == "progression"
    assert found.test_rows is None


def test_friedmans_function_is_scikit_learns() -> None:
    X, y = make_friedman1(200, 7, noise=0.0, random_state=3)
    assert friedman1_mean(X) == pytest.approx(y, rel=1e-12)


def test_noise_is_gaussian_with_the_deviation_that_was_asked_for() -> None:
    values = friedman(rows=20_000, noise=2.5, features=6)
    rest = values["y"] - noiseless(values)
    assert len(values) == 7
    assert rest.std() == pytest.approx(2.5, rel=0.02)
    assert abs(rest.mean()) < 0.06
    assert np.mean(np.abs(rest) > 3 * 2.5) < 0.005
    clean = friedman(rows=50, noise=0.0)
    assert clean["y"] == pytest.approx(noiseless(clean), abs=1e-12)


@pytest.mark.parametrize(("rows", "share", "count"), [(500, 0.1, 50), (333, 0.25, 83), (500, 0.0, 0), (20, 0.5, 10)])
def test_gross_errors_are_added_to_just_the_share_of_the_rows(rows: int, share: float, count: int) -> None:
    clean = friedman(rows=rows, seed=4)
    dirty = friedman(rows=rows, seed=4, outlier_share=share, outlier_scale=1000.0)
    assert np.count_nonzero(clean["y"] != dirty["y"]) == count
    for name in clean:
        if name != "y":
            assert np.array_equal(clean[name], dirty[name])
    if count > 40:
        assert (dirty["y"] - clean["y"]).std() == pytest.approx(1000 * np.sqrt(share), rel=0.3)


def test_the_seed_says_all_that_is_drawn() -> None:
    assert np.array_equal(friedman(seed=1)["y"], friedman(seed=1)["y"])
    assert not np.intersect1d(friedman(seed=1)["y"], friedman(seed=2)["y"]).size


def test_options_are_completed() -> None:
    assert check_options("friedman1", {"rows": 100}) == {
        "rows": 100, "features": 10, "noise": 1.0, "outlier_share": 0.0, "outlier_scale": 10.0, "seed": 0,
    }  # fmt: skip
    assert check_options("diabetes", {}) == {}


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("friedman2", {}, "no built-in dataset 'friedman2'; there are diabetes"),
        ("friedman1", {"row": 9}, "no option 'row'; its options are rows"),
        ("diabetes", {"rows": 9}, "it has no options"),
        ("friedman1", {"rows": 19}, "from 20 to 1e\\+06, not 19"),
        ("friedman1", {"rows": 100.0}, "a whole number"),
        ("friedman1", {"rows": True}, "a whole number, not True"),
        ("friedman1", {"noise": "1"}, "a number, not '1'"),
        ("friedman1", {"noise": float("nan")}, "from 0 to"),
        ("friedman1", {"outlier_share": 0.6}, "from 0 to 0.5"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        check_options(name, options)


def test_each_entry_says_what_it_is_and_what_it_predicts() -> None:
    for entry in catalog():
        assert entry.description
        assert entry.default_target
    assert {e.name for e in catalog()} == {"diabetes", "boston_housing", "california_housing", "friedman1"}


def test_without_a_target_the_datasets_own_is_predicted() -> None:
    table = load_table(BuiltinSource("friedman1", {"rows": 30}), ColumnChoice(exclude=("x7",)))
    assert table.target_names == ("y",)
    assert [c.name for c in table.features] == ["x1", "x2", "x3", "x4", "x5", "x6", "x8", "x9", "x10"]
    assert table.target.shape == (30, 1)
