"""submit and watch: from a document to an answer."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from served_app import ServedApp, small

from sweep_service.launch.family import own_command
from sweep_service.testing.fake_trainer import FakeTrainer

Cli = Any


# --- submit ----------------------------------------------------------------------------------------------------


def test_a_datasets_name_is_enough(service: ServedApp, cli: Cli) -> None:
    ended = cli("submit", "--dataset", "diabetes")
    assert ended.code == 0
    (sweep,) = service.get("/sweeps")["sweeps"]
    assert f"{sweep['id']}  diabetes-huber  QUEUED" in ended.out
    assert f"{service.url}/dashboard/sweeps/{sweep['id']}" in ended.out
    assert f"sweep-service watch {sweep['id']}" in ended.out


def test_a_file_and_standard_input_are_read(service: ServedApp, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps(small(name="from a file")))
    assert cli("submit", "sweep.json", "--json").json()["name"] == "from a file"
    posted = cli("submit", "-", "--json", stdin=json.dumps(small(name="piped"))).json()
    assert posted == service.get(f"/sweeps/{posted['id']}")


def test_single_fields_are_set(service: ServedApp, cli: Cli) -> None:
    spec = cli(
        "submit", "-d", "friedman1", "--json", "--set", "dataset.options.rows=200", "--set", "parameters.delta.high=5",
        "--set", "budget.max_trials=7", "--set", "name=mine", "--set", "confirm=null",
    ).json()["spec"]  # fmt: skip
    assert spec["dataset"]["options"] == {"rows": 200}
    delta = spec["parameters"]["delta"]
    assert (delta["low"], delta["high"], delta["log"]) == (0.02, 5, True), "the rest of its usual range stays"
    assert (spec["budget"]["max_trials"], spec["name"], spec["confirm"]) == (7, "mine", None)


def test_validate_only_stores_nothing(service: ServedApp, cli: Cli) -> None:
    assert "nothing was stored" in cli("submit", "-d", "diabetes", "--validate-only").out
    assert cli("submit", "-d", "diabetes", "--validate-only", "--json").json()["valid"] is True
    assert service.get("/sweeps")["sweeps"] == []


def test_what_show_prints_can_be_submitted_again(service: ServedApp, cli: Cli) -> None:
    spec = cli("show", service.post(), "--json").json()["spec"]
    assert cli("submit", "-", "--json", stdin=json.dumps(spec)).json()["spec"] == spec


def test_a_refused_sweep_names_each_field(service: ServedApp, cli: Cli) -> None:
    ended = cli("submit", "-d", "diabetes", "--set", "objective=val_loss", "--set", "buget.max_trials=3")
    assert ended.code == 1
    assert "/objective/metric: the training loss cannot be the objective" in ended.err
    assert "/buget: there is no field 'buget' here; did you mean 'budget'?" in ended.err
    assert service.get("/sweeps")["sweeps"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give a spec file, or a dataset's name"),
        (["nope.json"], "There is no file nope.json. For a dataset's name write --dataset nope.json."),
        (["bad.json"], "bad.json is not JSON: Expecting value at line 3, column 1."),
        (["list.json"], 'must hold one JSON object, such as {"dataset": "diabetes"}'),
        (["binary.json"], "is not a text file in UTF-8"),
        (["-d", "diabetes", "--set", "seed"], "--set takes path=value"),
        (["-d", "diabetes", "--set", ".x=1"], "--set takes path=value"),
        (["-d", "diabetes", "--set", "seed=1", "--set", "seed.x=2"], "seed holds a plain value"),
        (["-d", "diabetes", "--frob"], "No such option"),
    ],
)
def test_what_cannot_be_sent_is_wrong_usage(
    service: ServedApp, cli: Cli, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "bad.json").write_text('{\n "dataset":\n}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    ended = cli("submit", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.err


# --- watch -----------------------------------------------------------------------------------------------------


def test_watching_ends_with_the_verdict(service: ServedApp, cli: Cli) -> None:
    sweep = service.post()
    worker = threading.Thread(target=service.work)
    worker.start()
    ended = cli("watch", sweep)
    worker.join()
    assert ended.code == 0
    assert "100 %  SUCCEEDED, 280/280 runs" in ended.err, "progress is no part of the answer"
    assert service.get(f"/sweeps/{sweep}/best-delta")["verdict"]["sentence"] in ended.out


def test_submit_can_watch_too_and_print_json_alone(service: ServedApp, cli: Cli) -> None:
    def work() -> None:
        while not service.store.sweeps(limit=1)[0]:
            time.sleep(0.02)
        service.work()

    worker = threading.Thread(target=work)
    worker.start()
    best = cli("submit", "-", "--watch", "--json", stdin=json.dumps(small())).json()
    worker.join()
    assert best == service.get(f"/sweeps/{best['sweep']}/best-delta")
    assert best["status"] == "CONFIRMED"


def test_a_sweep_that_failed_or_was_cancelled_ends_with_3(service: ServedApp, cli: Cli) -> None:
    cancelled = service.post()
    service.store.cancel(cancelled)
    assert cli("watch", cancelled).code == 3
    failed = service.post(small(budget={"max_trials": 6, "max_failed_trials": 0}))
    service.work(trainer=FakeTrainer(diverge=range(20)))
    ended = cli("watch", failed)
    assert ended.code == 3
    assert "FAILED (TOO_MANY_FAILURES)" in ended.out


def test_ctrl_c_ends_the_watching_and_not_the_sweep(service: ServedApp) -> None:
    sweep = service.post()
    ours, terminal = pty.openpty()
    with subprocess.Popen(own_command("watch", sweep), stdout=subprocess.DEVNULL, stderr=terminal) as watching:
        said = b""
        while b"QUEUED" not in said:
            said += os.read(ours, 4096)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130
    os.close(terminal)
    with contextlib.suppress(OSError):  # how the end of a terminal reads
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert b"Traceback" not in said
    assert service.get(f"/sweeps/{sweep}")["state"] == "QUEUED"
