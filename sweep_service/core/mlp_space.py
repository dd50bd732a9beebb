"""The built-in MLP's search space as data, so that a POST is validated before any worker is up.

`training/models/mlp.py` declares the same space to KerasTuner; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from sweep_service.core.search_space import Categorical, FloatRange, IntRange, Value

ACTIVATIONS = ("relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "linear")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "nadam")
MAX_LAYERS = 8
MAX_UNITS = 1024


@dataclass(frozen=True, slots=True)
class Known:
    """A parameter that the house knows: its default, and what its values must be.

    `low` and `high` bound numbers (`low_open`: low itself is excluded); `choices` bounds names.
    """

    default: FloatRange | IntRange | Categorical | Value
    structural: bool
    integer: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    choices: tuple[Value, ...] = ()
    help: str = ""
    of: tuple[str, ...] = ()
    """The optimizers that have it; all of them where it is empty."""


DELTA = Known(
    FloatRange(low=0.02, high=10.0, log=True, unit="SIGMA"),
    structural=False,
    low=0.0,
    low_open=True,
    high=1e12,
    help="where the Huber loss turns from squared to absolute",
)

MLP_PARAMETERS: dict[str, Known] = {
    "layers": Known(
        IntRange(low=1, high=2), structural=True, integer=True, low=1, high=MAX_LAYERS, help="hidden layers"
    ),
    "units": Known(
        Categorical(choices=[16, 32, 64]),
        structural=True,
        integer=True,
        low=1,
        high=MAX_UNITS,
        help="width of a hidden layer",
    ),
    "activation": Known("relu", structural=True, choices=ACTIVATIONS, help="of the hidden layers"),
    "optimizer": Known("adam", structural=True, choices=OPTIMIZERS, help="the update rule"),
    "nesterov": Known(False, structural=True, choices=(False, True), help="sgd with a look-ahead", of=("sgd",)),
    "batch_size": Known(32, structural=True, integer=True, low=1, high=65_536, help="rows a step"),
    "learning_rate": Known(
        FloatRange(low=1e-3, high=3e-2, log=True),
        structural=False,
        low=0.0,
        low_open=True,
        high=100.0,
        help="step size",
    ),
    "momentum": Known(0.0, structural=False, low=0.0, high=1.0, help="of sgd and rmsprop", of=("sgd", "rmsprop")),
    "dropout": Known(
        0.0, structural=False, low=0.0, high=0.95, help="share of the hidden units dropped while training"
    ),
    "weight_decay": Known(0.0, structural=False, low=0.0, high=10.0, help="decoupled, a step"),
    "l2": Known(0.0, structural=False, low=0.0, high=10.0, help="weight of the sum of squared kernels"),
}
