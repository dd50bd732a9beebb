"""What a spec may say, and what is answered when it says something else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_service.core.errors import SpecError
from sweep_service.core.parameters import search_space
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.spec import SweepSpec


def problems(document: object) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(document)
    return {p.pointer: p.message for p in caught.value.problems}


def test_the_smallest_sweep_has_every_default_filled_in() -> None:
    spec = dump_spec(parse_spec({"dataset": "diabetes"}))
    assert spec["dataset"]["name"] == "diabetes"
    assert spec["parameters"]["delta"] == {
        "kind": "FLOAT", "low": 0.02, "high": 10.0, "log": True, "step": None, "unit": "SIGMA", "when": None,
    }  # fmt: skip
    assert spec["anchors"][:2] == ["MSE", "MAE"]
    assert spec["name"] == "diabetes-huber"


def test_a_stored_spec_is_read_back_unchanged() -> None:
    spec = parse_spec({"dataset": "diabetes", "parameters": {"units": [16, 8], "delta": 1.5}})
    assert SweepSpec.model_validate(json.loads(json.dumps(dump_spec(spec)))) == spec
    assert spec.parameters["layers"] == 2


@pytest.mark.parametrize("name", ["loss", "val_loss", "VAL_LOSS"])
def test_the_loss_as_an_objective_is_refused_with_the_reason_and_not_an_enum_error(name: str) -> None:
    found = problems({"dataset": "diabetes", "objective": {"metric": name}})
    assert list(found) == ["/objective/metric"]
    assert "changes with delta itself" in found["/objective/metric"]


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"objectiv": {}}, "/objectiv", "did you mean 'objective'"),
        ({"dataset": {"name": "d", "split": {"seeed": 1}}}, "/dataset/split/seeed", "did you mean 'seed'"),
        ({"parameters": {"delta": -1}}, "/parameters/delta", "above 0"),
        ({"parameters": {"delta": {"kind": "FLOAT", "low": 0, "high": 1}}}, "/parameters/delta/low", "above 0"),
        ({"parameters": {"delta": {"kind": "FLOAT", "low": 2, "high": 1}}}, "/parameters/delta", "must be below high"),
        ({"parameters": {"learnig_rate": 0.1}}, "/parameters/learnig_rate", "did you mean 'learning_rate'"),
        ({"parameters": {"activation": "rleu"}}, "/parameters/activation", "relu"),
        ({"parameters": {"layers": {"kind": "FLOAT", "low": 1, "high": 2}}}, "/parameters/layers/kind", "use INT"),
        ({"parameters": {"units": [8, 8], "layers": 3}}, "/parameters/layers", "leave layers out"),
        ({"parameters": {"momentum": {"kind": "FLOAT", "low": 0, "high": 0.9, "when": {"optimizer": ["sgd"]}}}},
         "/parameters/momentum/when/optimizer", "can never hold"),
        ({"budget": {"max_trials": "3"}}, "/budget/max_trials", "valid integer"),
        ({"budget": {"max_duration": "1h"}}, "/budget/max_duration", "pattern"),
        ({"budget": {"max_duration": "PT0S"}}, "/budget/max_duration", "no time at all"),
        ({"objective": {"metric": "HUBER"}}, "/objective/delta", "fixed delta"),
        ({"objective": {"metric": "MAE", "tau": 0.5}}, "/objective/tau", "PINBALL"),
        ({"objective": {"metric": "AUC"}}, "/objective/metric", "not supported yet"),
        ({"dataset": {"name": "d", "split": {"validation": {"kind": "TIME"}}}}, "/dataset/time", "need the column"),
        ({"dataset": {"name": "d", "split": {"validation": {"kind": "KFOLD", "fraction": 0.3}}}},
         "/dataset/split/validation/fraction", "belongs to HOLDOUT"),
        ({"anchors": [{"delta": 0}]}, "/anchors/0/delta", "greater than 0"),
        ({"final": {"seeds": 3}}, "/final", "not supported yet"),
        ({"webhooks": [{"url": "x"}]}, "/webhooks", "not supported yet"),
        ({"enqueue": [{"delta": 1.0}]}, "/enqueue", "not supported yet"),
        ({"loss": {"kind": "TUKEY"}}, "/loss/kind", "not supported yet"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_where_it_stands(change: dict[str, object], pointer: str, says: str) -> None:
    found = problems({"dataset": "diabetes", **change})
    assert list(found) == [pointer]
    assert says in found[pointer]


def test_a_body_that_is_no_object_gets_an_example() -> None:
    assert '{"dataset": "diabetes"}' in problems([])[""]
    assert "/dataset" in problems({})


def test_all_problems_come_at_once() -> None:
    found = problems({"dataset": "d", "parameters": {"delta": -1, "batch_size": 0}, "final": {}})
    assert set(found) == {"/parameters/delta", "/parameters/batch_size", "/final"}


def test_conditions_put_parents_before_those_that_depend_on_them() -> None:
    momentum = {"kind": "FLOAT", "low": 0.0, "high": 0.9, "when": {"optimizer": ["sgd"]}}
    optimizer = {"kind": "CATEGORICAL", "choices": ["adam", "sgd"]}
    space = search_space(parse_spec({"dataset": "d", "parameters": {"momentum": momentum, "optimizer": optimizer}}))
    names = [p.name for p in space]
    assert names.index("optimizer") < names.index("momentum")


numbers = st.floats(1e-6, 1e6, allow_nan=False)


@given(low=numbers, factor=st.floats(1.001, 1e4), seed=st.integers(0, 2**53 - 1), trials=st.integers(1, 100_000))
def test_specs_survive_json(low: float, factor: float, seed: int, trials: int) -> None:
    delta = {"kind": "FLOAT", "low": low, "high": low * factor, "log": True, "unit": "TARGET"}
    spec = parse_spec({"dataset": "d", "seed": seed, "parameters": {"delta": delta}, "budget": {"max_trials": trials}})
    assert SweepSpec.model_validate(json.loads(json.dumps(dump_spec(spec)))) == spec
