"""The worker's child: the one process that loads TensorFlow. It trains what its parent sends, and dies with it."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep_service.core.errors import DataError
from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.run import Purpose, RunOutcome, RunState
from sweep_service.core.spec import SweepSpec
from sweep_service.core.task import PackResult, TrainJob
from sweep_service.core.work_ports import Pruner
from sweep_service.sampling.rungs import make_pruner
from sweep_service.training.compile_cache import CompileCache
from sweep_service.training.device import configure_process
from sweep_service.worker.data import Prepared, Source, prepare
from sweep_service.worker.groups import Group, groups_of
from sweep_service.worker.members import PackPlan, plan_pack
from sweep_service.worker.pipe import CACHE_FAULT, Describe, Described, Done, Hello, Progress, Refused, Work
from sweep_service.worker.referee import Referee
from sweep_service.worker.scoring import MemberScore

if TYPE_CHECKING:
    from sweep_service.training.trainer import Chunk

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent's spawning thread ends; leave at once where it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the worker that started this child is gone")


class Watch:
    """Shows each chunk to the referee, and tells the parent how far the pack is."""

    def __init__(self, referee: Referee, connection: Connection) -> None:
        self._referee = referee
        self._connection = connection

    def __call__(self, chunk: Chunk) -> set[int]:
        """Who trains no more."""
        left = self._referee.see(chunk.first_epoch, chunk.predictions, chunk.train_loss)
        done = chunk.first_epoch + len(chunk.train_loss)
        self._connection.send(Progress(done, chunk.train_loss.shape[1] - len(left)))
        return left


class PackTrainer:
    """Trains jobs with one cache of compiled programs and the last dataset in memory."""

    def __init__(self) -> None:
        from sweep_service.training.trainer import TrainerCache

        self._programs = TrainerCache()
        self._data: tuple[str, Prepared] | None = None

    def train(self, job: TrainJob, source: Source, connection: Connection) -> PackResult:
        """Train a job to the end and say how it went on the way."""
        started = time.monotonic()
        sweep = SweepSpec.model_validate(job.spec)
        pack = plan_pack(job, self._prepared(sweep, source))
        found = groups_of(job, pack, sweep.model.space, self._programs)
        outcomes: list[RunOutcome] = []
        engines: list[dict[str, Any]] = []
        for group in found.groups:
            ended, engine = _train_group(job, sweep, pack, group, connection)
            outcomes += ended
            engines.append(engine)
        for member in pack.members:
            key = member.run.key
            if key.trial in found.refused:
                outcomes.append(RunOutcome(key, RunState.FAILED, reason=found.refused[key.trial]))
        told = _together(engines, job.slots)
        return PackResult(tuple(outcomes), {**told, "seconds": round(time.monotonic() - started, 3)})

    def _prepared(self, sweep: SweepSpec, source: Source) -> Prepared:
        key = f"{source!r} {sweep.dataset.model_dump_json()} {sweep.split_seed()}"
        if self._data is None or self._data[0] != key:
            self._data = (key, prepare(sweep, source))
        return self._data[1]


def _pruner(job: TrainJob, sweep: SweepSpec) -> Pruner:
    """The sweep's pruner in the search; what is confirmed or refitted trains to its end.

    So do the halves of a pack that kept failing: who is pruned must not depend on what else had been killed.
    """
    wanted = sweep.pruner
    if wanted is None or job.purpose is not Purpose.SEARCH or (job.halved and wanted.name == "HALVING"):
        return make_pruner("NONE", (), 1.0, {})
    return make_pruner(wanted.name, wanted.rungs, wanted.keep, job.medians)


def _train_group(
    job: TrainJob, sweep: SweepSpec, pack: PackPlan, group: Group, connection: Connection
) -> tuple[list[RunOutcome], dict[str, Any]]:
    """Members of one program to their end, with less of them at once where the memory is too small."""
    from sweep_service.training.pack import FoldData
    from sweep_service.training.trainer import is_out_of_memory

    mine = [pack.members[i] for i in group.places]
    folds = [FoldData(f.x, f.y, f.weight, f.train, f.validation) for f in pack.folds]
    epochs = max(m.epochs for m in mine)
    trainer = group.trainer
    while True:
        # Whoever had left at a rung before the memory ran out is judged anew: the pack starts again.
        scores = [MemberScore(m, pack.folds[m.fold], sweep.objective, job.purpose, pack.early_patience) for m in mine]
        prunable = {n for n, t in job.work.trials.items() if t["anchor"] is None}
        watch = Watch(Referee(scores, _pruner(job, sweep), prunable), connection)
        try:
            result = trainer.train(group.members, folds, epochs, on_chunk=watch)
            break
        except Exception as error:
            if not is_out_of_memory(error) or not trainer.halve():
                raise
            log.warning("too little memory for %d slots: going on with %d", job.slots, trainer.slots_at_once)
    engine = {
        "rung": result.rung,
        "rung_reason": result.rung_reason,
        "slots": trainer.slots_at_once,
        "members": len(mine),
        "compile_seconds": result.compile_seconds,
        "train_seconds": result.train_seconds,
    }
    return [score.outcome() for score in scores], engine


RUNGS = ("PACK", "PACK_WHILE", "FUSED", "FIT")


def _together(engines: Sequence[Mapping[str, Any]], slots: int) -> dict[str, Any]:
    """What is shown on each trial of the pack: of several groups the lowest rung, and the sums."""
    if not engines:
        return {"rung": None, "slots": slots, "members": 0}
    told: dict[str, Any] = {
        "rung": max((e["rung"] for e in engines), key=RUNGS.index),
        "slots": min(e["slots"] for e in engines),
        "members": sum(e["members"] for e in engines),
        "compile_seconds": round(sum(e["compile_seconds"] for e in engines), 3),
        "train_seconds": round(sum(e["train_seconds"] for e in engines), 3),
    }
    reasons = [e["rung_reason"] for e in engines if e["rung_reason"]]
    if reasons:
        told["rung_reason"] = reasons[0]
    if told["slots"] < slots:
        told["slots_asked_for"] = slots  # too little memory for so many
    if len(engines) > 1:
        told["groups"] = len(engines)  # the trials did not share one architecture
    return told


def _spaces() -> tuple[PublishedSpace, ...]:
    from sweep_service.training.hypermodels.discovery import discover_installed

    return tuple(discover_installed())


def serve(connection: Connection, cache: CompileCache | None = None) -> None:
    """Answer the parent until it hangs up; leave with CACHE_FAULT where the compile cache fails a pack."""
    from sweep_service.training.device import describe_device

    trainer = PackTrainer()
    connection.send(Hello(describe_device()))
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if isinstance(message, Describe):
            connection.send(Described(_spaces()))
            continue
        assert isinstance(message, Work)  # noqa: S101 - the protocol has no other
        try:
            connection.send(Done(trainer.train(message.job, message.source, connection)))
        except DataError as error:
            connection.send(Refused(str(error), True, ""))
        except Exception as error:  # noqa: BLE001 - whatever a pack does, the parent must hear of it
            if cache is not None and cache.is_blamed_by(error):
                # XLA cannot be told to leave it alone in a process that has begun: another process can.
                cache.clear()
                os._exit(CACHE_FAULT)
            connection.send(Refused(f"{type(error).__name__}: {error}", False, traceback.format_exc()))
        if cache is not None:
            cache.trim()


def main() -> None:
    """Entry: `python -m sweep_service.worker.child --fd N --parent PID [--threads N] [--cache DIR]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    die_with_parent(options.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to handle
    cache = CompileCache(options.cache) if options.cache is not None else None
    configure_process(threads=options.threads, compile_cache=cache)
    serve(Connection(options.fd), cache)


if __name__ == "__main__":
    main()
