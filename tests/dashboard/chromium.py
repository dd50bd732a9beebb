"""What tests read from a page in Chromium, and with which arguments it is started. Not a test itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MARKS = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
expect = sync_api.expect
Open = Callable[..., Any]

# The page's own chart: a module is loaded once for each address, so this is the library that drew it.
CHART = """(async () => {
  const home = document.documentElement.dataset.home;
  const echarts = await import(new URL(`${home}/static/vendor/echarts.esm.min.js`, document.baseURI));
  return echarts.getInstanceByDom(document.getElementById("chart"));
})()"""
ZOOM = f"async () => {{ const [z] = (await {CHART}).getOption().dataZoom; return [z.start, z.end]; }}"
COUNTS = f"async () => Object.fromEntries((await {CHART}).getOption().series.map((s) => [s.id, s.data.length]))"
PIXEL = f"""async ([log_delta, value]) => {{
  const place = document.getElementById("chart");
  place.scrollIntoView();
  const at = (await {CHART}).convertToPixel({{ xAxisId: "target", yAxisIndex: 0 }}, [log_delta, value]);
  const box = place.getBoundingClientRect();
  return [box.x + at[0], box.y + at[1]];
}}"""


def series(page: Any) -> dict[str, int]:
    """How many marks each series of the chart holds."""
    expect(page.locator("#chart-empty")).to_be_hidden()
    expect(page.locator(".trials tbody tr").first).to_be_visible()
    return page.evaluate(COUNTS)


def colours(page: Any) -> int:
    """How many colours the canvas shows: one, if nothing was drawn."""
    return page.evaluate(
        """() => {
          const canvas = document.querySelector("#chart canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
