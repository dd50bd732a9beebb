"""The whole service on this machine: migrations, one server, and a worker a GPU (or a core)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from types import FrameType

import httpx

from sweep_service.core.errors import SweepError
from sweep_service.launch.address import Address, bound_address, listen
from sweep_service.launch.data_dir import DEFAULT, open_data_dir, sqlite_url
from sweep_service.launch.devices import worker_gpus
from sweep_service.launch.family import Family, Member, Say, own_command
from sweep_service.settings import Settings
from sweep_service.worker.stopping import StopFlag

SERVER = "server"
READY_SECONDS = 60.0
STARTUP_DEATHS = 3
TICK = 0.1


class StartError(SweepError):
    """The service did not come up."""


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What `up` is asked for.

    `workers` None: one a GPU, or one a core. `database_url` None: SQLite in `data_dir`. `grace`: seconds that
    the processes get to finish their chunk and to give back their leases when the service ends.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    data_dir: Path = DEFAULT
    database_url: str | None = None
    grace: float = 20.0


class LocalService:
    """Server and workers as one thing. Use it from the main thread alone: `start`, `tend` often, `drain`."""

    def __init__(self, options: LocalOptions, say: Say) -> None:
        """Check all that can be checked, bind the port, and migrate the database; nothing is running yet.

        Raises:
            AddressError: the port is in use, or the host is not loopback.
            DataDirError: the data folder cannot be written to, or its disk is full.
            SettingsError: a SWEEP_* variable cannot be used.
            SchemaVersionError: the database belongs to a newer version.
            StoreError: the database cannot be reached.
        """
        self._options = options
        self._listener: socket = listen(Address(options.host, options.port))
        try:
            self.address = bound_address(self._listener, options.host)
            self.data_dir = open_data_dir(options.data_dir)
            self.database_url = options.database_url or sqlite_url(self.data_dir)
            self._shared = {
                "SWEEP_DATA_DIR": str(self.data_dir),
                "SWEEP_DATABASE_URL": self.database_url,
                "SWEEP_HOST": self.address.host,
                "SWEEP_PORT": str(self.address.port),
                "PYTHONUNBUFFERED": "1",
            }
            Settings.load({**os.environ, **self._shared})  # what no member could use is said here, once
            migrate(self.database_url)
        except BaseException:
            self._listener.close()
            raise
        self.embedded = self.database_url.startswith("sqlite")
        self.family = Family(self.data_dir / "logs", say)
        self.workers = 0

    def start(self, stopping: StopFlag) -> None:
        """Start the server, wait until it answers, then start the workers.

        The workers come second: their imports would take the cores from the server, and the address is
        what a person waits for.

        Raises:
            StartError: the server does not come up; its last words are in the sentence.
            KeyboardInterrupt: `stopping` was set meanwhile.
        """
        descriptor = self._listener.fileno()
        self.family.add(Member(SERVER, own_command("serve", "--fd", str(descriptor)), self._shared, (descriptor,)))
        self._await_server(stopping)
        for index, gpu in enumerate(worker_gpus(self._options.workers)):
            command = own_command("worker") if gpu is None else own_command("worker", "--gpu", str(gpu))
            self.family.add(Member(f"worker-{index}", command, self._shared))
            self.workers += 1

    def tend(self) -> None:
        """Restart whoever has died."""
        self.family.tend()

    def drain(self) -> None:
        """End everything: SIGTERM, the grace time, then SIGKILL to what is left. No process stays behind."""
        self.family.drain(self._options.grace)
        self._listener.close()

    def _await_server(self, stopping: StopFlag) -> None:
        deadline = time.monotonic() + READY_SECONDS
        with httpx.Client(base_url=self.address.url, timeout=0.3, trust_env=False) as client:
            while True:
                if stopping.is_set():
                    raise KeyboardInterrupt
                self.tend()
                if self.family.alive(SERVER) and _is_ready(client):
                    return
                if self.family.deaths(SERVER) >= STARTUP_DEATHS or time.monotonic() > deadline:
                    words = self.family.last_words(SERVER) or "it wrote nothing"
                    log = self.data_dir / "logs" / f"{SERVER}.log"
                    raise StartError(f"The server does not come up: {words}. Its whole log is {log}.")
                time.sleep(0.05)


def up(options: LocalOptions, say: Say) -> None:
    """Run the service until Ctrl-C or SIGTERM, then drain it."""
    with stop_signals() as stopping:
        started = time.monotonic()
        service = LocalService(options, say)
        try:
            service.start(stopping)
            for line in welcome(service, time.monotonic() - started):
                say(line)
            while not stopping.wait(TICK):
                service.tend()
            say("Draining: running packs give back their leases (Ctrl-C again ends at once).")
        finally:
            service.drain()
        kept = service.data_dir if service.embedded else f"the database, the logs in {service.data_dir}"
        say(f"Stopped. Everything is kept in {kept}; `sweep-service up` goes on from there.")


def welcome(service: LocalService, seconds: float) -> list[str]:
    """What a person wants to know once the service is up."""
    url = service.address.url
    kind = "worker" if service.workers == 1 else "workers"
    return [
        f"Ready in {seconds:.1f} s: {service.workers} {kind}, data in {service.data_dir}",
        f"  dashboard  {url}/dashboard",
        f"  API        {url}/v1  (documentation: {url}/docs)",
        f"  try        sweep-service submit --dataset diabetes --watch --url {url}",
        "  stop       Ctrl-C",
    ]


def migrate(database_url: str) -> None:
    """Bring the database to this version's tables. Raises: SchemaVersionError, StoreError."""
    from sweep_service.storage.migrate import upgrade

    upgrade(database_url)


@contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """A flag that the first Ctrl-C or SIGTERM sets; a second one raises KeyboardInterrupt. Main thread only."""
    stopping = StopFlag()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False
