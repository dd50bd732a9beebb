"""A sweep's data: what is locked, what is held out, and that nothing of either leaks into what is learned."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep_service.core.errors import DataError
from sweep_service.core.parsing import parse_spec
from sweep_service.core.run import Purpose
from sweep_service.core.spec import SweepSpec
from sweep_service.datasets import catalog
from sweep_service.datasets.files import Limits, normalise_upload
from sweep_service.datasets.load import BuiltinSource, FileSource
from sweep_service.datasets.published import BOSTON
from sweep_service.numerics.scale import residual_sigma
from sweep_service.worker.data import Prepared, describe, fold_arrays, partition, prepare

ROWS = 150
KINDS = ("KFOLD", "REPEATED_KFOLD", "GROUP", "TIME", "HOLDOUT")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> FileSource:
    """An uploaded table with groups, a time, weights, text, missing values, and rows that occur twice or more."""
    random = np.random.default_rng(3)
    lines = ["a,b,kind,group,when,weight,y"]
    for i in range(ROWS):
        a, b = random.normal(size=2)
        y = 3 * a - b + random.standard_t(2) * 0.5 + 40
        missing = "" if i % 10 == 3 else f"{b:.6f}"
        lines.append(f"{a:.6f},{missing},{'uvw'[i % 3]},{i // 4},{i % 75},{1 + i % 4},{y:.6f}")
    for i in range(0, ROWS, 5):
        lines[(i * 7 + 11) % ROWS + 1] = lines[i + 1]
    folder = tmp_path_factory.mktemp("upload")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    normalise_upload(folder / "table.csv", folder / "table.npz", "text/csv", Limits())
    return FileSource(folder / "table.npz")


def spec(kind: str = "KFOLD", **dataset: Any) -> SweepSpec:
    split = {"validation": {"kind": kind, **({"repeats": 2} if kind == "REPEATED_KFOLD" else {})}}
    split |= dataset.pop("split", {})
    columns = {"name": "mine", "target": "y", "time": "when", "group": "group", "weight": "weight"}
    if kind == "TIME":
        del columns["group"]
        dataset["features"] = {"exclude": ["group"]}
    return parse_spec({"dataset": {**columns, "split": split, **dataset}, "seed": 11})


@pytest.fixture(scope="module")
def prepared(source: FileSource) -> Prepared:
    return prepare(spec(), source)


def changed(prepared: Prepared, rows: Any, by: float = 1e3) -> Prepared:
    """The same table with other numbers in some rows."""
    target = prepared.table.target.copy()
    target[rows] += by
    features = []
    for column in prepared.table.features:
        if hasattr(column, "codes"):
            features.append(column)
            continue
        values = column.values.copy()
        values[rows] += by
        features.append(dataclasses.replace(column, values=values))
    table = dataclasses.replace(prepared.table, target=target, features=tuple(features))
    return dataclasses.replace(prepared, table=table)


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("kind", KINDS)
def test_locked_rows_are_in_no_fold_of_any_purpose_and_no_row_is_on_both_sides(
    source: FileSource, kind: str, purpose: Purpose
) -> None:
    wanted = spec(kind)
    prepared = prepare(wanted, source)
    assert 0 < prepared.test_rows.size < ROWS / 3
    assert sorted([*prepared.work_rows, *prepared.test_rows]) == list(range(ROWS))
    for repeat in range(2):
        folds = partition(prepared, wanted, purpose, repeat)
        assert len(folds) == wanted.folds()
        for fold in folds:
            used = np.concatenate([fold.train, fold.validation])
            assert np.unique(used).size == used.size
            assert np.isin(used, prepared.work_rows).all()
        if kind in {"KFOLD", "REPEATED_KFOLD", "GROUP"}:
            held = np.concatenate([fold.validation for fold in folds])
            assert sorted(held) == list(prepared.work_rows)


@pytest.mark.parametrize("kind", ["KFOLD", "REPEATED_KFOLD", "GROUP", "HOLDOUT"])
def test_neither_groups_nor_equal_rows_straddle_a_fold_or_the_lock(source: FileSource, kind: str) -> None:
    wanted = spec(kind)
    prepared = prepare(wanted, source)
    table = prepared.table
    assert table.group is not None
    contents = [
        tuple(np.nan_to_num(getattr(c, "values", getattr(c, "codes", None))[i], nan=-9e9) for c in table.features)
        for i in range(ROWS)
    ]
    assert len({(*c, y) for c, y in zip(contents, table.target[:, 0], strict=True)}) < ROWS - 10
    sides = [(prepared.work_rows, prepared.test_rows)]
    sides += [(f.train, f.validation) for r in range(2) for f in partition(prepared, wanted, Purpose.SEARCH, r)]
    for one, other in sides:
        assert not {*table.group[one]} & {*table.group[other]}
        assert not {(*contents[i], table.target[i, 0]) for i in one} & {
            (*contents[i], table.target[i, 0]) for i in other
        }


def test_time_folds_and_the_lock_look_forward_only(source: FileSource) -> None:
    wanted = spec("TIME")
    prepared = prepare(wanted, source)
    time = prepared.table.time
    assert time is not None
    assert time[prepared.work_rows].max() < time[prepared.test_rows].min()
    for fold in partition(prepared, wanted, Purpose.SEARCH, 0):
        assert time[fold.train].max() < time[fold.validation].min()


def test_features_and_target_are_standardised_by_the_training_rows(prepared: Prepared) -> None:
    fold = partition(prepared, spec(), Purpose.SEARCH, 0)[1]
    arrays = fold_arrays(prepared, fold)
    train = arrays.x[arrays.train].astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(arrays.y[arrays.train].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(arrays.y[arrays.train].std(), 1, atol=1e-6)
    assert abs(arrays.y[arrays.validation].mean()) > 1e-3  # not by these
    np.testing.assert_allclose(arrays.y * arrays.sd + arrays.mean, arrays.target, rtol=1e-5)


def test_rows_of_a_fold_are_those_of_the_table(prepared: Prepared) -> None:
    fold = partition(prepared, spec(), Purpose.SEARCH, 0)[2]
    arrays = fold_arrays(prepared, fold)
    assert len(arrays.x) == len(arrays.y) == len(arrays.target) == prepared.work_rows.size
    np.testing.assert_array_equal(arrays.target[arrays.train], prepared.table.target[fold.train])
    np.testing.assert_array_equal(arrays.target[arrays.validation], prepared.table.target[fold.validation])
    assert prepared.table.weight is not None
    np.testing.assert_array_equal(arrays.weight, prepared.table.weight[prepared.work_rows].astype(np.float32))


def test_a_held_out_row_moves_nothing_that_is_trained_on_to_the_bit(prepared: Prepared) -> None:
    fold = partition(prepared, spec(), Purpose.SEARCH, 0)[0]
    before, after = fold_arrays(prepared, fold), fold_arrays(changed(prepared, fold.validation), fold)
    for name in ("x", "y", "target"):
        assert np.array_equal(getattr(before, name)[before.train], getattr(after, name)[after.train])
        assert not np.array_equal(getattr(before, name)[before.validation], getattr(after, name)[after.validation])
    assert (before.scale, before.mean, before.sd) == (after.scale, after.mean, after.sd)


def test_a_training_row_moves_them(prepared: Prepared) -> None:
    fold = partition(prepared, spec(), Purpose.SEARCH, 0)[0]
    before, after = fold_arrays(prepared, fold), fold_arrays(changed(prepared, fold.train[:1]), fold)
    assert before.mean != after.mean
    assert not np.array_equal(before.x[before.validation], after.x[after.validation])


def test_a_locked_row_moves_nothing_at_all(prepared: Prepared) -> None:
    wanted = spec()
    other = changed(prepared, prepared.test_rows)
    for fold in partition(prepared, wanted, Purpose.SEARCH, 0):
        before, after = fold_arrays(prepared, fold), fold_arrays(other, fold)
        for name in ("x", "y", "target", "weight", "train", "validation"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
    assert describe(prepared, wanted) == describe(other, wanted)


def test_sigma_is_each_folds_own_from_its_training_rows(prepared: Prepared) -> None:
    sigmas = []
    for fold in partition(prepared, spec(), Purpose.SEARCH, 0):
        arrays = fold_arrays(prepared, fold)
        mine = residual_sigma(arrays.x[arrays.train].astype(np.float64), prepared.table.target[fold.train, 0])
        assert arrays.scale == mine
        assert mine.sigma < 0.6 * arrays.sd[0]  # of the noise, not of the target
        sigmas.append(mine.sigma)
    assert len(set(sigmas)) == 5


def test_confirmation_draws_partitions_of_its_own_and_each_repeat_another(source: FileSource) -> None:
    def drawn(kind: str) -> list[bytes]:
        wanted = spec(kind)
        prepared = prepare(wanted, source)
        return [
            b"".join(f.validation.tobytes() + b"|" for f in partition(prepared, wanted, purpose, repeat))
            for purpose in (Purpose.SEARCH, Purpose.CONFIRM)
            for repeat in range(3)
        ]

    for kind in ("KFOLD", "REPEATED_KFOLD", "GROUP"):
        assert len(set(drawn(kind))) == 6
    for kind in ("TIME", "HOLDOUT"):
        assert len(set(drawn(kind))) == 1


def test_the_parent_and_its_child_prepare_the_same_arrays(source: FileSource) -> None:
    wanted = spec()
    one, other = prepare(wanted, source), prepare(SweepSpec.model_validate(wanted.model_dump(by_alias=True)), source)
    assert np.array_equal(one.test_rows, other.test_rows)
    for a, b in zip(*(partition(p, wanted, Purpose.CONFIRM, 2) for p in (one, other)), strict=True):
        assert np.array_equal(fold_arrays(one, a).x, fold_arrays(other, b).x)


def test_the_seed_of_the_split_alone_decides_what_is_locked(source: FileSource) -> None:
    def locked(**changes: Any) -> bytes:
        wanted = parse_spec({"dataset": {"name": "mine", "target": "y", "split": changes.pop("split", {})}, **changes})
        return prepare(wanted, source).test_rows.tobytes()

    assert locked(seed=1) == locked(seed=2, split={"seed": 1}) != locked(seed=2)


def test_the_published_split_of_a_keras_dataset_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_published: Callable[[Path], str]
) -> None:
    digest = make_published(tmp_path / "datasets" / BOSTON.file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(catalog, "BOSTON", dataclasses.replace(BOSTON, sha256=digest))
    for seed in (0, 1):
        prepared = prepare(parse_spec({"dataset": "boston_housing", "seed": seed}), BuiltinSource("boston_housing"))
        assert prepared.test_rows.tolist() == list(range(404, 506))
        assert prepared.work_rows.tolist() == list(range(404))


@pytest.fixture
def make_published() -> Callable[[Path], str]:
    """Writes a file of the shape that Keras publishes, with other numbers, since tests have no network."""

    def write(path: Path) -> str:
        random = np.random.default_rng(0)
        path.parent.mkdir(parents=True)
        np.savez(path, x=random.normal(size=(506, 13)), y=random.normal(size=506))
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return write


def test_a_test_fraction_of_0_locks_nothing(source: FileSource) -> None:
    prepared = prepare(spec(split={"test_fraction": 0.0}), source)
    assert prepared.test_rows.size == 0
    assert prepared.work_rows.size == ROWS


def test_the_report_tells_what_is_learned_from(prepared: Prepared) -> None:
    report = describe(prepared, spec())
    work = prepared.table.target[prepared.work_rows]
    assert report["target_name"] == "y"
    assert report["target_mean"] == pytest.approx(work.mean())
    assert report["target_sd"] == pytest.approx(work.std())
    assert (report["rows"], report["work_rows"], report["test_rows"]) == (
        ROWS,
        prepared.work_rows.size,
        prepared.test_rows.size,
    )
    # a, b, whether b is missing, and three kinds
    assert (report["inputs"], report["outputs"]) == (6, 1)
    assert report["feature_names"] == ["a", "b", "kind"]
    assert 0.2 < float(str(report["sigma"])) < 1.5
    assert "MAD" in str(report["sigma_sentence"])
    folds = report["folds"]
    assert isinstance(folds, list)
    assert sum(f["validation"] for f in folds) == prepared.work_rows.size
    assert all(f["train"] + f["validation"] == prepared.work_rows.size for f in folds)


@pytest.mark.parametrize("objective", ["MAPE", {"metric": "MAE", "additional_metrics": ["MAPE"]}])
def test_mape_of_a_target_with_a_zero_is_refused_before_anything_trains(prepared: Prepared, objective: Any) -> None:
    wanted = spec().model_copy(update={"objective": parse_spec({"dataset": "d", "objective": objective}).objective})
    assert describe(prepared, wanted)["target_name"] == "y"
    target = prepared.table.target.copy()
    target[prepared.work_rows[3]] = 0.0
    zero = dataclasses.replace(prepared, table=dataclasses.replace(prepared.table, target=target))
    with pytest.raises(DataError, match="some targets are 0"):
        describe(zero, wanted)


def test_a_target_that_is_constant_where_a_fold_trains_is_refused(prepared: Prepared) -> None:
    fold = partition(prepared, spec(), Purpose.SEARCH, 0)[0]
    target = prepared.table.target.copy()
    target[fold.train] = 1.0
    flat = dataclasses.replace(prepared, table=dataclasses.replace(prepared.table, target=target))
    with pytest.raises(DataError, match="constant on the training rows of a fold"):
        fold_arrays(flat, fold)


def test_training_rows_that_all_weigh_nothing_are_refused(prepared: Prepared) -> None:
    fold = partition(prepared, spec(), Purpose.SEARCH, 0)[0]
    weight = np.zeros(ROWS)
    weight[fold.validation] = 1.0
    light = dataclasses.replace(prepared, table=dataclasses.replace(prepared.table, weight=weight))
    with pytest.raises(DataError, match="all 0: there is nothing to learn"):
        fold_arrays(light, fold)
