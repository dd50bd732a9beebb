"""From a pack's plan to what trains at once: one group for the built-in network, one an architecture for a HyperModel.

Used in the worker's child only. The trials of a pack have the same structural values, and so as a rule one
architecture; where a HyperModel does something else with a value than its published space says, they are trained in
groups, each with its own program, rather than in a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sweep_service.core.hypermodel import BUILT_IN, PublishedSpace
from sweep_service.core.task import TrainJob
from sweep_service.worker.members import MemberPlan, PackPlan

if TYPE_CHECKING:
    from sweep_service.training.hypermodels.building import Build
    from sweep_service.training.pack import Architecture, Member
    from sweep_service.training.trainer import PackTrainer, TrainerCache


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Members of one compiled program; `places` are theirs in the plan."""

    trainer: PackTrainer
    members: tuple[Member, ...]
    places: tuple[int, ...]


@dataclass(slots=True)
class Groups:
    """All of a pack; `refused`: trials whose model cannot be built, and why."""

    groups: list[Group] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def groups_of(job: TrainJob, plan: PackPlan, space: PublishedSpace | None, programs: TrainerCache) -> Groups:
    """Build what must be built.

    Raises:
        NotInstalledError: this worker does not have the HyperModel.
    """
    structure = plan.structure
    if structure["hypermodel"] == BUILT_IN or space is None:
        trainer = programs.trainer(_built_in(structure), job.slots)
        members = tuple(member_of(m) for m in plan.members)
        return Groups([Group(trainer, members, tuple(range(len(members))))])
    return _hypermodel(job, plan, space, programs)


def member_of(plan: MemberPlan) -> Member:
    """As the trainer takes it."""
    from sweep_service.training.pack import Member

    settings: dict[str, Any] = {"bound": plan.bound, "scale": plan.scale, "step_scale": plan.step_scale}
    return Member(fold=plan.fold, stream=plan.run.seed, **{**settings, **plan.hyperparameters})


def _built_in(structure: Mapping[str, Any]) -> Architecture:
    from sweep_service.training.pack import Architecture

    values = {k: structure[k] for k in ("layers", "units", "activation", "dropout")}
    named = ("optimizer", "nesterov", "batch_size", "inputs", "outputs")
    return Architecture(hypermodel=BUILT_IN, values=values, **{n: structure[n] for n in named})


def _hypermodel(job: TrainJob, plan: PackPlan, space: PublishedSpace, programs: TrainerCache) -> Groups:
    from sweep_service.training.hypermodels.building import BuildError, build
    from sweep_service.training.hypermodels.installed import load
    from sweep_service.training.pack import Architecture

    structure = plan.structure
    inputs, outputs = int(structure["inputs"]), int(structure["outputs"])
    make = load(space.hypermodel)
    asked = {p.name for p in space.parameters}
    found = Groups()
    builds: dict[str, Build] = {}
    architectures: dict[str, Architecture] = {}
    sorted_in: dict[str, tuple[list[Member], list[int], dict[str, Any]]] = {}
    for place, member in enumerate(plan.members):
        number = member.run.key.trial
        if number in found.refused:
            continue
        values = {n: v for n, v in job.work.trials[number]["parameters"].items() if n in asked}
        name = repr(sorted(values.items()))
        try:
            hypermodel = make(inputs, outputs)
            made = builds[name] if name in builds else build(hypermodel, values, inputs, outputs)
        except BuildError as error:
            found.refused[number] = f"{space.hypermodel}: {error}"
            continue
        except Exception as error:  # noqa: BLE001 - a user's factory may raise anything
            found.refused[number] = f"{space.hypermodel} cannot be made: {type(error).__name__}: {error}"[:1000]
            continue
        builds[name] = made
        optimizer, nesterov = (
            (made.compiled.kind, made.compiled.nesterov)
            if made.compiled is not None
            else (str(structure["optimizer"]), bool(structure["nesterov"]))
        )
        architectures.setdefault(
            made.key,
            Architecture(
                space.hypermodel, {"key": made.key}, optimizer, nesterov, structure["batch_size"], inputs, outputs
            ),
        )
        members, places, _ = sorted_in.setdefault(made.key, ([], [], values))
        members.append(_settings(member_of(member), made, hypermodel, values, (inputs, outputs)))
        places.append(place)
    for key, (members, places, values) in sorted_in.items():
        hypermodel = make(inputs, outputs)
        trainer = programs.trainer(architectures[key], job.slots, build=_again(hypermodel, values, (inputs, outputs)))
        found.groups.append(Group(trainer, tuple(members), tuple(places)))
    return found


def _settings(
    member: Member, made: Build, hypermodel: Any, values: Mapping[str, Any], shape: tuple[int, int]
) -> Member:
    """What the build says of a member: its dropout rates, and its optimizer's settings where it is compiled."""
    changed: dict[str, Any] = {"dropout": made.dropout, "build": _again(hypermodel, values, shape)}
    if made.compiled is not None:
        for name in ("learning_rate", "momentum", "weight_decay"):
            changed[name] = getattr(made.compiled, name)
    return replace(member, **changed)


def _again(hypermodel: Any, values: Mapping[str, Any], shape: tuple[int, int]) -> Any:
    from sweep_service.training.hypermodels.building import build

    return lambda: build(hypermodel, values, *shape).model
