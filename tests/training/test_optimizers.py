"""The update rules against Keras' own optimizers: fifty steps, each weight within 1e-6.

Weight decay is Keras' too: variable - variable * weight_decay * learning_rate before the rule, of every variable,
biases among them, whichever the optimizer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine

STEPS = 50
CASES = {
    "sgd": {},
    "sgd with decay": {"weight_decay": 0.1},
    "sgd with momentum": {"momentum": 0.9, "weight_decay": 0.1},
    "sgd with nesterov": {"momentum": 0.9},
    "sgd with nesterov and no momentum": {},
    "adam": {},
    "adam with decay": {"weight_decay": 0.1},
    "adamw": {"weight_decay": 0.1},
    "adamw without decay": {},
    "rmsprop": {"weight_decay": 0.1},
    "rmsprop with momentum": {"momentum": 0.7},
    "nadam": {},
    "nadam with decay": {"weight_decay": 0.1},
}


def gradients() -> list[list[np.ndarray[Any, Any]]]:
    """Of a kernel and a bias: of all sizes, and once of none."""
    random = np.random.default_rng(4)
    sizes = 10.0 ** random.uniform(-4, 2, STEPS)
    sizes[10] = 0.0
    return [[(s * random.normal(size=shape)).astype(np.float32) for shape in ((4, 3), (3,))] for s in sizes]


def start() -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(5)
    return [random.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3,))]


@pytest.mark.parametrize("case", CASES)
def test_fifty_steps_equal_those_of_keras(engine: Any, case: str) -> None:
    import keras
    import tensorflow as tf

    from sweep_service.training.optimizers import OPTIMIZERS, update

    name, nesterov = case.split()[0], "nesterov" in case
    member = engine.member({"bound": 1.0, "scale": 1.0}, learning_rate=0.02, **CASES[case])
    reference = [keras.Variable(v) for v in start()]
    optimizer = engine.keras_optimizer(name, member, nesterov=nesterov)
    optimizer.build(reference)

    hyper = {n: tf.constant(getattr(member, n), tf.float32) for n in ("learning_rate", "momentum", "weight_decay")}
    variables = [tf.constant(v) for v in start()]
    kind = OPTIMIZERS[name]
    ones = tuple(tf.constant(1.0) for _ in range(kind.products))
    slots = [(*(tf.zeros_like(v) for _ in range(kind.slots)), *ones) for v in variables]
    for t, given in enumerate(gradients()):
        optimizer.apply([tf.constant(g) for g in given], reference)
        step = tf.constant(t + 1.0)
        variables, slots = update(
            name, [tf.constant(g) for g in given], variables, slots, step, hyper, nesterov=nesterov
        )
        for ours, theirs in zip(variables, reference, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)


def test_every_optimizer_that_a_spec_may_name_has_a_rule(engine: Any) -> None:
    from sweep_service.core.mlp_space import OPTIMIZERS as NAMED
    from sweep_service.training.optimizers import OPTIMIZERS

    assert set(OPTIMIZERS) == set(NAMED)
