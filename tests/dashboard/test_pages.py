"""The routes, the policy and the vendored file: what holds of the pages without a browser."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette

from sweep_service.dashboard import pages

STATIC = Path(pages.__file__).parent / "static"


def get(path: str, prefix: str = "/dashboard", root_path: str = "") -> httpx.Response:
    app = Starlette()
    pages.mount(app, prefix)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/", "/dashboard/sweeps/s-1", "/dashboard/static/api.js"])
def test_every_answer_carries_the_policy(path: str) -> None:
    answer = get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/sweeps/s-1"])
def test_a_page_holds_no_inline_code_and_names_no_origin(path: str) -> None:
    text = get(path).text
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"\son\w+=|\sstyle=", text)
    assert "//" not in text


@pytest.mark.parametrize(
    ("prefix", "page"),
    [("/dashboard", "/dashboard"), ("/dashboard", "/dashboard/"), ("/dashboard", "/dashboard/sweeps/s-1"),
     ("/a/b", "/a/b"), ("/a/b", "/a/b/"), ("/a/b", "/a/b/sweeps/s-1")],
)  # fmt: skip
def test_addresses_lead_to_the_files_and_to_the_rest_behind_any_proxy(prefix: str, page: str) -> None:
    text = get(page, prefix).text
    seen_as = f"https://example.org/behind/a/proxy{page}"  # a proxy strips /behind/a/proxy
    found = re.findall(r'(?:href|src)="([^"#]+)"', text)
    assert found
    for address in found:
        assert urljoin(seen_as, address).startswith("https://example.org/behind/a/proxy/")
        inside = urljoin(f"http://service{page}", address).removeprefix("http://service")
        if "/static/" in inside:
            assert get(inside, prefix).status_code == 200, inside
    root = re.search(r'data-root="([^"]+)"', text)
    assert root
    assert urljoin(seen_as, root[1] + "v1/sweeps") == "https://example.org/behind/a/proxy/v1/sweeps"


def test_an_id_cannot_become_markup() -> None:
    text = get("/dashboard/sweeps/%3Cscript%3Ealert(1)%3C%2Fscript%3E".replace("%2F", "")).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("prefix", ["", "dashboard", "/dashboard/"])
def test_a_prefix_with_its_slashes_wrong_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="slash"):
        pages.mount(Starlette(), prefix)


def test_files_are_revalidated_and_the_large_one_is_compressed() -> None:
    answer = get("/dashboard/static/vendor/echarts.esm.min.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-encoding"] == "gzip"
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["etag"]


def test_no_file_outside_the_static_folder_is_served() -> None:
    assert get("/dashboard/static/..%2fpages.py").status_code == 404
    assert get("/dashboard/static/missing.js").status_code == 404


def test_the_vendored_chart_library_is_the_published_one() -> None:
    readme = (STATIC / "vendor" / "README.md").read_text()
    name, told = re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})`", readme, re.MULTILINE)[0]
    assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == told
    assert "Apache-2.0" in readme
    assert "Apache License" in (STATIC / "vendor" / "echarts.LICENSE").read_text()


def test_modules_import_only_what_is_there() -> None:
    for module in STATIC.glob("*.js"):
        for name in re.findall(r'^(?:import|export)\b.*from "([^"]+)"', module.read_text(), re.MULTILINE):
            assert name.startswith("./"), (module.name, name)
            assert (STATIC / name).is_file(), (module.name, name)


def test_the_pages_listen_for_every_kind_of_event_that_the_store_tells() -> None:
    """EventSource passes on only the names that it was given: a kind that is missing here would be unheard."""
    listed = re.search(r"const KINDS = \[(.*?)\];", (STATIC / "live.js").read_text(), re.DOTALL)
    assert listed
    heard = set(re.findall(r'"(\w+)"', listed[1])) - {"message"}
    storage = Path(pages.__file__).parent.parent / "storage"
    told = {k for f in storage.glob("*.py") for k in re.findall(r'\.event\(\s*"(\w+)"', f.read_text())}
    assert told == heard
