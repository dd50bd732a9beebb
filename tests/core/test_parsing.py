"""What a spec may say, and what is answered when it says something else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_service.core.errors import SpecError
from sweep_service.core.parameters import search_space
from sweep_service.core.parsing import dump_spec, parse_spec, pointer
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
        ({"dataset": {"name": "d", "time": "t", "group": "g", "split": {"validation": {"kind": "TIME"}}}},
         "/dataset/group", "cut by time alone"),
        ({"anchors": ["MSE", {"delta": 0.5}, {"delta": 0.5, "unit": "SIGMA"}]}, "/anchors/2", "0.5 SIGMA stands in"),
        ({"anchors": ["MSE", "MSE"]}, "/anchors/1", "twice"),
        ({"anchors": ["HUBER"]}, "/anchors/0", "'MSE' or 'MAE'"),
        ({"parameters": {"momentum": 0.9}}, "/parameters/momentum", "belongs to sgd and rmsprop"),
        ({"parameters": {"nesterov": True, "optimizer": "rmsprop"}}, "/parameters/nesterov", "belongs to sgd"),
        ({"parameters": {"dropout": {"kind": "CATEGORICAL", "choices": [0.1, 0.99]}}},
         "/parameters/dropout/choices/1", "at most 0.95"),
        ({"parameters": {"units": [16, 8.5]}}, "/parameters/units/1", "whole number"),
        ({"parameters": {"units": []}}, "/parameters/units", "one width a layer"),
        ({"parameters": {"learning_rate": [0.1, 0.2]}}, "/parameters/learning_rate", "use CATEGORICAL"),
        ({"parameters": {"batch_size": 2.5}}, "/parameters/batch_size", "whole number"),
        ({"parameters": {"dropout": {"kind": "FLOAT", "low": 0.0, "high": 0.5, "unit": "SIGMA"}}},
         "/parameters/dropout/unit", "belongs to delta alone"),
        ({"parameters": {"delta": {"kind": "CATEGORICAL", "choices": [1.0, 2.0]}}}, "/parameters/delta", "FLOAT range"),
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


@pytest.mark.parametrize(
    ("parameters", "where", "says"),
    [
        ({"delta": {"kind": "FLOAT", "low": 0.1, "high": 1.0, "when": {"units": [16]}}}, "delta", "every trial"),
        ({"units": {"kind": "INT", "low": 1, "high": 9, "when": {"optimizer": ["adam"]}}}, "units", "every trial"),
        ({"dropout": {"kind": "FLOAT", "low": 0.1, "high": 0.5, "when": {"dropout": [0.1]}}}, "dropout", "no other"),
        ({"dropout": {"kind": "FLOAT", "low": 0.1, "high": 0.5, "when": {"deep": [1]}}}, "dropout", "no other"),
        ({"dropout": {"kind": "FLOAT", "low": 0.1, "high": 0.5, "when": {"layers": [9]}}}, "dropout", "from 1 to 2"),
        ({"dropout": {"kind": "FLOAT", "low": 0.1, "high": 0.5, "when": {"layers": [2]}},
          "layers": {"kind": "INT", "low": 1, "high": 5, "step": 2}}, "dropout", "can never hold"),
        ({"dropout": {"kind": "FLOAT", "low": 0.1, "high": 0.5, "when": {"l2": [0.0]}},
          "l2": {"kind": "FLOAT", "low": 0.0, "high": 0.5, "when": {"dropout": [0.1]}}}, "dropout", "on itself"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_met_is_refused(parameters: dict[str, object], where: str, says: str) -> None:
    found = problems({"dataset": "d", "parameters": parameters})
    assert any(pointer.startswith(f"/parameters/{where}/when") and says in m for pointer, m in found.items()), found


def test_what_belongs_to_an_optimizer_that_may_be_drawn_is_taken() -> None:
    both = {"kind": "CATEGORICAL", "choices": ["adam", "rmsprop"]}
    assert (
        parse_spec({"dataset": "d", "parameters": {"optimizer": both, "momentum": 0.5}}).parameters["momentum"] == 0.5
    )
    parse_spec({"dataset": "d", "parameters": {"momentum": 0.0, "nesterov": False}})  # the defaults, said aloud


def test_switching_things_off_with_null_or_an_empty_list() -> None:
    off = {"anchors": None, "confirm": None, "final": None, "pruner": None, "training": {"early_stopping": None}}
    spec = parse_spec({"dataset": "d", **off})
    assert (spec.anchor_list(), spec.confirm, spec.training.early_stopping) == ([], None, None)
    assert parse_spec({"dataset": "d", "anchors": [], "pruner": {"name": "NONE"}}).anchor_list() == []


def test_the_objective_may_be_a_name() -> None:
    assert parse_spec({"dataset": "d", "objective": "RMSE"}).objective.metric == "RMSE"


def test_seeds_default_to_the_sweeps() -> None:
    spec = parse_spec({"dataset": "d", "seed": 9})
    assert (spec.split_seed(), spec.sampler_seed()) == (9, 9)
    split, sampler = {"name": "d", "split": {"seed": 1}}, {"seed": 2}
    spec = parse_spec({"dataset": split, "seed": 9, "sampler": sampler})
    assert (spec.split_seed(), spec.sampler_seed()) == (1, 2)


def test_pointers_are_escaped_as_rfc_6901_says() -> None:
    assert pointer("a/b", "c~d", 0) == "/a~1b/c~0d/0"
    assert "/labels/a~1b" in problems({"dataset": "d", "labels": {"a/b": 1}})


def test_the_schema_is_json_and_names_every_field_and_default() -> None:
    schema = SweepSpec.model_json_schema(by_alias=True)
    text = json.dumps(schema, allow_nan=False)
    assert schema["required"] == ["dataset"]
    assert set(schema["properties"]) == {
        "name", "description", "labels", "priority", "seed", "dataset", "model", "loss", "objective", "parameters",
        "anchors", "sampler", "pruner", "confirm", "final", "training", "budget", "warm_start", "enqueue", "webhooks",
    }  # fmt: skip
    assert schema["additionalProperties"] is False
    for words in ("MEDIAN_AND_FLAG", "REPEATED_KFOLD", "TRIMMED_MAE", '"from"'):
        assert words in text


def test_a_problem_reads_as_a_sentence_with_its_place() -> None:
    with pytest.raises(SpecError, match=r"/parameters/delta: delta must be above 0, not -1"):
        parse_spec({"dataset": "d", "parameters": {"delta": -1}})


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
