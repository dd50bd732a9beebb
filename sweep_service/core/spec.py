"""The sweep spec: what a user posts, field by field, with every default.

`parsing.parse_spec` turns a JSON document into a `SweepSpec` and refuses, in sentences, what cannot be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from sweep_service.core.duration import seconds_of
from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.objective import Metric
from sweep_service.core.search_space import DeltaUnit, Distribution, Value

MAX_FOLDS = 50
MAX_TRIALS = 100_000
ISO_DURATION = r"^P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._:/+()-]{0,127}$"

Seed = Annotated[int, Field(ge=0, lt=2**53)]


def _positive_duration(text: str) -> str:
    if seconds_of(text) <= 0:
        raise ValueError(f"{text} is no time at all; write it such as PT90S, PT1H or P1DT12H")
    return text


Duration = Annotated[
    str,
    Field(pattern=ISO_DURATION, max_length=40, examples=["PT1H", "PT90S"]),
    AfterValidator(_positive_duration),
]
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Validation(_Part):
    """How validation rows are held out."""

    kind: Literal["KFOLD", "REPEATED_KFOLD", "GROUP", "TIME", "HOLDOUT"] = "KFOLD"
    folds: int = Field(5, ge=2, le=MAX_FOLDS)
    repeats: int = Field(1, ge=1, le=10, description="REPEATED_KFOLD only")
    fraction: float = Field(0.2, gt=0, lt=1, description="HOLDOUT only: share of the rows held out")


class Split(_Part):
    """Test rows are locked away first; the validation folds share the rest."""

    test_fraction: float = Field(0.2, ge=0, lt=1)
    seed: Seed | None = Field(None, description="defaults to the sweep's seed")
    validation: Validation = Validation()


class Features(_Part):
    """Which columns are features: all but the target and those named here as excluded, weight, time or group."""

    exclude: list[ColumnName] = Field(default_factory=list, max_length=10_000)
    categorical: list[ColumnName] = Field(default_factory=list, max_length=10_000)


class Dataset(_Part):
    """What to learn from."""

    name: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: int | None = Field(
        None, ge=1, lt=2**31, description="of an uploaded dataset; the newest when it is not given"
    )
    options: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        max_length=32,
        description="of a generated dataset (friedman1: rows, noise, outlier_share, seed)",
    )
    target: ColumnName | list[ColumnName] | None = None
    task: Literal["REGRESSION", "BINARY", "MULTICLASS"] = "REGRESSION"
    weight: ColumnName | None = None
    time: ColumnName | None = None
    group: ColumnName | None = None
    features: Features = Features()
    missing: Literal["MEDIAN_AND_FLAG", "REFUSE"] = "MEDIAN_AND_FLAG"
    split: Split = Split()


class Model(_Part):
    """The network: `mlp`, or a HyperModel that the workers have installed."""

    hypermodel: str = Field("mlp", min_length=1, max_length=128)
    space: PublishedSpace | None = Field(
        None, description="of an installed HyperModel, as it was published when the sweep was posted; filled in"
    )


class Loss(_Part):
    """The loss that is trained on."""

    kind: str = Field("HUBER", max_length=64)
    normalise: bool = Field(
        True, description="train on max(1, 1/delta~) x Huber, so that the step does not depend on delta"
    )
    reduction: Literal["SUM_OVER_BATCH_SIZE", "SUM", "NONE", "MEAN_WITH_SAMPLE_WEIGHT"] = "SUM_OVER_BATCH_SIZE"


class Objective(_Part):
    """The validation metric that ranks trials, in target units."""

    metric: Metric = "MAE"
    delta: float | None = Field(None, gt=0, description="HUBER only: the fixed delta, in target units")
    tau: float | None = Field(None, gt=0, lt=1, description="PINBALL only: the quantile")
    additional_metrics: list[Metric] = Field(default=["RMSE", "MEDIAN_AE"], max_length=8)
    epoch: Literal["BEST", "LAST"] = "BEST"


class AnchorDelta(_Part):
    """A fixed delta that is trained beside the search."""

    delta: float = Field(gt=0)
    unit: DeltaUnit = "SIGMA"

    @property
    def label(self) -> str:
        """The name that it bears in tables and answers, such as `1.345 SIGMA`."""
        return f"{self.delta:.12g} {self.unit}"


Anchor = Annotated[
    Annotated[Literal["MSE", "MAE"], Tag("text")] | Annotated[AnchorDelta, Tag("object")],
    Discriminator(lambda value: "object" if isinstance(value, Mapping | BaseModel) else "text"),
]


class Sampler(_Part):
    """How settings are drawn."""

    name: Literal["TPE", "RANDOM", "QMC", "GRID"] = "TPE"
    seed: Seed | None = Field(None, description="defaults to the sweep's seed")
    generation_size: int = Field(32, ge=1, le=10_000)
    trials_per_architecture: int = Field(8, ge=1, le=1_000)
    grid_points: int = Field(8, ge=2, le=1_000, description="GRID only: points of a continuous range")
    synchronous: bool = True


class Pruner(_Part):
    """How losers leave early: judged at the rungs, on the objective, whole trials at a time.

    HALVING keeps the best share of the trials of one pack; MEDIAN compares with the finished generations.
    """

    name: Literal["NONE", "HALVING", "MEDIAN"] = "NONE"
    rungs: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=list,
        max_length=16,
        description="epochs at which trials are judged; a ninth and a third of max_epochs when not given",
    )
    keep: float = Field(0.5, gt=0, lt=1, description="HALVING only: share that goes on after a rung")


class Confirm(_Part):
    """The finalists and the anchors are trained again on fresh seeds."""

    finalists: int = Field(5, ge=1, le=50)
    repeats: int = Field(3, ge=2, le=20)


class Final(_Part):
    """Refit, the locked test and the export."""

    seeds: int = Field(3, ge=1, le=20)
    export: bool = True
    baselines: bool = True


class EarlyStopping(_Part):
    """Stop a search run whose objective has not improved for `patience` epochs."""

    patience: int = Field(10, ge=1, le=10_000)


class Training(_Part):
    """How long a run trains."""

    max_epochs: int = Field(100, ge=1, le=10_000)
    early_stopping: EarlyStopping | None = EarlyStopping()


class Budget(_Part):
    """When a sweep stops sampling. Anchors do not count as trials."""

    max_trials: int = Field(128, ge=1, le=MAX_TRIALS)
    max_failed_trials: int = Field(12, ge=0, le=MAX_TRIALS)
    max_duration: Duration | None = None
    max_trial_duration: Duration | None = None
    stop_after_no_improvement: int | None = Field(None, ge=1)
    target_value: float | None = None


class WarmStart(_Part):
    """Earlier sweeps on the same dataset version to learn from."""

    from_: list[str] = Field(default_factory=list, alias="from", max_length=100)
    max_trials: int = Field(200, ge=1, le=MAX_TRIALS)


def _form_of(value: object) -> str:
    """Which branch of a union a value belongs to, so that its errors speak of that branch alone."""
    if isinstance(value, Mapping | BaseModel):
        return "object"
    return "list" if isinstance(value, list) else "text" if isinstance(value, str) else "scalar"


ParameterValue = Annotated[
    Annotated[Distribution, Tag("object")]
    | Annotated[list[int | float], Tag("list")]
    | Annotated[str, Tag("text")]
    | Annotated[bool | int | float, Tag("scalar")],
    Discriminator(_form_of),
]

Anchors = Annotated[
    Annotated[list[Anchor], Field(max_length=32), Tag("list")] | Annotated[Literal["FULL"], Tag("text")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "text"),
]

DEFAULT_ANCHORS: list[Anchor] = [
    "MSE",
    "MAE",
    AnchorDelta(delta=1.345, unit="SIGMA"),
    AnchorDelta(delta=1.0, unit="TARGET"),
]


class SweepSpec(_Part):
    """A whole sweep. `{"dataset": "diabetes"}` is enough; all else has a sound default."""

    name: str = Field("", max_length=128, description="generated from the dataset and the loss when it is empty")
    description: str = Field("", max_length=10_000)
    labels: dict[Annotated[str, Field(min_length=1, max_length=63)], Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=64
    )
    priority: int = Field(50, ge=0, le=100, description="higher goes first")
    seed: Seed = 0
    dataset: Dataset
    model: Model = Model()
    loss: Loss = Loss()
    objective: Objective = Objective()
    parameters: dict[str, ParameterValue] = Field(default_factory=dict, max_length=100)
    anchors: Anchors | None = Field(default_factory=lambda: list(DEFAULT_ANCHORS))
    sampler: Sampler = Sampler()
    pruner: Pruner | None = None
    confirm: Confirm | None = Confirm()
    final: Final | None = None
    training: Training = Training()
    budget: Budget = Budget()
    warm_start: WarmStart | None = None
    enqueue: list[dict[str, Value | list[int]]] = Field(default_factory=list, max_length=1_000)
    webhooks: list[dict[str, Value]] = Field(default_factory=list, max_length=16)

    def split_seed(self) -> int:
        """Seed of the partition of the rows."""
        return self.dataset.split.seed if self.dataset.split.seed is not None else self.seed

    def sampler_seed(self) -> int:
        """Seed of the sampler."""
        return self.sampler.seed if self.sampler.seed is not None else self.seed

    def folds(self) -> int:
        """Runs of a trial in one repeat."""
        return 1 if self.dataset.split.validation.kind == "HOLDOUT" else self.dataset.split.validation.folds

    def search_repeats(self) -> int:
        """Repeats of the partition in the search."""
        validation = self.dataset.split.validation
        return validation.repeats if validation.kind == "REPEATED_KFOLD" else 1

    def anchor_list(self) -> list[Anchor]:
        """The anchors, an empty list where they are switched off."""
        if self.anchors is None or self.anchors == "FULL":
            return []
        return list(self.anchors)
