"""What the compiled program trains is what plain `model.fit` trains: the test that all else stands on.

Both get the same initial weights and the same batches. What is promised: the loss of each epoch within 1e-6 of
itself, and weights within 1e-5. MAE alone is trained with a slope for a sign where |e| < 1e-6 sd, and its loss
comes out half of that too small: 5e-7 sd for each row beyond, so that its tolerance is 1e-6 sd (measured: 6.6e-7).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sweep_service.core.mlp_space import OPTIMIZERS

pytestmark = pytest.mark.engine

RULES = {
    "sgd": {"optimizer": "sgd"},
    "sgd with momentum": {"optimizer": "sgd", "momentum": 0.9},
    "sgd with a look-ahead": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.01},
    "rmsprop with momentum": {"optimizer": "rmsprop", "momentum": 0.5},
    "nadam": {"optimizer": "nadam"},
}


def assert_same(packed: Any, i: int, kind: str, plain: Any, rows: int) -> None:
    got, wanted = packed.losses[:, i], plain.losses[:, 0]
    if kind == "MAE":
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)
    else:
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=0)
    for ours, keras in zip(packed.weights[i], plain.weights[0], strict=True):
        np.testing.assert_allclose(ours, keras, rtol=0, atol=1e-5)
    np.testing.assert_allclose(packed.predictions[:, i, :rows], plain.predictions[:, 0], rtol=1e-5, atol=1e-5)


def split(rule: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What belongs to the program, and what to its members."""
    of_program = {k: v for k, v in rule.items() if k in {"optimizer", "nesterov"}}
    return of_program, {k: v for k, v in rule.items() if k not in of_program}


def test_every_optimizer_is_compared() -> None:
    assert {rule["optimizer"] for rule in RULES.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", RULES)
def test_forty_epochs_at_batch_32_equal_fit_for_every_loss_in_one_pack(engine: Any, losses: Any, name: str) -> None:
    of_program, of_members = split(RULES[name])
    architecture = engine.architecture(**of_program)
    kinds = [("MSE", None), ("HUBER", 0.3), ("MAE", None), ("HUBER", 2.5)]
    if name not in {"sgd", "adam"}:
        kinds = kinds[:2]
    members = [
        engine.member(losses(*kind), fold=i % 2, stream=7 + i // 2, learning_rate=0.01 / (1 + i % 3), **of_members)
        for i, kind in enumerate(kinds)
    ]
    packed = engine.pack(architecture, members, 40)
    assert packed.rung == "PACK"
    for i, (member, (kind, _)) in enumerate(zip(members, kinds, strict=True)):
        rows = engine.folds[member.fold].validation_rows.size
        assert_same(packed, i, kind, engine.fit(architecture, member, 40), rows)


@pytest.mark.parametrize("name", ["sgd", "sgd with a look-ahead", "adam", "rmsprop with momentum", "nadam"])
def test_five_epochs_at_batch_1_equal_fit(engine: Any, losses: Any, name: str) -> None:
    of_program, of_members = split(RULES[name])
    architecture = engine.architecture(batch_size=1, **of_program)
    kinds = [("MAE", None), ("HUBER", 0.5)]
    members = [
        engine.member(losses(*kind), fold=i, stream=7 + i, learning_rate=0.002 * (1 + i), **of_members)
        for i, kind in enumerate(kinds)
    ]
    packed = engine.pack(architecture, members, 5)
    for i, (member, (kind, _)) in enumerate(zip(members, kinds, strict=True)):
        rows = engine.folds[member.fold].validation_rows.size
        assert_same(packed, i, kind, engine.fit(architecture, member, 5), rows)


def test_two_hundred_and_fifty_epochs_at_batch_1_equal_fit(engine: Any, losses: Any, table: Any) -> None:
    from sweep_service.training.pack import FoldData

    x, y = table(24, 5, seed=3)
    rows = np.arange(24)
    folds = [FoldData(x, y, None, rows[8:], rows[:8])]
    # A small net that cannot learn its rows by heart: where the loss goes to 0, Adam's steps blow up any rounding.
    architecture = engine.architecture(batch_size=1, optimizer="sgd", layers=1, units=[4], activation="tanh")
    member = engine.member(losses("HUBER", 0.8), learning_rate=0.01)
    packed = engine.pack(architecture, [member], 250, folds=folds)
    plain = engine.fit(architecture, member, 250, folds=folds)
    np.testing.assert_allclose(packed.losses, plain.losses, rtol=1e-5)  # measured: 1.1e-6
    for ours, keras in zip(packed.weights[0], plain.weights[0], strict=True):
        np.testing.assert_allclose(ours, keras, rtol=0, atol=1e-5)


def test_weights_of_rows_divide_by_the_rows_of_the_batch_as_keras_does(engine: Any, losses: Any, table: Any) -> None:
    from sweep_service.training.pack import FoldData

    x, y = table(90, 5, outputs=2, seed=5)
    weight = np.random.default_rng(1).uniform(0, 3, 90).astype(np.float32)
    weight[::7] = 0.0
    rows = np.arange(90)
    folds = [FoldData(x, y, weight, rows[:70], rows[70:])]
    architecture = engine.architecture(outputs=2, optimizer="sgd")
    members = [engine.member(losses(*kind), learning_rate=0.05) for kind in (("MSE", None), ("HUBER", 0.4))]
    packed = engine.pack(architecture, members, 40, folds=folds)
    for i, member in enumerate(members):
        assert_same(packed, i, "HUBER", engine.fit(architecture, member, 40, folds=folds), 20)


def test_the_step_normaliser_moves_the_step_and_not_the_loss_that_is_shown(engine: Any, losses: Any) -> None:
    architecture = engine.architecture(optimizer="sgd")
    member = engine.member(losses("HUBER", 0.1), step_scale=10.0, learning_rate=0.02)
    packed = engine.pack(architecture, [member], 40)
    assert_same(packed, 0, "HUBER", engine.fit(architecture, member, 40), 30)


def penalised(engine: Any, penalty: float) -> Any:
    import keras

    l2 = keras.regularizers.L2(penalty) if penalty else None
    entry = keras.Input((engine.inputs,))
    x = keras.layers.Dense(16, activation="relu", kernel_regularizer=l2)(entry)
    x = keras.layers.Dense(8, activation="relu", kernel_regularizer=l2)(x)
    return keras.Model(entry, keras.layers.Dense(1, kernel_regularizer=l2)(x))


def test_l2_is_the_sum_of_squared_kernels_and_no_bias(engine: Any, losses: Any) -> None:
    architecture = engine.architecture()
    member = engine.member(losses("HUBER", 0.4), l2=0.01)
    packed = engine.pack(architecture, [member, engine.member(losses("HUBER", 0.4))], 40)
    plain = engine.fit(architecture, member, 40, model=penalised(engine, 0.01))
    assert_same(packed, 0, "HUBER", plain, 30)
    assert np.abs(packed.weights[0][0]).sum() < 0.9 * np.abs(packed.weights[1][0]).sum()


@pytest.mark.parametrize("ladder", [("FUSED",), ()])
def test_the_penalty_is_the_same_on_every_rung(engine: Any, losses: Any, ladder: tuple[str, ...]) -> None:
    from sweep_service.training.trainer import PackTrainer

    architecture = engine.architecture(layers=1, units=[6], activation="tanh")
    members = [engine.member(losses("HUBER", 0.4), l2=0.05), engine.member(losses("HUBER", 0.4), fold=1)]
    packed = engine.pack(architecture, members, 3)
    other = engine.pack(architecture, members, 3, trainer=PackTrainer(architecture, 8, ladder=ladder))
    assert (packed.rung, other.rung) == ("PACK", *(ladder or ("FIT",)))
    np.testing.assert_allclose(other.losses, packed.losses, rtol=1e-5)
    for mine, theirs in zip(packed.weights, other.weights, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_penalty_of_the_model_itself_is_not_lost(engine: Any, losses: Any) -> None:
    from sweep_service.training.trainer import PackTrainer

    architecture = engine.architecture()
    trainer = PackTrainer(architecture, 8, build=lambda: penalised(engine, 0.01))
    member = engine.member(losses("HUBER", 0.4))
    packed = engine.pack(architecture, [member], 40, trainer=trainer)
    assert_same(packed, 0, "HUBER", engine.fit(architecture, member, 40, model=penalised(engine, 0.01)), 30)
