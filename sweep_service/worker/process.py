"""The wiring of a worker process: settings in, ports made, the loop run until a signal."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
from importlib.metadata import entry_points
from types import FrameType

from sweep_service import __version__
from sweep_service.core.errors import StoreError, TrainerStartError, TrainingError
from sweep_service.core.hypermodel import GROUP
from sweep_service.logs import configure_logs
from sweep_service.sampling.samplers import OptunaSampler
from sweep_service.settings import Settings
from sweep_service.storage.artifacts import open_artifacts
from sweep_service.storage.store import SqlStore
from sweep_service.worker.child_trainer import ChildTrainer
from sweep_service.worker.loop import Pace, WorkerLoop
from sweep_service.worker.planning import SweepPlanner
from sweep_service.worker.source import DataSource

log = logging.getLogger(__name__)


def run_worker(settings: Settings, *, gpu: int | None = None) -> None:
    """Work until SIGTERM or SIGINT; then drain and return.

    Args:
        settings: of the service.
        gpu: index of the GPU that is this worker's alone; None trains on the CPU.
    """
    configure_logs(settings.log_level, settings.log_format)
    host = socket.gethostname()
    worker_id = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
    store = SqlStore(settings.database_url)
    source = DataSource(open_artifacts(settings.artifacts, settings.data_dir, store.engine), store.dataset)
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1" if gpu is None else str(gpu)}
    cache = settings.data_dir / "compile-cache"
    trainer = ChildTrainer(source, threads=1, compile_cache=cache, environ=environ)
    pace = Pace(lease=settings.lease_seconds)
    loop = WorkerLoop(worker_id, store, SweepPlanner(OptunaSampler(), source), trainer, pace)

    def drain(_number: int, _frame: FrameType | None) -> None:
        loop.stop()

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    device = "cpu" if gpu is None else f"gpu:{gpu}"
    store.register_worker(worker_id, host=host, pid=os.getpid(), device=device, version=__version__, info={})
    try:
        if entry_points(group=GROUP):
            publish(trainer, store)
        loop.run()
    finally:
        trainer.close()
        with contextlib.suppress(StoreError):
            store.forget_worker(worker_id)
        source.close()
        store.close()


def publish(trainer: ChildTrainer, store: SqlStore) -> None:
    """Tell the database which HyperModels are installed here. A failure keeps nobody from working."""
    try:
        spaces = trainer.hypermodels()
        store.publish_hypermodels(__version__, spaces)
    except (TrainingError, TrainerStartError, StoreError) as error:
        log.warning("the HyperModels that are installed here are not published: %s", error)
        return
    for space in spaces:
        log.info("HyperModel %s: %s", space.hypermodel, space.problem or f"{len(space.parameters)} parameters")
