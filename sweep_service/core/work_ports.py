"""What a worker needs beside its queue, as protocols: who samples, prunes, trains and plans.

The same promises hold as in `ports`: nothing given is changed later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sweep_service.core.run import Run
from sweep_service.core.search_space import Params, SearchSpace
from sweep_service.core.task import Conclusion, Generation, PackResult, TrainJob
from sweep_service.core.trial import Trial


@dataclass(frozen=True, slots=True)
class Observation:
    """What a sampler learns of a finished trial; `value` is the objective, None where it failed.

    `pruned_at`: the epoch at which a pruner took it out; `value` is what stood then.
    """

    parameters: Params
    value: float | None
    generation: int
    pruned_at: int | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Groups of settings that share one architecture; `exhausted`: the space has no further point."""

    groups: tuple[tuple[Params, ...], ...]
    exhausted: bool = False


class Sampler(Protocol):
    """Draws a generation. The same arguments give the same answer on every machine."""

    def sample(
        self,
        space: SearchSpace,
        history: Sequence[Observation],
        *,
        name: str,
        seed: int,
        generation: int,
        first_index: int,
        count: int,
        per_architecture: int,
        maximize: bool,
        grid_points: int,
    ) -> Sampled:
        """Draw `count` settings (fewer where the space ends).

        Args:
            space: fixed values appear in every setting.
            history: of finished generations only, in the order of the trial numbers, anchors left out.
            name: TPE, RANDOM, QMC or GRID.
            seed: of the sampler; a generation's own seed is sha256(seed, generation).
            generation: its number, from 0.
            first_index: sampled trials before this generation (QMC and GRID count by it).
            count: settings wanted.
            per_architecture: settings within one draw of the structural parameters.
            maximize: whether a larger objective is better.
            grid_points: points a continuous range gets under GRID.
        """
        ...


class Pruner(Protocol):
    """Says which trials of a pack leave at a rung. It holds no state: the same values give the same answer."""

    @property
    def rungs(self) -> Sequence[int]:
        """Epochs after which it is asked, ascending; empty where nothing is ever pruned."""
        ...

    def losers(self, epoch: int, values: Mapping[int, float]) -> Mapping[int, str]:
        """Which trials leave, and why, in a sentence.

        Args:
            epoch: one of `rungs`.
            values: trial number -> mean over its runs of the best objective so far; smaller is better, whatever
                the metric. Only trials that may be pruned: neither anchors nor failed ones.
        """
        ...


class Trainer(Protocol):
    """Trains packs, one at a time."""

    def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
        """Train all runs of a job; blocks. A diverged run is an outcome (FAILED), not an error.

        Args:
            job: what to train.
            on_progress: called now and then with {epoch, active}.

        Raises:
            TrainingError: the pack could not be trained (its child died, or failed on it).
            TrainerStartError: there is no child to train it: no attempt of the pack's.
            DataError: the dataset cannot be used.
        """
        ...

    def interrupt(self) -> None:
        """From any thread: give up the pack that is being trained (`train` raises TrainingError), at once."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class Planner(Protocol):
    """What a worker does for PLAN and CONCLUDE; it computes and writes nothing."""

    def plan(
        self,
        spec: Mapping[str, Any],
        history: Sequence[Trial],
        slots: Mapping[str, int],
        generation: int,
        runs: Sequence[Run] = (),
    ) -> Generation:
        """The next generation. `runs` carry their curves and are given where `needs_curves` says so.

        Raises:
            DataError: the sweep cannot go on.
        """
        ...

    def needs_curves(self, spec: Mapping[str, Any]) -> bool:
        """Whether `plan` looks at the learning curves of the finished generations."""
        ...

    def conclude(
        self, spec: Mapping[str, Any], history: Sequence[Trial], runs: Sequence[Run], slots: Mapping[str, int]
    ) -> Conclusion:
        """What to train next (CONFIRM, FINAL), or the end."""
        ...
