"""Update rules as pure functions, equal to Keras' own optimizers (tested over 50 steps).

A rule takes one variable of one member: (gradient, variable, its slots, step counted from 1, hyperparameters)
and returns the new variable and slots. `learning_rate`, `momentum` and `weight_decay` are inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any
Hyper = Mapping[str, Tensor]
Rule = Callable[[Tensor, Tensor, tuple[Tensor, ...], Tensor, Hyper, bool], tuple[Tensor, tuple[Tensor, ...]]]

BETA_1, BETA_2, EPSILON, RHO, NADAM_DECAY = 0.9, 0.999, 1e-7, 0.9, 0.96
# Keras' nadam rounds its betas to float32 before it takes them from 1 (its adam does not): 1 - beta_2 is then larger
# by 5e-5 of itself, and after 40 epochs the losses would differ by 1e-5.
_NADAM_1, _NADAM_2 = float(np.float32(1) - np.float32(BETA_1)), float(np.float32(1) - np.float32(BETA_2))


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A rule, and the number of slots that it keeps for each variable (all start at 0).

    `products` counts scalar slots a variable that start at 1 (nadam's running product).
    """

    rule: Rule
    slots: int
    products: int = 0


def _sgd(g: Tensor, v: Tensor, slots: tuple[Tensor, ...], _t: Tensor, h: Hyper, nesterov: bool) -> Any:
    moved = slots[0] * h["momentum"] - g * h["learning_rate"]
    change = moved * h["momentum"] - g * h["learning_rate"] if nesterov else moved
    return v + change, (moved,)


def _adam(g: Tensor, v: Tensor, slots: tuple[Tensor, ...], t: Tensor, h: Hyper, _nesterov: bool) -> Any:
    rate = h["learning_rate"] * tf.sqrt(1.0 - tf.pow(BETA_2, t)) / (1.0 - tf.pow(BETA_1, t))
    first = slots[0] + (g - slots[0]) * (1.0 - BETA_1)
    second = slots[1] + (g * g - slots[1]) * (1.0 - BETA_2)
    return v - first * rate / (tf.sqrt(second) + EPSILON), (first, second)


def _rmsprop(g: Tensor, v: Tensor, slots: tuple[Tensor, ...], _t: Tensor, h: Hyper, _nesterov: bool) -> Any:
    mean = RHO * slots[0] + (1.0 - RHO) * g * g
    moved = h["momentum"] * slots[1] + h["learning_rate"] * g * tf.math.rsqrt(mean + EPSILON)
    return v - moved, (mean, moved)


def _nadam(g: Tensor, v: Tensor, slots: tuple[Tensor, ...], t: Tensor, h: Hyper, _nesterov: bool) -> Any:
    now = BETA_1 * (1.0 - 0.5 * tf.pow(NADAM_DECAY, t))
    ahead = BETA_1 * (1.0 - 0.5 * tf.pow(NADAM_DECAY, t + 1.0))
    product = slots[2] * now
    first = slots[0] + (g - slots[0]) * _NADAM_1
    second = slots[1] + (g * g - slots[1]) * _NADAM_2
    looked = ahead * first / (1.0 - product * ahead) + (1.0 - now) * g / (1.0 - product)
    spread = tf.sqrt(second / (1.0 - tf.pow(BETA_2, t))) + EPSILON
    return v - looked * h["learning_rate"] / spread, (first, second, product)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(_sgd, 1),
    "adam": Optimizer(_adam, 2),
    "adamw": Optimizer(_adam, 2),
    "rmsprop": Optimizer(_rmsprop, 2),
    "nadam": Optimizer(_nadam, 2, products=1),
}


def initial_slots(name: str, variables: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """Optimizer state of stacked variables (K, ...)."""
    kind = OPTIMIZERS[name]
    made = []
    for variable in variables:
        ones = tuple(tf.ones(variable.shape[0], tf.float32) for _ in range(kind.products))
        made.append((*(tf.zeros_like(variable) for _ in range(kind.slots)), *ones))
    return made


def update(
    name: str,
    gradients: list[Tensor],
    variables: list[Tensor],
    slots: list[tuple[Tensor, ...]],
    step: Tensor,
    hyper: Hyper,
    *,
    nesterov: bool,
) -> tuple[list[Tensor], list[tuple[Tensor, ...]]]:
    """One step of all variables of a member; decoupled weight decay first, as Keras does it."""
    rule = OPTIMIZERS[name].rule
    new_variables, new_slots = [], []
    for gradient, variable, kept in zip(gradients, variables, slots, strict=True):
        decayed = variable - variable * (hyper["weight_decay"] * hyper["learning_rate"])
        moved, state = rule(gradient, decayed, kept, step, hyper, nesterov)
        new_variables.append(moved)
        new_slots.append(state)
    return new_variables, new_slots
