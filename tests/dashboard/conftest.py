"""One Chromium for the tests of a file, and pages that must stay silent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

for folder in (Path(__file__).parent, Path(__file__).parent.parent):
    sys.path.insert(0, str(folder))


class Served(Protocol):
    """Something that serves the dashboard."""

    url: str
    origin: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from chromium import ARGUMENTS, CHROMIUM, sync_api

    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Opens an address, and at the end holds it to a silent console and to its own origin."""
    contexts, said, away = [], [], []

    def visit(service: Served, path: str, *, quiet: bool = True, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        if quiet:
            page.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        page.on(
            "request", lambda r: None if r.url.startswith((service.origin, "data:", "blob:")) else away.append(r.url)
        )
        page.goto(service.url + path, wait_until="domcontentloaded")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert said == []
    assert away == []
