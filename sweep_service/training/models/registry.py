"""Which HyperModel a name stands for."""

from __future__ import annotations

from typing import Any

from sweep_service.training.models.mlp import build_mlp
from sweep_service.training.pack import Architecture


def build_model(architecture: Architecture) -> Any:
    """An uncompiled model of an architecture.

    Raises:
        ValueError: no such HyperModel is installed here.
    """
    if architecture.hypermodel != "mlp":
        raise ValueError(f"there is no HyperModel {architecture.hypermodel!r} on this worker")
    return build_mlp(architecture.values, architecture.inputs, architecture.outputs)
