"""A study in memory, rebuilt from history: Optuna keeps no storage of its own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep_service.core.search_space import SearchSpace
from sweep_service.core.work_ports import Observation
from sweep_service.sampling.distributions import encode, to_optuna


def rebuild(
    space: SearchSpace, history: Sequence[Observation], sampler: BaseSampler, *, maximize: bool
) -> optuna.Study:
    """A study that knows all finished trials; those without a finite value are failures."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        study.add_trials([_frozen(space, observation) for observation in history])
    return study


def _frozen(space: SearchSpace, observation: Observation) -> FrozenTrial:
    searched = {
        p.name: p.distribution for p in space if p.name in observation.parameters and p.distribution is not None
    }
    known = observation.value is not None and math.isfinite(observation.value)
    pruned = known and observation.pruned_at is not None
    state = TrialState.PRUNED if pruned else TrialState.COMPLETE if known else TrialState.FAIL
    return create_trial(
        state=state,
        value=observation.value if known else None,
        # TPE ranks pruned trials behind the complete ones, by the step that they reached and by what stood there.
        intermediate_values={observation.pruned_at: observation.value} if pruned else None,  # type: ignore[dict-item]
        params={name: encode(d, observation.parameters[name]) for name, d in searched.items()},
        distributions={name: to_optuna(d) for name, d in searched.items()},
    )
