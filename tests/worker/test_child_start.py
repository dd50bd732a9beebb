"""A training process that does not start, as on a machine whose TensorFlow is broken. None is loaded here."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from sweep_service.core.errors import TrainerStartError
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose
from sweep_service.core.task import PackWork, TrainJob
from sweep_service.storage.artifacts import FolderArtifacts
from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.worker.child_trainer import ChildTrainer
from sweep_service.worker.source import DataSource


def test_it_is_no_fault_of_the_pack_and_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libcuda is not what it was')")
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    job = TrainJob("sweep", dump_spec(parse_spec({"dataset": "diabetes"})), Purpose.SEARCH, "any", 8, PackWork((), {}))
    with closing(SqlStore(url)) as store:
        source = DataSource(FolderArtifacts(tmp_path), store.dataset, tmp_path / "cache")
        with closing(ChildTrainer(source, environ={**os.environ, "PYTHONPATH": str(tmp_path)})) as trainer:
            for _ in range(2):
                with pytest.raises(TrainerStartError, match="ended with exit status 1"):
                    trainer.train(job, lambda where: None)
                assert trainer.pid is None
