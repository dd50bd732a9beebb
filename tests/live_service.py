"""Real processes for tests: a server, workers with their children, and what the tables must say afterwards.

Not a test itself: the folders `end_to_end`, `faults` and `launch` import it. Everything that is started here is
ended here, by its own process id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import select

from sweep_service.launch.address import Address, bound_address, listen
from sweep_service.launch.family import own_command
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import events, runs, sweeps, tasks, trials

PATIENCE = 120.0
"""Seconds after which a test gives up waiting: not a claim about speed, only the end of hope."""


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first answer of `condition` that is not empty; fails with `what` when none comes."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {patience:.0f} s in vain until {what}")


class Process:
    """One process of the service, its output in a file."""

    def __init__(self, log: Path, command: Sequence[str], environ: Mapping[str, str], fds: Sequence[int] = ()) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=list(fds),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environ}, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Process id."""
        return self.popen.pid

    def send(self, number: signal.Signals) -> None:
        """A signal to the process alone."""
        self.popen.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit code."""
        return self.popen.wait(patience)

    def text(self) -> str:
        """All that it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def await_text(self, piece: str, since: int = 0) -> None:
        """Wait until it has written that piece beyond the first `since` characters."""

        def written() -> bool:
            assert self.popen.poll() is None or piece in self.text()[since:], self.text()[-3000:]
            return piece in self.text()[since:]

        until(written, f"{self.log.name} says {piece!r}")

    def children(self) -> list[psutil.Process]:
        """The processes that it has started, however deep."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def end(self) -> None:
        """Make sure that it and its children are gone."""
        left = self.children()
        with contextlib.suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, 10)


class LiveService:
    """A server and workers on one database; whatever is left of them at the end is killed."""

    def __init__(self, database_url: str, folder: Path, lease: float = 30.0) -> None:
        self.database_url = database_url
        self.folder = folder
        self.lease = lease
        self._listener = listen(Address("127.0.0.1", 0))
        self.url = bound_address(self._listener, "127.0.0.1").url
        self.http = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)
        self.store = SqlStore(database_url)
        self.processes: list[Process] = []

    def _start(self, name: str, arguments: Sequence[str], data_dir: Path | None, fds: Sequence[int] = ()) -> Process:
        log = self.folder / f"{name}-{len(self.processes)}.log"
        environ = {
            "SWEEP_DATABASE_URL": self.database_url,
            "SWEEP_DATA_DIR": str(data_dir or self.folder / "data"),
            "SWEEP_LEASE_SECONDS": str(self.lease),
            "SWEEP_LOG_LEVEL": "DEBUG",
        }
        process = Process(log, own_command(*arguments), environ, fds)
        self.processes.append(process)
        return process

    def start_server(self, data_dir: Path | None = None) -> Process:
        """A server, ready; another one after it is killed gets the same port."""
        number = self._listener.fileno()
        server = self._start("server", ["serve", "--fd", str(number)], data_dir, [number])

        def ready() -> bool:
            assert server.popen.poll() is None, server.text()
            with contextlib.suppress(httpx.HTTPError):
                return self.http.get("/readyz", timeout=2.0).status_code == 200
            return False

        until(ready, "the server is ready")
        return server

    def start_worker(self, data_dir: Path | None = None) -> Process:
        """A worker; it may still be importing when this returns."""
        return self._start("worker", ["worker"], data_dir)

    def post(self, document: Mapping[str, Any]) -> str:
        """Post a sweep; returns its id."""
        answer = self.http.post("/v1/sweeps", json=document)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at /v1 + path."""
        answer = self.http.get(f"/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def await_event(self, sweep: str, kind: str, count: int = 1) -> list[Mapping[str, Any]]:
        """Wait until a sweep has that many events of a kind; returns the bodies."""
        return list(
            until(
                lambda: (found := self.event_bodies(sweep, kind)) and len(found) >= count and found,
                f"sweep {sweep} has {count} {kind}",
            )
        )

    def event_bodies(self, sweep: str, kind: str) -> list[Mapping[str, Any]]:
        """Bodies of a sweep's events of one kind."""
        return [e.body for e in self.store.events(sweep, limit=100_000) if e.kind == kind]

    def await_end(self, sweep: str, patience: float = PATIENCE) -> dict[str, Any]:
        """The sweep once it has ended, over HTTP."""

        def ended() -> Any:
            found = self.get(f"/sweeps/{sweep}")
            return found["state"] in {"SUCCEEDED", "FAILED", "CANCELLED"} and found

        return dict(until(ended, f"sweep {sweep} has ended", patience))

    def numbers(self, sweep: str) -> dict[str, Any]:
        """Everything that a seed decides, bit for bit: settings, signatures and values of all trials and runs."""
        return {
            "trials": [
                (t.number, t.generation, t.group, t.anchor, t.loss, dict(t.parameters), t.signature, dict(t.values))
                for t in self.store.trials(sweep)
            ],
            "runs": [
                (r.key, r.seed, r.best_epoch, r.epochs, dict(r.metrics), dict(r.details), r.curve)
                for r in self.store.runs(sweep, curves=True)
            ],
        }

    def close(self) -> None:
        """End what is left."""
        for process in self.processes:
            process.end()
        self.http.close()
        self.store.close()
        self._listener.close()


def assert_books_balance(store: SqlStore, sweep_id: str) -> None:
    """The promise, read from the tables of an ended sweep: no run is lost and none is counted twice."""

    def rows(table: Any, key: Any) -> list[Mapping[str, Any]]:
        with store.engine.connect() as connection:
            return [dict(r) for r in connection.execute(select(table).where(key == sweep_id)).mappings()]

    (sweep,) = rows(sweeps, sweeps.c.id)
    counters = sweep["counters"]
    assert sweep["state"] in {"SUCCEEDED", "FAILED", "CANCELLED"}

    found = rows(runs, runs.c.sweep_id)
    states = [r["state"] for r in found]
    assert not {"WAITING", "RUNNING"} & set(states), "every run is terminal"
    assert counters["runs_planned"] == len(found)
    assert counters["runs_complete"] == states.count("COMPLETE")
    assert counters["runs_failed"] == states.count("FAILED") + states.count("TIMED_OUT")
    assert counters["runs_pruned"] == states.count("PRUNED")
    assert all(r["metrics"] and r["curve"] for r in found if r["state"] == "COMPLETE")

    of_trial = rows(trials, trials.c.sweep_id)
    endings = [t["state"] for t in of_trial]
    assert not {"WAITING", "RUNNING"} & set(endings), "every trial is terminal"
    assert sorted(t["number"] for t in of_trial) == list(range(len(of_trial)))
    assert counters["trials_planned"] + counters["anchors"] == len(of_trial)
    assert counters["trials_complete"] == endings.count("COMPLETE")
    assert counters["trials_failed"] == endings.count("FAILED") + endings.count("TIMED_OUT")

    assert counters["trials_pruned"] == endings.count("PRUNED")

    log = sorted(rows(events, events.c.sweep_id), key=lambda e: e["seq"])
    assert [e["seq"] for e in log] == list(range(1, sweep["event_seq"] + 1)), "events have no gap"
    told = sum(e["body"]["complete"] for e in log if e["kind"] == "PACK_ENDED")
    assert told == counters["runs_complete"], "each run was reported once"
    named = [n for e in log if e["kind"] == "TRIALS_ENDED" for n in e["body"]["numbers"]]
    assert len(named) == len(set(named)), "each trial ended once"

    assert {t["state"] for t in rows(tasks, tasks.c.sweep_id)} == {"DONE"}


def assert_no_trial_failed(store: SqlStore, sweep_id: str) -> None:
    """Kills from outside are no fault of a trial."""
    failed = [(t.number, t.state.value, t.reason) for t in store.trials(sweep_id) if t.state.value != "COMPLETE"]
    assert not failed


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie that waits for its parent does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def training_child(worker: Process) -> psutil.Process:
    """The worker's child that trains, once it is there."""
    return until(
        lambda: next((c for c in worker.children() if "sweep_service.worker.child" in _command(c)), None),
        "the worker has a child",
    )


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return " ".join(process.cmdline())
    return ""
