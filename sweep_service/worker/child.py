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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep_service.core.errors import DataError
from sweep_service.core.ports import Pruner
from sweep_service.core.run import Purpose
from sweep_service.core.spec import SweepSpec
from sweep_service.core.task import PackResult, TrainJob
from sweep_service.sampling.rungs import make_pruner
from sweep_service.training.compile_cache import CompileCache
from sweep_service.training.device import configure_process
from sweep_service.worker.data import Prepared, Source, prepare
from sweep_service.worker.members import PackPlan, plan_pack
from sweep_service.worker.pipe import CACHE_FAULT, Done, Hello, Progress, Refused, Work
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
        from sweep_service.training.pack import Architecture, FoldData, Member
        from sweep_service.training.trainer import is_out_of_memory

        sweep = SweepSpec.model_validate(job.spec)
        pack = plan_pack(job, self._prepared(sweep, source))
        trainer = self._programs.trainer(Architecture(**_architecture(pack)), job.slots)
        members = [
            Member(
                fold=m.fold,
                stream=m.run.seed,
                bound=m.bound,
                scale=m.scale,
                step_scale=m.step_scale,
                **m.hyperparameters,
            )
            for m in pack.members
        ]
        folds = [FoldData(f.x, f.y, f.weight, f.train, f.validation) for f in pack.folds]
        epochs = max(m.epochs for m in pack.members)
        started = time.monotonic()
        while True:
            # Whoever had left at a rung before the memory ran out is judged anew: the pack starts again.
            scores = [
                MemberScore(m, pack.folds[m.fold], sweep.objective, job.purpose, pack.early_patience)
                for m in pack.members
            ]
            prunable = {n for n, t in job.work.trials.items() if t["anchor"] is None}
            watch = Watch(Referee(scores, _pruner(job, sweep), prunable), connection)
            try:
                result = trainer.train(members, folds, epochs, on_chunk=watch)
                break
            except Exception as error:
                if not is_out_of_memory(error) or not trainer.halve():
                    raise
                log.warning("too little memory for %d slots: going on with %d", job.slots, trainer.slots_at_once)
        engine = {
            "rung": result.rung,
            "slots": trainer.slots_at_once,
            "members": len(members),
            "compile_seconds": round(result.compile_seconds, 3),
            "train_seconds": round(result.train_seconds, 3),
            "seconds": round(time.monotonic() - started, 3),
        }
        if trainer.slots_at_once < job.slots:
            engine["slots_asked_for"] = job.slots  # too little memory for so many
        return PackResult(tuple(score.outcome() for score in scores), engine)

    def _prepared(self, sweep: SweepSpec, source: Source) -> Prepared:
        key = f"{source!r} {sweep.dataset.model_dump_json()} {sweep.split_seed()}"
        if self._data is None or self._data[0] != key:
            self._data = (key, prepare(sweep, source))
        return self._data[1]


def _pruner(job: TrainJob, sweep: SweepSpec) -> Pruner:
    """The sweep's pruner in the search; what is confirmed or refitted trains to its end."""
    wanted = sweep.pruner
    if wanted is None or job.purpose is not Purpose.SEARCH:
        return make_pruner("NONE", (), 1.0, {})
    return make_pruner(wanted.name, wanted.rungs, wanted.keep, job.medians)


def _architecture(pack: PackPlan) -> dict[str, Any]:
    structure = dict(pack.structure)
    return {
        "hypermodel": structure["hypermodel"],
        "values": {k: structure[k] for k in ("layers", "units", "activation", "dropout")},
        "optimizer": structure["optimizer"],
        "nesterov": structure["nesterov"],
        "batch_size": structure["batch_size"],
        "inputs": structure["inputs"],
        "outputs": structure["outputs"],
    }


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
