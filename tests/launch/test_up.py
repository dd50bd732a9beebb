"""`sweep-service up`: one command that starts everything, keeps it alive, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from live_service import alive, until

from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore

pytestmark = pytest.mark.faults
StartUp = Callable[..., Any]

# Python imports this by itself when it starts: SIGUSR1 then makes any process of the service write down what it has
# loaded. The processes are the real ones, started by `up` itself.
CONFESS = """
import os, signal, sys

def confess(number, frame):
    path = os.path.join(os.environ["CONFESSIONS"], str(os.getpid()))
    with open(path + ".part", "w") as out:
        out.write("\\n".join(sorted(sys.modules)))
    os.replace(path + ".part", path)

signal.signal(signal.SIGUSR1, confess)
"""
HEAVY = ("tensorflow", "keras", "keras_tuner", "optuna", "sklearn", "pandas", "scipy.stats", "pyarrow")


@pytest.fixture
def confessions(tmp_path: Path) -> Path:
    folder = tmp_path / "confessions"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CONFESS)
    return folder


def modules_of(process: psutil.Process, folder: Path) -> set[str]:
    process.send_signal(signal.SIGUSR1)
    path = folder / str(process.pid)
    until(path.exists, "the process has written down its modules")
    return set(path.read_text().splitlines())


def heavy(modules: set[str]) -> list[str]:
    return [name for name in HEAVY if name in modules]


def test_it_migrates_serves_and_prints_the_address(start_up: StartUp, http: httpx.Client, tmp_path: Path) -> None:
    up = start_up()
    url = up.await_ready()
    assert url.startswith("http://127.0.0.1:")
    assert http.get(f"{url}/readyz").json() == {"status": "ready"}
    assert "text/html" in http.get(f"{url}/dashboard", follow_redirects=True).headers["content-type"]
    assert (tmp_path / "data" / "sweeps.db").exists()
    assert "1 worker, data in" in up.process.text()
    until(lambda: len(http.get(f"{url}/v1/workers").json()["workers"]) == 1, "the worker has reported")


def test_the_server_is_small_and_loads_nothing_heavy_even_after_much_use(
    start_up: StartUp, http: httpx.Client, confessions: Path
) -> None:
    up = start_up(PYTHONPATH=str(confessions), CONFESSIONS=str(confessions))
    url = up.await_ready()
    use_everything(http, url)
    server = up.await_member("serve")
    loaded = modules_of(server, confessions)
    assert "fastapi" in loaded  # the list is that of the server
    assert heavy(loaded) == []
    assert server.memory_info().rss < 150 * 2**20

    worker = up.await_member("worker")
    until(lambda: http.get(f"{url}/v1/workers").json()["workers"], "the worker is up")
    parent = modules_of(worker, confessions)
    assert "optuna" in parent  # it samples; only its child trains
    assert not {"tensorflow", "keras", "keras_tuner"} & parent
    assert heavy(modules_of(psutil.Process(up.process.pid), confessions)) == []


def use_everything(http: httpx.Client, url: str) -> None:
    """Each kind of request once, so that what is imported late is imported."""
    rows = "\n".join(f"{i},{i * 0.37 % 5},{'abc'[i % 3]},{i * 1.7}" for i in range(60))
    table = f"a,b,kind,y\n{rows}\n"
    sent = http.post(f"{url}/v1/datasets?name=mine", content=table, headers={"Content-Type": "text/csv"})
    assert sent.status_code == 201, sent.text
    spec = {"dataset": {"name": "mine", "target": "y"}, "budget": {"max_trials": 1}}
    posted = http.post(f"{url}/v1/sweeps", json=spec)
    assert posted.status_code == 202, posted.text
    sweep = posted.json()["id"]
    for path in (
        f"/v1/sweeps/{sweep}/best-delta", f"/v1/sweeps/{sweep}/delta-response", f"/v1/sweeps/{sweep}/trials",
        "/v1/sweeps", "/v1/datasets", "/v1/workers", "/openapi.json", "/docs", f"/dashboard/sweeps/{sweep}",
    ):  # fmt: skip
        assert http.get(url + path, follow_redirects=True).status_code == 200, path
    http.post(f"{url}/v1/sweeps/{sweep}:cancel")


def test_a_killed_server_is_started_again_at_the_same_address(start_up: StartUp, http: httpx.Client) -> None:
    up = start_up()
    url = up.await_ready()
    first = up.await_member("serve")
    first.kill()
    second = up.await_member("serve", other_than=first.pid)
    # The port stayed open in the parent: this request waits in its backlog, and is not refused.
    assert http.get(f"{url}/readyz", timeout=60).status_code == 200
    assert second.is_running()
    assert "server was killed by SIGKILL; starting it again in 0.5 s" in up.process.text()


def test_a_killed_worker_is_started_again_and_each_time_later(start_up: StartUp) -> None:
    up = start_up()
    up.await_ready()
    dead = 0
    for seconds in ("0.5", "1", "2"):
        worker = up.await_member("worker", other_than=dead)
        dead = worker.pid
        worker.kill()
        up.process.await_text(f"worker-0 was killed by SIGKILL; starting it again in {seconds} s")
    up.await_member("worker", other_than=dead)


def test_a_worker_that_cannot_train_says_why_and_costs_no_trial_anything(
    start_up: StartUp, http: httpx.Client, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "tensorflow.py").write_text("raise ImportError('libcuda is not what it was')")
    up = start_up(PYTHONPATH=str(broken))
    url = up.await_ready()
    sweep = http.post(f"{url}/v1/sweeps", json={"dataset": "diabetes", "budget": {"max_trials": 4}}).json()["id"]
    up.process.await_text("Its last words: Error: The training process did not start")  # told from the second time on
    assert "worker-0 ended with exit code 1" in up.process.text()
    found = http.get(f"{url}/v1/sweeps/{sweep}").json()
    assert found["state"] == "RUNNING"
    assert found["counters"]["trials_failed"] == 0
    assert "libcuda is not what it was" in (tmp_path / "data" / "logs" / "worker-0.log").read_text()


def test_ctrl_c_drains_with_exit_code_0_and_leaves_no_process(start_up: StartUp, http: httpx.Client) -> None:
    up = start_up()
    url = up.await_ready()
    until(lambda: http.get(f"{url}/v1/workers").json()["workers"], "the worker is up")
    assert set(up.family()) == {"serve", "worker"}
    assert up.interrupt() == 0
    assert up.left() == []
    text = up.process.text()
    assert "Draining" in text
    assert "Stopped. Everything is kept in" in text
    assert "Traceback" not in text
    for log in Path(up.process.log).parent.glob("data/logs/*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()


@pytest.mark.engine
def test_ctrl_c_in_the_middle_of_a_pack_gives_it_back_and_the_next_up_goes_on(
    start_up: StartUp, http: httpx.Client, tmp_path: Path
) -> None:
    up = start_up(SWEEP_LOG_LEVEL="DEBUG")
    url = up.await_ready()
    slow = {
        "dataset": {"name": "diabetes", "split": {"validation": {"kind": "KFOLD", "folds": 2}}},
        "parameters": {"layers": 1, "units": 8, "batch_size": 1},
        "anchors": [],
        "confirm": None,
        "training": {"max_epochs": 10_000, "early_stopping": None},
        "budget": {"max_trials": 4},
    }
    sweep = http.post(f"{url}/v1/sweeps", json=slow).json()["id"]
    log = tmp_path / "data" / "logs" / "worker-0.log"
    until(lambda: log.exists() and "epoch 50," in log.read_text(), "the pack is in its middle")
    assert set(up.family()) == {"serve", "worker", "sweep_service.worker.child"}
    assert up.interrupt() == 0
    assert up.left() == []

    store = SqlStore(f"sqlite:///{tmp_path / 'data' / 'sweeps.db'}")
    try:
        assert store.queue_depth() == {"TRAIN_QUEUED": 1}
        assert store.workers() == []
        again = start_up()
        again.await_ready()
        until(lambda: store.queue_depth() == {"TRAIN_LEASED": 1}, "the next `up` goes on with the pack")
        assert store.sweep(sweep).state.value == "RUNNING"
        assert again.interrupt() == 0
    finally:
        store.close()


def test_sigterm_drains_as_ctrl_c_does(start_up: StartUp) -> None:
    up = start_up()
    up.await_ready()
    up.family()
    up.process.send(signal.SIGTERM)
    assert up.process.wait() == 0
    assert up.left() == []


def test_killing_up_itself_leaves_no_process_behind(start_up: StartUp) -> None:
    up = start_up()
    up.await_ready()
    members = up.family()
    assert set(members) == {"serve", "worker"}
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    until(lambda: not any(alive(p.pid) for p in members.values()), "server and worker have followed")


def test_every_flag_is_a_variable_too(start_up: StartUp, http: httpx.Client, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    up = start_up(
        defaults=False,
        SWEEP_HOST="localhost",
        SWEEP_PORT="0",
        SWEEP_WORKERS="2",
        SWEEP_DATA_DIR=str(other),
        SWEEP_DATABASE_URL=f"sqlite:///{tmp_path / 'named.db'}",
    )
    url = up.await_ready()
    assert url.startswith("http://localhost:")
    assert "2 workers" in up.process.text()
    assert (other / "logs").is_dir()
    assert (tmp_path / "named.db").exists()
    assert not (other / "sweeps.db").exists()
    until(lambda: len(http.get(f"{url}/v1/workers").json()["workers"]) == 2, "both workers use that database")


@pytest.mark.postgres
def test_the_address_of_a_postgresql_is_all_that_it_needs(
    start_up: StartUp, http: httpx.Client, new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    up = start_up(SWEEP_DATABASE_URL=new_postgres_database())
    url = up.await_ready()
    assert http.get(f"{url}/readyz").status_code == 200
    until(lambda: len(http.get(f"{url}/v1/workers").json()["workers"]) == 1, "the worker has reported")
    assert not (tmp_path / "data" / "sweeps.db").exists()
    assert up.interrupt() == 0


# --- what is wrong is said in one sentence, before anything starts ------------------------------------------------


def refused(start_up: StartUp, *arguments: str) -> str:
    up = start_up(*arguments)
    assert up.process.wait() == 1
    text = up.process.text()
    assert "Traceback" not in text
    assert text.startswith("Error: ")
    assert len(text.strip().splitlines()) == 1
    return str(text)


def test_a_port_in_use(start_up: StartUp) -> None:
    first = start_up()
    port = first.await_ready().rpartition(":")[2]
    text = refused(start_up, "--port", port)
    assert f"Port {port} of 127.0.0.1 is in use" in text
    assert f"--port {int(port) + 1}" in text


def test_a_data_folder_that_cannot_be_made(start_up: StartUp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    text = refused(start_up, "--data-dir", str(tmp_path / "file" / "data"))
    assert "a file stands in its way" in text
    assert "--data-dir" in text


def test_a_data_folder_that_cannot_be_written(start_up: StartUp) -> None:
    text = refused(start_up, "--data-dir", "/proc/sweeps")
    assert "cannot be written to" in text


def test_a_database_of_a_newer_version(start_up: StartUp, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'newer.db'}"
    upgrade(url)
    store = SqlStore(url)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    text = refused(start_up, "--database-url", url)
    assert "newer version" in text
    assert "nothing was changed" in text


def test_a_file_that_is_no_database(start_up: StartUp, tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_text("this is not a database " * 100)
    text = refused(start_up, "--database-url", f"sqlite:///{path}")
    assert "not a database" in text


def test_a_postgresql_that_does_not_answer(start_up: StartUp) -> None:
    text = refused(start_up, "--database-url", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert "cannot be reached" in text


def test_a_host_that_other_machines_reach(start_up: StartUp) -> None:
    text = refused(start_up, "--host", "0.0.0.0")
    assert "no keys yet" in text
    assert "127.0.0.1" in text


def test_a_lease_that_is_no_number_is_refused_before_anything_starts(start_up: StartUp) -> None:
    up = start_up(SWEEP_LEASE_SECONDS="soon")
    assert up.process.wait() == 1
    assert "SWEEP_LEASE_SECONDS='soon' cannot be used" in up.process.text()


def test_what_the_members_write_is_kept_in_one_log_each(start_up: StartUp, tmp_path: Path) -> None:
    up = start_up(SWEEP_LOG_FORMAT="json")
    up.await_ready()
    logs = tmp_path / "data" / "logs"
    until(lambda: {p.name for p in logs.iterdir()} == {"server.log", "worker-0.log"}, "both logs are there")
    for line in (logs / "worker-0.log").read_text().splitlines():
        json.loads(line)
