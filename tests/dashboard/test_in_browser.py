"""The pages in a real Chromium, before the fixture application: what a reader sees, and what the console says."""

from __future__ import annotations

import math
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import fixture_app
import httpx
import pytest
import uvicorn
from chromium import CHART, MARKS, Open, colours, expect, series

pytestmark = MARKS
ZOOM = f"async () => {{ const [z] = (await {CHART}).getOption().dataZoom; return [z.start, z.end]; }}"
PIXEL = f"""async ([log_delta, value]) => {{
  const place = document.getElementById("chart");
  place.scrollIntoView();
  const at = (await {CHART}).convertToPixel({{ xAxisId: "target", yAxisIndex: 0 }}, [log_delta, value]);
  const box = place.getBoundingClientRect();
  return [box.x + at[0], box.y + at[1]];
}}"""


class Service:
    """The fixture application on a port of its own."""

    def __init__(self, prefix: str = "", sweeps: list[fixture_app.FixtureSweep] | None = None) -> None:
        self.app = fixture_app.make_app(sweeps, prefix)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.url = self.origin + prefix
        self._server = uvicorn.Server(uvicorn.Config(self.app, log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._listener = listener

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.app.state.api.closing = True
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()

    def sweep(self, name: str) -> fixture_app.FixtureSweep:
        return self.app.state.api.sweeps[name]

    def advance(self, name: str) -> None:
        httpx.post(f"{self.url}/fixture/{name}/advance").raise_for_status()


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def test_the_list_shows_every_sweep_and_leads_to_its_page(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard")
    expect(page.locator("tbody tr")).to_have_count(5)
    expect(page.locator("tbody tr").first).to_contain_text("Running")
    page.fill("#find", "failed")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.click("tbody a")
    expect(page.locator("h1")).to_have_text("failed-delta")


def test_an_empty_list_tells_how_to_post_the_first_sweep(visit: Open) -> None:
    with Service(sweeps=[]) as service:
        page = visit(service, "/dashboard")
        expect(page.locator("pre")).to_contain_text(f"curl -X POST '{service.url}/v1/sweeps'")
        expect(page.locator("pre")).to_contain_text('{"dataset": "diabetes"}')


def test_a_sweep_shows_its_verdict_its_delta_in_three_units_and_its_chart(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/confirmed")
    expect(page.locator("#verdict .badge").first).to_have_text("Robust loss better")
    expect(page.locator("#verdict .badge").nth(1)).to_have_text("Confirmed")
    expect(page.locator(".units dt")).to_have_count(3)
    expect(page.locator("#verdict tbody tr")).to_have_count(4)
    drawn = series(page)
    own = [t for t in service.sweep("confirmed").trials if not t["anchor"]]
    assert drawn["complete"] + drawn["pruned"] + drawn["outside"] == sum(bool(t["values"]) for t in own)
    assert drawn["pruned"] > 0
    assert drawn["failed"] == sum(t["state"] == "FAILED" for t in own)
    assert drawn["anchors"] == 2
    assert drawn["best"] == drawn["band"] == 1
    assert colours(page) > 50


def test_a_trial_that_ends_appears_without_a_reload_and_the_zoom_stays(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/running")
    expect(page.locator("#live")).to_have_text("Live")
    before = sum(series(page)[k] for k in ("complete", "pruned", "outside"))
    page.click("button[aria-label='Zoom in']")
    zoomed = page.evaluate(ZOOM)
    assert zoomed[1] - zoomed[0] < 100
    page.evaluate("window.stayed = true")
    service.advance("running")
    expect(page.locator("#progress")).to_contain_text(
        f"{service.sweep('running').sweep()['counters']['trials_complete']} complete"
    )
    expect(page.locator(".pager, .trials tbody tr").last).to_be_visible()
    page.wait_for_timeout(300)
    assert sum(series(page)[k] for k in ("complete", "pruned", "outside")) == before + 1
    assert page.evaluate(ZOOM) == zoomed
    assert page.evaluate("window.stayed")


def test_without_its_stream_a_page_asks_now_and_then(service: Service, visit: Open) -> None:
    service.app.state.api.broken.add("events")
    page = visit(service, "/dashboard/sweeps/running", quiet=False)  # the browser itself logs the 503
    expect(page.locator("#live")).to_have_text("Connecting again")
    before = sum(series(page)[k] for k in ("complete", "pruned", "outside"))
    service.advance("running")
    expect(page.locator("#progress")).to_contain_text("18 complete", timeout=15000)
    page.wait_for_timeout(300)
    assert sum(series(page)[k] for k in ("complete", "pruned", "outside")) == before + 1


def test_a_part_that_cannot_be_read_says_so_and_leaves_the_others(service: Service, visit: Open) -> None:
    service.app.state.api.broken.add("delta-response")
    page = visit(service, "/dashboard/sweeps/confirmed", quiet=False)
    expect(page.locator("#chart-empty [role=alert]")).to_have_text("The delta-response cannot be read just now.")
    expect(page.locator("#verdict .badge").first).to_have_text("Robust loss better")
    expect(page.locator(".trials tbody tr")).to_have_count(25)


def test_the_wheel_scrolls_the_page_and_zooms_with_control(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/running")
    series(page)
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + 500, min(850, box["y"] + 100))
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(500)
    assert page.evaluate("window.scrollY") > 50
    assert page.evaluate(ZOOM) == [0, 100]
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + 500, box["y"] + 200)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    page.wait_for_timeout(400)
    start, end = page.evaluate(ZOOM)
    assert end - start < 99
    page.click("button[aria-label='Reset the zoom']")
    assert page.evaluate(ZOOM) == [0, 100]


def test_a_failed_sweep_shows_its_reason_and_no_empty_chart(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/failed")
    expect(page.locator("#problem [role=alert]")).to_contain_text("more than max_failed_trials = 12")
    expect(page.locator("#chart-empty")).to_contain_text("No trial was completed")
    expect(page.locator("#controls button")).to_have_count(0)
    page.get_by_role("button", name="Trial 4", exact=True).click()
    expect(page.locator("#trial .reason")).to_contain_text("became NaN")


def test_a_queued_sweep_says_that_it_waits(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/queued")
    expect(page.locator("#problem")).to_contain_text("waits for a worker")
    expect(page.locator("#trials")).to_contain_text("No trial has been planned yet")


def test_a_sweep_that_is_not_there_says_so(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/nowhere", quiet=False)  # the browser itself logs the 404
    expect(page.locator("#problem")).to_contain_text("There is no sweep nowhere")


def test_choosing_a_trial_marks_it_everywhere_and_stands_in_the_address(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/running")
    page.get_by_role("button", name="Trial 7", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("tr.chosen")).to_have_count(1)
    expect(page.locator("#trial h3").first).to_have_text("Trial 7")
    assert series(page)["chosen"] == 1
    assert page.url.endswith("?trial=7")
    shared = visit(service, "/dashboard/sweeps/running?trial=7&sort=-number")
    expect(shared.locator("#trial h3").first).to_have_text("Trial 7")
    expect(shared.locator("tbody .row-link").first).to_have_text("23")


def test_a_dot_that_is_clicked_chooses_its_trial(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/running")
    series(page)
    best = service.sweep("running").response()["best"]
    x, y = page.evaluate(PIXEL, [math.log10(best["delta"]), best["value"]])
    page.mouse.move(x, y)
    expect(page.locator(".tip")).to_contain_text("learning_rate")
    page.mouse.click(x, y)
    expect(page.locator("#trial h3").first).to_have_text(f"Trial {best['trial']}")


def test_the_buttons_call_the_rest(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/running")
    page.click("#controls >> text=Pause")
    expect(page.locator("#state")).to_have_text("Paused")
    page.click("#controls >> text=Resume")
    expect(page.locator("#state")).to_have_text("Running")
    page.once("dialog", lambda d: d.dismiss())
    page.click("#controls >> text=Cancel")
    page.once("dialog", lambda d: d.accept())
    page.click("#controls >> text=Cancel")
    expect(page.locator("#state")).to_have_text("Cancelled")
    assert service.sweep("running").posted == ["pause", "resume", "cancel"]


def test_the_table_sorts_with_the_keyboard_and_ranks_pruned_trials_last(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/running")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("MAE")
    states = page.locator("tbody tr.row td:nth-child(2) .badge").all_text_contents()
    assert states[0] == "Complete"
    assert "Complete" not in states[states.index("Pruned") :]
    heading = page.locator("th button", has_text="Trial")
    heading.focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Trial")
    assert page.evaluate("document.activeElement.dataset.key") == "sort-number"


@pytest.mark.parametrize(
    ("kind", "start"), [("PNG", b"\x89PNG"), ("SVG", b"<svg"), ("CSV", b"trial,anchor,state,delta_target")]
)
def test_the_chart_can_be_saved(service: Service, visit: Open, kind: str, start: bytes) -> None:
    page = visit(service, "/dashboard/sweeps/confirmed")
    series(page)
    with page.expect_download() as download:
        page.click(f"button[aria-label='Save as {kind}']")
    assert download.value.suggested_filename == f"confirmed-delta-delta-response.{kind.lower()}"
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(start)
    assert len(content) > 5000


def test_the_pages_work_under_a_sub_path(visit: Open) -> None:
    with Service(prefix="/lab/sweeps") as service:
        page = visit(service, "/dashboard")
        page.click("tbody a >> nth=1")
        expect(page.locator("h1")).to_have_text("confirmed-delta")
        assert series(page)["best"] == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/sweeps/confirmed?trial=7"])
def test_nothing_runs_over_the_side_of_a_phone(service: Service, visit: Open, path: str, scheme: str) -> None:
    page = visit(service, path, width=375, scheme=scheme)
    expect(page.locator("tbody tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_the_chart_reads_as_text(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/confirmed")
    expect(page.locator("#chart")).to_have_attribute(
        "aria-label", re.compile(r"of 120 trials .* Best: trial \d+ at delta")
    )
    page.click("#chart-text summary")
    expect(page.locator("#chart-table")).to_contain_text("Anchor MSE")


def test_five_thousand_trials_are_all_drawn(service: Service, visit: Open) -> None:
    page = visit(service, "/dashboard/sweeps/large")
    drawn = series(page)
    assert drawn["complete"] + drawn["pruned"] + drawn["outside"] + drawn["failed"] == 5000
    expect(page.locator(".pager")).to_contain_text("of 5,004")
