"""The Trainer port on a child process, which is started when it is needed and replaced when it is gone."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sweep_service.core.errors import DataError, TrainerStartError, TrainingError
from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.spec import SweepSpec
from sweep_service.core.task import PackResult, TrainJob
from sweep_service.worker.pipe import CACHE_FAULT, Describe, Described, Done, Hello, Progress, Refused, Work
from sweep_service.worker.source import DataSource

log = logging.getLogger(__name__)
START_SECONDS = 120.0
LAST_SECONDS = 5.0


class _EarlyDeathError(TrainingError):
    """The child died before it had trained an epoch. `killed`: by somebody, and not of itself."""

    def __init__(self, reason: str, *, killed: bool) -> None:
        super().__init__(reason)
        self.killed = killed


class ChildTrainer:
    """Trains in a process of its own, so that a crash, an out-of-memory kill or a cancel costs the pack alone.

    `train` must be called from the main thread: the child's death signal follows the thread that started it.
    """

    def __init__(
        self, source: DataSource, *, threads: int = 1, compile_cache: Path | None = None, environ: Mapping[str, str]
    ) -> None:
        self._source = source
        self._threads = threads
        self._cache = compile_cache
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        # A plain flag: `interrupt` is called from signal handlers, which must not wait for a lock.
        self._interrupted = False
        self.info: Mapping[str, Any] = {}

    def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
        """Train a job. The engine's answer carries the child's device and versions.

        A child that dies before its first epoch is replaced once; if it died of itself, then without the compile
        cache, which this trainer does not use again.
        """
        work = Work(job, self._source.locate(SweepSpec.model_validate(job.spec)))
        self._interrupted = False
        try:
            return self._exchange(work, on_progress)
        except _EarlyDeathError as death:
            # It may have been killed while it was idle. A compiled program that was made elsewhere, or a damaged
            # file, kills whoever loads it.
            log.warning("%s It had not begun: another is started.", death)
            if not death.killed:
                self._cache = None
            return self._exchange(work, on_progress)

    def hypermodels(self) -> tuple[PublishedSpace, ...]:
        """The spaces of the HyperModels that are installed here: the child builds them to find out.

        Raises:
            TrainerStartError: there is no child.
            TrainingError: it died over them.
        """
        self._interrupted = False
        connection = self._ready()
        try:
            connection.send(Describe())
            answer = connection.recv()
        except (EOFError, OSError) as error:
            raise TrainingError(self._obituary()[0]) from error
        except BaseException:
            self._bury()
            raise
        return answer.spaces if isinstance(answer, Described) else ()

    def _exchange(self, work: Work, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
        answer = self._ask(work, on_progress)
        if isinstance(answer, Done):
            return PackResult(answer.result.outcomes, {**answer.result.engine, **self.info})
        if answer.data:
            raise DataError(answer.reason)
        log.error("the training process failed on a pack: %s", answer.trace)
        raise TrainingError(answer.reason)

    def _ask(self, work: Work, on_progress: Callable[[Mapping[str, Any]], None]) -> Done | Refused:
        connection = self._ready()
        begun = False
        try:
            connection.send(work)
            while True:
                message = connection.recv()
                if isinstance(message, Progress):
                    begun = True
                    on_progress({"epoch": message.epoch, "active": message.active})
                elif isinstance(message, Done | Refused):
                    return message
        except (EOFError, OSError) as error:
            reason, code = self._obituary()
            if begun or self._interrupted:
                raise TrainingError(reason) from error
            raise _EarlyDeathError(reason, killed=code == -signal.SIGKILL) from error
        except BaseException:
            self._bury()  # it goes on with the pack, and its answers would be taken for those of the next
            raise

    def interrupt(self) -> None:
        """Kill the child with all that it started."""
        self._interrupted = True
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the child and wait until it is gone, so that its device is free."""
        self.interrupt()
        self._bury()

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        return self._process.pid if self._process is not None else None

    def _ready(self) -> Connection:
        if self._process is not None and self._process.poll() is not None:
            self._bury()
        if self._process is None or self._connection is None:
            self._start()
        assert self._connection is not None  # noqa: S101 - _start made it
        return self._connection

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "sweep_service.worker.child", "--fd", str(theirs.fileno())]
        command += ["--parent", str(os.getpid()), "--threads", str(self._threads)]
        if self._cache is not None:
            command += ["--cache", str(self._cache)]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, pass_fds=[theirs.fileno()], start_new_session=True, env=self._environ
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        try:
            if not self._connection.poll(START_SECONDS):
                self._bury()
                raise TrainerStartError(f"The training process did not start within {START_SECONDS:.0f} s.")
            hello = self._connection.recv()
        except (EOFError, OSError) as error:
            raise TrainerStartError(f"The training process did not start: {self._obituary()[0]}") from error
        if isinstance(hello, Hello):
            self.info = hello.info

    def _obituary(self) -> tuple[str, int | None]:
        """Why the child is gone, in words, and its exit status; buries it."""
        process = self._process
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LAST_SECONDS)  # it hung up; its own exit status says more than our signal's
        self._bury()
        code = process.returncode if process is not None else None
        if self._interrupted:
            return "The pack was interrupted.", code
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = " (often the kernel's answer to too little memory)" if name == "SIGKILL" else ""
            return f"The training process was killed by {name}{hint}.", code
        if code == CACHE_FAULT:
            return "The compile cache cannot be used.", code
        return f"The training process ended with exit status {code}.", code

    def _bury(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
