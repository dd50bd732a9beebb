"""The optimizer with which a user has compiled a model, taken over where the engine has the same rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

KINDS: dict[type, str] = {
    keras.optimizers.SGD: "sgd",
    keras.optimizers.Adam: "adam",
    keras.optimizers.AdamW: "adamw",
    keras.optimizers.RMSprop: "rmsprop",
    keras.optimizers.Nadam: "nadam",
}
_TAKEN = {"name", "learning_rate", "weight_decay", "momentum", "nesterov"}


class UnknownOptimizerError(ValueError):
    """The model is compiled with what the engine does not have; the sentence says what would be right."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Kind and settings of an optimizer. All but `kind` and `nesterov` are inputs of a compiled program."""

    kind: str
    nesterov: bool
    learning_rate: float
    momentum: float
    weight_decay: float


def compiled_with(model: Any) -> Compiled | None:
    """None where the model is not compiled.

    Raises:
        UnknownOptimizerError: another optimizer, a schedule, or settings beside Keras' defaults.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return None
    kind = KINDS.get(type(optimizer))
    if kind is None:
        names = ", ".join(t.__name__ for t in KINDS)
        raise UnknownOptimizerError(f"it is compiled with {type(optimizer).__name__}: use one of {names}")
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, Mapping):
        raise UnknownOptimizerError("its learning rate follows a schedule: give a number, or a hyperparameter")
    usual = type(optimizer)().get_config()
    for name, value in config.items():
        if name not in _TAKEN and value != usual.get(name):
            raise UnknownOptimizerError(f"its optimizer has {name}={value}: leave it at Keras' own {usual.get(name)}")
    return Compiled(
        kind,
        bool(config.get("nesterov", False)),
        float(rate),
        float(config.get("momentum", 0.0)),
        float(config["weight_decay"] or 0.0),
    )
