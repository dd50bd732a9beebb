"""Signatures, slots, and how trials are cut into packs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sweep_service.core.run import NewRun, Purpose, RunKey, common_seed
from sweep_service.core.task import Pack
from sweep_service.core.trial import NewTrial

SLOT_LADDER = (8, 16, 24, 32, 40, 48, 64, 96, 128)


def signature(structure: Mapping[str, Any]) -> str:
    """Short digest of all that a compiled program depends on; equal structures give equal signatures."""
    text = json.dumps(structure, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def choose_slots(trials: int, runs_per_trial: int, top: int = SLOT_LADDER[-1]) -> int:
    """K for a signature that first meets `trials` trials of `runs_per_trial` members each.

    A trial is never cut in two (a rung compares whole trials). Over 64 members make at least two packs, so
    that two workers can share them, whatever their number is. Among the ladder's steps the one with the
    fewest empty slots over all its packs wins, where under 20 % are empty the larger step is preferred.
    """
    ladder = [k for k in SLOT_LADDER if runs_per_trial <= k <= top]
    if not ladder:
        return math.ceil(runs_per_trial / 8) * 8
    members = trials * runs_per_trial
    best = ladder[0]
    best_waste = math.inf
    for slots in ladder:
        packs = math.ceil(trials / (slots // runs_per_trial))
        if members > 64 and packs < 2:
            continue
        waste = 1 - members / (packs * slots)
        if waste < 0.2 or waste < best_waste:
            best, best_waste = slots, waste
    return best


def make_runs(trial: int, purpose: Purpose, folds: int, repeats: int, sweep_seed: int) -> list[NewRun]:
    """All runs of a trial for one purpose."""
    return [
        NewRun(RunKey(trial, purpose, fold, repeat), common_seed(sweep_seed, purpose, fold, repeat))
        for repeat in range(repeats)
        for fold in range(folds)
    ]


def cut_packs(
    trials: Sequence[NewTrial],
    purpose: Purpose,
    folds: int,
    repeats: int,
    sweep_seed: int,
    slots_of: Mapping[str, int],
) -> tuple[list[Pack], dict[str, int]]:
    """Cut trials into packs of one signature each; nothing is lost or doubled, and no trial is cut in two.

    Args:
        trials: in the order of their numbers, which is kept.
        purpose: of all the runs.
        folds: runs a repeat.
        repeats: repeats a trial.
        sweep_seed: from which the runs' seeds follow.
        slots_of: K of the signatures that the sweep has met before (for this purpose).

    Returns:
        The packs, and `slots_of` with the new signatures added.
    """
    by_signature: dict[str, list[NewTrial]] = {}
    for trial in trials:
        by_signature.setdefault(trial.signature, []).append(trial)
    known = dict(slots_of)
    packs: list[Pack] = []
    size = folds * repeats
    for name, members in by_signature.items():
        slots = known.setdefault(name, choose_slots(len(members), size))
        count = math.ceil(len(members) / max(1, slots // size))
        for i in range(count):
            part = members[i * len(members) // count : (i + 1) * len(members) // count]
            runs = [r for t in part for r in make_runs(t.number, purpose, folds, repeats, sweep_seed)]
            packs.append(Pack(purpose, name, slots, tuple(runs)))
    return packs, known
