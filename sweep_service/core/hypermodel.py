"""What the workers tell of a user's HyperModel: its search space as data, so that no server needs TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from sweep_service.core.search_space import Categorical, Distribution, FloatRange, IntRange, Value, When

GROUP = "sweep_service.hypermodels"
"""The group of entry points under which packages install them."""
BUILT_IN = "mlp"
MAX_PARAMETERS = 90
OWN_ALWAYS = ("delta", "batch_size")
OWN_OF_UNCOMPILED = ("optimizer", "learning_rate", "momentum", "weight_decay", "nesterov")


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PublishedParameter(_Told):
    """One hyperparameter of a HyperModel: a distribution (with its condition, where it has one) or a fixed value."""

    name: str = Field(min_length=1, max_length=256)
    value: Distribution | Value
    structural: bool = Field(description="whether a change of it asks for another compiled program")

    @property
    def distribution(self) -> FloatRange | IntRange | Categorical | None:
        """None where the value is fixed."""
        return self.value if isinstance(self.value, FloatRange | IntRange | Categorical) else None

    @property
    def when(self) -> When | None:
        """The condition under which it is asked for."""
        return self.distribution.when if self.distribution is not None else None


class PublishedSpace(_Told):
    """The whole search space of a HyperModel; parents of a condition stand before those that depend on them."""

    hypermodel: str = Field(min_length=1, max_length=128)
    parameters: list[PublishedParameter] = Field(default_factory=list)
    optimizer: str | None = Field(
        None, description="with which it compiles its models at the defaults; null: the sweep's own parameters say"
    )
    open: bool = Field(False, description="whether building may ask for more hyperparameters than are listed")
    problem: str | None = Field(None, description="why no sweep can use it, and what would be right")

    def own_parameters(self) -> tuple[str, ...]:
        """Names of the service's own parameters that a sweep has beside these."""
        return OWN_ALWAYS if self.optimizer is not None else (*OWN_ALWAYS, *OWN_OF_UNCOMPILED)


@dataclass(frozen=True, slots=True)
class StoredHyperModel:
    """A user's HyperModel as a worker of that version published it last."""

    space: PublishedSpace
    worker_version: str
    published_at: datetime


Lookup = Callable[[], Mapping[str, PublishedSpace]]
"""The newest space of each HyperModel that workers have published, by name."""


def nothing_published() -> Mapping[str, PublishedSpace]:
    """Of a service without workers that have HyperModels."""
    return {}
