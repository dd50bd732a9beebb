"""One build of a HyperModel: the model, what it asked for, and whether the engine can train it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from sweep_service.training.hypermodels.compiled import Compiled, compiled_with
from sweep_service.training.hypermodels.fingerprint import DESCRIBED, dropout_rates, fingerprint


class BuildError(ValueError):
    """A HyperModel's build failed, or made what cannot be trained; the sentence is for the trial."""


@dataclass(frozen=True, slots=True, eq=False)
class Build:
    """What one set of values made. `key` is equal where a compiled program may be shared."""

    model: Any
    asked: tuple[Any, ...]
    """KerasTuner's hyperparameters, in the order in which they were asked for, those that are inactive too."""
    values: Mapping[str, Any]
    compiled: Compiled | None
    dropout: tuple[float, ...]
    key: str


def build(hypermodel: Any, values: Mapping[str, Any], inputs: int, outputs: int) -> Build:
    """Build with these values; what is asked for beside them gets its default.

    Raises:
        BuildError: whatever goes wrong in there, in a sentence.
    """
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    try:
        model = hypermodel.build(hp)
    except Exception as error:
        raise BuildError(f"its build failed: {type(error).__name__}: {_first_line(error)}") from error
    _check(model, inputs, outputs)
    asked = tuple(hp.space)
    active = {h.name: hp.values[h.name] for h in asked if hp.is_active(h) and h.name in hp.values}
    try:
        compiled = compiled_with(model)
    except ValueError as error:
        raise BuildError(str(error)) from None
    parts = [fingerprint(model, active)]
    if compiled is not None:
        parts += [compiled.kind, str(compiled.nesterov)]
    return Build(model, asked, active, compiled, dropout_rates(model), "/".join(parts))


def _check(model: Any, inputs: int, outputs: int) -> None:
    """One input of `inputs` columns, one output of `outputs`."""
    if not isinstance(model, keras.Model):
        raise BuildError(f"its build returned {type(model).__name__}, not a keras.Model")
    takes = model.input_shape if type(model) in DESCRIBED and model.built else (None, inputs)
    if isinstance(takes, list | dict) or (takes and isinstance(takes[0], tuple)):
        raise BuildError("its model has several inputs: it gets one table of columns, (rows, columns)")
    if len(takes) != 2 or takes[1] not in {None, inputs}:
        raise BuildError(f"its model takes {tuple(takes)}: it gets (rows, {inputs})")
    try:
        gives = model(keras.Input((inputs,)))  # builds it where that is still to be done
    except Exception as error:
        raise BuildError(f"its model does not take {inputs} columns: {_first_line(error)}") from error
    shape = tuple(getattr(gives, "shape", ()))
    if len(shape) != 2 or shape[1] != outputs:
        what = "1 output" if outputs == 1 else f"{outputs} outputs"
        raise BuildError(f"its model gives {shape or type(gives).__name__}: {what} a row it must be")


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
