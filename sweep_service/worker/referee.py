"""Watches the members of a pack and says who trains no more: by themselves, or at a rung, trial by trial."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.work_ports import Pruner
from sweep_service.worker.scoring import MemberScore


class Referee:
    """One for each pack."""

    def __init__(self, scores: Sequence[MemberScore], pruner: Pruner, prunable: set[int]) -> None:
        """Args: the members' scores, the pruner, and the numbers of the trials that may be pruned (no anchors)."""
        self._scores = scores
        self._pruner = pruner
        self._members: dict[int, list[MemberScore]] = {}
        for score in scores:
            if score.plan.run.key.trial in prunable:
                self._members.setdefault(score.plan.run.key.trial, []).append(score)

    def see(self, first_epoch: int, predictions: NDArray[np.float32], train_loss: NDArray[np.float32]) -> set[int]:
        """Take in a chunk of epochs; returns the members (by index) that train no more.

        The chunk is cut at the rungs, so that no answer depends on how many epochs leave the program at once.

        Args:
            first_epoch: epochs done before the chunk.
            predictions: (epochs, members, rows, q), standardised.
            train_loss: (epochs, members).
        """
        last = first_epoch + len(train_loss)
        rungs = [rung for rung in self._pruner.rungs if first_epoch < rung <= last]
        start = first_epoch
        for end in sorted({*rungs, last}):
            part = slice(start - first_epoch, end - first_epoch)
            if start < end:
                for i, score in enumerate(self._scores):
                    score.see(predictions[part, i, : score.validation_rows], train_loss[part, i])
            if end in rungs:
                self._judge(end)
            start = end
        return {i for i, score in enumerate(self._scores) if score.done}

    def _judge(self, epoch: int) -> None:
        values = {
            number: sum(m.best for m in members) / len(members)
            for number, members in self._members.items()
            if not any(m.failed for m in members)
        }
        for number, reason in self._pruner.losers(epoch, {n: v for n, v in values.items() if math.isfinite(v)}).items():
            members = self._members[number]
            # A trial whose runs have all stopped by themselves is complete: it is compared with, and stays.
            if all(m.done for m in members):
                continue
            for member in members:
                member.prune(reason)
            del self._members[number]
