"""Whether two models are one architecture: their configs without names, and without what a program takes as input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras

from sweep_service.training.models.dropout import InputDropout


def fingerprint(model: Any, values: Mapping[str, Any]) -> str:
    """A digest that is equal for models that may share a compiled program.

    A model that Keras cannot describe (a class of its own, a layer without a config) is one of its kind: then the
    hyperparameters' values stand for it.

    Args:
        model: built.
        values: of all hyperparameters that were asked for.
    """
    shapes = [[list(v.shape), str(v.dtype)] for v in model.variables if "seed_generator" not in v.path]
    told = _config(model)
    if told is None:
        whole: Any = [type(model).__module__, type(model).__qualname__, sorted(values.items())]
    else:
        whole = [told, [s for s in shapes if s[0]]]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def dropout_rates(model: Any) -> tuple[float, ...]:
    """Rates of the layers whose rate a program takes as input, in the order of the model's layers."""
    layers = model._flatten_layers(include_self=False, recursive=True)
    return tuple(_rate(layer) for layer in layers if takes_rate(layer))


def takes_rate(layer: Any) -> bool:
    """Whether a pack makes the layer's rate an input."""
    if isinstance(layer, InputDropout):
        return True
    return type(layer) is keras.layers.Dropout and layer.noise_shape is None and layer.seed is None


def _rate(layer: Any) -> float:
    return float(layer.initial_rate if isinstance(layer, InputDropout) else layer.rate)


_ENTRY = keras.Input((1,))
DESCRIBED = (keras.Sequential, type(keras.Model(_ENTRY, _ENTRY)))
"""Keras makes a class that has no public name of a model that is given by inputs and outputs."""


def is_described(model: Any) -> bool:
    """Whether Keras knows the whole graph of a model; of a class of its own it does not know what `call` does."""
    return type(model) in DESCRIBED


def _config(model: Any) -> Any:
    """The model's config with places for names; None where Keras has none that is whole."""
    if not is_described(model):
        return None
    try:
        config = model.get_config()
    except (NotImplementedError, TypeError, ValueError):
        return None
    names: dict[str, str] = {}
    return _unnamed(config, names)


def _unnamed(value: Any, names: dict[str, str]) -> Any:
    """The config with each layer's name replaced by its place, wherever a name can stand and nowhere else."""
    if isinstance(value, Mapping):
        inner = {k: _name(v, names) if k == "name" else _unnamed(v, names) for k, v in value.items()}
        return _rate_is_input(inner)
    if isinstance(value, list | tuple):
        if len(value) == 3 and isinstance(value[0], str) and all(type(v) is int for v in value[1:]):
            return [_name(value[0], names), *value[1:]]  # where a tensor comes from
        return [_unnamed(v, names) for v in value]
    return value


def _name(name: Any, names: dict[str, str]) -> Any:
    return names.setdefault(name, f"#{len(names)}") if isinstance(name, str) else name


def _rate_is_input(layer: dict[str, Any]) -> dict[str, Any]:
    config = layer.get("config")
    if layer.get("class_name") not in {"Dropout", "InputDropout"} or not isinstance(config, Mapping):
        return layer
    if config.get("noise_shape") is not None or config.get("seed") is not None:
        return layer
    return {**layer, "config": {**config, "rate": "input"}}
