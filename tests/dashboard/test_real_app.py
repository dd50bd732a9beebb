"""The pages over the real app and a real database, moved on by a real worker's loop: what a reader sees, live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import MARKS, Open, colours, expect, series
from served_app import ServedApp, small

from sweep_service.storage.migrate import upgrade
from sweep_service.testing.fake_trainer import FakeTrainer

pytestmark = MARKS
POINTS = ("complete", "pruned", "outside")


class Page(ServedApp):
    """The app, with the origin that its pages may ask."""

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self.url


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Page]:
    """On SQLite."""
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    with Page(url, tmp_path / "data") as running:
        yield running


def points(page: Any) -> int:
    """Trials that the chart shows."""
    drawn = series(page)
    return sum(drawn[name] for name in POINTS)


def test_the_list_leads_to_a_sweep_with_its_verdict_and_its_chart(service: Page, visit: Open) -> None:
    sweep = service.post(small(name="real-one", labels={"team": "pricing"}))
    service.work(trainer=FakeTrainer(noise=0.3, diverge={2}))
    best = service.get(f"/sweeps/{sweep}/best-delta")
    page = visit(service, "/dashboard")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("Succeeded")
    page.click("tbody a")
    expect(page.locator("h1")).to_have_text("real-one")
    expect(page.locator("#state")).to_have_text("Succeeded")
    expect(page.locator("#facts")).to_contain_text("dataset diabetes")
    expect(page.locator("#verdict")).to_contain_text(best["verdict"]["sentence"].strip())
    expect(page.locator("#verdict .badge").nth(1)).to_have_text("Confirmed")
    expect(page.locator(".units dt")).to_have_count(3)
    expect(page.locator("#verdict tbody tr")).to_have_count(4)
    assert points(page) == len(service.get(f"/sweeps/{sweep}/delta-response")["points"]["number"]) == 11
    drawn = series(page)
    assert drawn["best"] == 1
    assert drawn["failed"] == 1
    assert drawn["anchors"] == 2, "MSE and MAE are lines, not ticks"
    assert colours(page) > 50
    page.get_by_role("button", name="Next").click()  # what failed stands behind what is complete
    page.get_by_role("button", name="Trial 2", exact=True).click()
    expect(page.locator("#trial")).to_contain_text("diverged at epoch 1")


def test_a_sweep_is_seen_from_its_first_trial_to_its_verdict_without_a_reload(service: Page, visit: Open) -> None:
    sweep = service.post()
    page = visit(service, f"/dashboard/sweeps/{sweep}")
    expect(page.locator("#state")).to_have_text("Queued")
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("window.stayed = true")
    seen = []
    while service.work(tasks=1):
        found = service.get(f"/sweeps/{sweep}")
        expect(page.locator("#state")).to_have_text(found["state"].capitalize())
        expect(page.locator("#progress")).to_contain_text(f"{found['counters']['trials_complete']} complete")
        if found["counters"]["trials_complete"]:
            wanted = len(service.get(f"/sweeps/{sweep}/delta-response")["points"]["number"])
            expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile(rf"of {wanted} trials"))
            seen.append(points(page))
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] == 12
    expect(page.locator("#verdict .badge").nth(1)).to_have_text("Confirmed")
    expect(page.locator("#live")).not_to_have_text("Live")
    assert page.evaluate("window.stayed")


def test_the_buttons_steer_the_sweep_itself(service: Page, visit: Open) -> None:
    sweep = service.post()
    page = visit(service, f"/dashboard/sweeps/{sweep}")
    for button, shown in (("Pause", "Paused"), ("Resume", "Running")):
        page.click(f"#controls >> text={button}")
        expect(page.locator("#state")).to_have_text(shown)
        assert service.get(f"/sweeps/{sweep}")["state"] == shown.upper()
    service.work(tasks=1)
    page.click("#controls >> text=Stop")
    expect(page.locator("#controls >> text=Stop")).to_have_count(0)
    service.work()
    expect(page.locator("#state")).to_have_text("Succeeded")
    assert service.get(f"/sweeps/{sweep}")["end_reason"] == "STOPPED"


def test_a_sweep_that_cannot_go_on_says_why(service: Page, visit: Open) -> None:
    sweep = service.post(small(budget={"max_trials": 6, "max_failed_trials": 0}))
    service.work(trainer=FakeTrainer(diverge=range(99)))
    page = visit(service, f"/dashboard/sweeps/{sweep}")
    expect(page.locator("#state")).to_have_text("Failed")
    expect(page.locator("#problem")).to_contain_text("10 trials failed, more than max_failed_trials = 0")
    expect(page.locator("#chart-empty")).to_contain_text("No trial was completed")


def test_a_name_cannot_become_markup(service: Page, visit: Open) -> None:
    name = "<img src=x onerror=alert(1)> & <b>bold</b>"
    sweep = service.post(small(name=name))
    page = visit(service, "/dashboard")
    expect(page.locator("tbody a")).to_have_text(name)
    page = visit(service, f"/dashboard/sweeps/{sweep}")
    expect(page.locator("h1")).to_have_text(name)
    assert page.locator("h1 img").count() == 0


def test_the_page_of_the_interface_is_silent_and_stays_at_home(service: Page, visit: Open) -> None:
    page = visit(service, "/docs")
    expect(page.locator("h1")).to_contain_text("REST interface")
    assert page.locator("section").count() > 15
    page = visit(service, "/docs", width=375, scheme="dark")
    page.wait_for_load_state("load")  # its styles too
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
