"""list, show, best, trials, and the four verbs that steer a sweep."""

from __future__ import annotations

from typing import Any

import pytest
from served_app import ServedApp, small

from sweep_service.testing.fake_trainer import FakeTrainer

Cli = Any


def test_a_service_without_a_sweep_says_how_to_make_one(service: ServedApp, cli: Cli) -> None:
    ended = cli("list")
    assert ended.code == 0
    assert "submit --dataset diabetes" in ended.out


def test_list_shows_the_newest_first_with_its_best_delta(service: ServedApp, cli: Cli) -> None:
    first = service.post()
    service.work()
    second = service.post(small(name="second one"))
    lines = cli("list").out.splitlines()
    rows = [line for line in lines if "swp_" in line]
    assert [row.split()[0] for row in rows] == [second, first]
    assert "second one" in rows[0]
    assert "QUEUED" in rows[0]
    best = service.get(f"/sweeps/{first}/best-delta")
    assert f"{best['delta']['target']:.2f}" in rows[1]
    assert best["verdict"]["kind"] in rows[1]
    assert cli("list", "--limit", "1").out.count("swp_") == 1


def test_show_tells_where_a_sweep_stands(service: ServedApp, cli: Cli) -> None:
    sweep = service.post()
    service.work(trainer=FakeTrainer(diverge={3}))
    out = cli("show", sweep).out
    assert sweep in out
    assert "SUCCEEDED (BUDGET)" in out
    assert "12 sampled and 16 anchors: 27 complete, 1 failed" in out


def test_best_shows_three_units_gains_and_the_verdict(service: ServedApp, cli: Cli) -> None:
    sweep = service.post()
    assert "No best delta yet: the sweep is QUEUED" in cli("best", sweep).out
    service.work()
    best = service.get(f"/sweeps/{sweep}/best-delta")
    out = cli("best", sweep).out
    assert "target units" in out
    assert "standardised" in out
    assert f"{best['delta']['sigma']:.3f} sigma" in out
    for anchor in ("MSE", "MAE", "1.345 SIGMA", "1 TARGET"):
        assert anchor in out
    assert best["recommended"]["sentence"] in out
    assert best["verdict"]["sentence"] in out


def test_trials_shows_what_varies_and_why_some_failed(service: ServedApp, cli: Cli) -> None:
    sweep = service.post()
    assert "No trials yet" in cli("trials", sweep).out
    service.work(trainer=FakeTrainer(diverge={3}))
    out = cli("trials", sweep).out
    assert "learning_rate" in out
    assert "batch_size" not in out, "what is the same everywhere is left out"
    assert "trial 3 FAILED: diverged at epoch 1" in out
    assert cli("trials", sweep, "-n", "4", "--json").json()["trials"][-1]["number"] == 3


def test_all_pages_of_trials_are_read(service: ServedApp, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep_service.cli.service.PAGE", 3)
    sweep = service.post()
    service.work()
    page = cli("trials", sweep, "--json").json()
    assert [t["number"] for t in page["trials"]] == list(range(28))
    assert page["next_page_token"] == ""


@pytest.mark.parametrize("command", ["show", "best", "trials"])
def test_json_is_the_services_own(service: ServedApp, cli: Cli, command: str) -> None:
    sweep = service.post(small(name="crème [bold]brûlée[/]"))
    service.work()
    path = {"show": "", "best": "/best-delta", "trials": "/trials"}[command]
    assert cli(command, sweep, "--json").json() == service.get(f"/sweeps/{sweep}{path}")
    assert cli("list", "--json").json() == service.get("/sweeps")


def test_a_name_is_never_read_as_markup(service: ServedApp, cli: Cli) -> None:
    sweep = service.post(small(name="[red]a[/] [link=x]"))
    assert "[red]a[/] [link=x]" in cli("show", sweep).out
    assert "[red]a[/]" in cli("list").out


def test_a_sweep_is_steered(service: ServedApp, cli: Cli) -> None:
    sweep = service.post()
    assert cli("pause", sweep).out == f"{sweep} is PAUSED.\n"
    assert cli("resume", sweep, "--json").json()["state"] == "RUNNING"
    assert cli("stop", sweep).code == 0
    service.work()
    assert service.get(f"/sweeps/{sweep}")["end_reason"] == "STOPPED"
    again = cli("pause", sweep)
    assert again.code == 1
    assert "only a sweep that is QUEUED or RUNNING can be paused" in again.err
    other = service.post()
    assert cli("cancel", other).out == f"{other} is CANCELLED.\n"


@pytest.mark.parametrize("command", ["show", "best", "trials", "watch", "pause", "cancel"])
def test_an_unknown_sweep_is_one_sentence(service: ServedApp, cli: Cli, command: str) -> None:
    for sweep in ("swp_none", "../workers", "a/b?c#d"):
        ended = cli(command, sweep)
        assert ended.code == 1
        assert ended.out == ""
        assert "Traceback" not in ended.err
        assert "There is no" in ended.err
        assert "`sweep-service list`" in ended.err
