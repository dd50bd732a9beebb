"""The real app on a real port over a real database, for tests of its rooms; workers run in the test itself.

Not a test: the conftest of `api`, `cli` and `dashboard` make fixtures of it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn

from sweep_service.api.app import create_app
from sweep_service.launch.address import Address, bound_address, listen
from sweep_service.sampling.samplers import OptunaSampler
from sweep_service.settings import Settings
from sweep_service.storage.artifacts import open_artifacts
from sweep_service.storage.store import SqlStore
from sweep_service.testing.fake_trainer import FakeTrainer
from sweep_service.worker.loop import Pace, WorkerLoop
from sweep_service.worker.planning import SweepPlanner
from sweep_service.worker.source import DataSource


class ServedApp:
    """The app served by uvicorn from a thread, and a store of its own beside it to drive sweeps with."""

    def __init__(self, database: str, folder: Path, store: SqlStore | None = None, **variables: str) -> None:
        self.settings = Settings.load({"SWEEP_DATA_DIR": str(folder), "SWEEP_DATABASE_URL": database, **variables})
        self.folder = folder
        self.store = store or SqlStore(database)
        self.artifacts = open_artifacts(self.settings.artifacts, folder, self.store.engine)
        self.app = create_app(self.store, self.artifacts, self.settings)
        self._listener = listen(Address("127.0.0.1", 0))
        self.url = bound_address(self._listener, "127.0.0.1").url
        self._server = uvicorn.Server(
            uvicorn.Config(self.app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._source = DataSource(self.artifacts, self.store.dataset, folder / "cache")

    def __enter__(self) -> Self:
        self._thread.start()
        self.http.get("/healthz").raise_for_status()  # the listener holds it until the server is there
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        self.store.close()

    def post(self, document: Mapping[str, Any] | None = None, **headers: str) -> str:
        """Post a sweep (a small one by default); returns its id."""
        answer = self.http.post("/v1/sweeps", json=small() if document is None else document, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at /v1 + path."""
        answer = self.http.get(f"/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send_part(self, line: str, kind: str, *, claimed: int, sent: int) -> str:
        """The answer to a request of which only a part of the body ever comes."""
        host, port = "127.0.0.1", int(self.url.rsplit(":", 1)[1])
        head = f"{line} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {claimed}\r\n\r\n"
        with socket.create_connection((host, port), timeout=30) as connection:
            connection.sendall(head.encode() + b" " * sent)
            answer = b""
            while not answer.endswith(b"}") and (part := connection.recv(65_536)):
                answer += part
            return answer.decode()

    def work(self, tasks: int | None = None, trainer: FakeTrainer | None = None) -> int:
        """Do so many tasks as a worker would (all there are by default); returns how many were done."""
        planner = SweepPlanner(OptunaSampler(), self._source)
        loop = WorkerLoop("test-worker", self.store, planner, trainer or FakeTrainer(), Pace())
        done = 0
        while (tasks is None or done < tasks) and loop.step():
            done += 1
        return done


def small(**more: Any) -> dict[str, Any]:
    """A document that needs few tasks: two generations, one architecture, confirmation."""
    return {
        "dataset": "diabetes",
        "seed": 3,
        "parameters": {"layers": 1, "units": 16},
        "sampler": {"name": "RANDOM", "generation_size": 6, "trials_per_architecture": 6},
        "confirm": {"finalists": 2, "repeats": 2},
        "budget": {"max_trials": 12},
        **more,
    }
