"""Headers that every answer carries."""

from __future__ import annotations

import pytest
from served_app import ServedApp


@pytest.mark.parametrize("path", ["/v1/sweeps", "/healthz", "/nope", "/v1/sweeps/%00", "/openapi.json"])
def test_an_answer_of_the_rest_may_load_nothing_and_be_framed_nowhere(shared: ServedApp, path: str) -> None:
    headers = shared.http.get(path).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/dashboard", "/docs", "/dashboard/static/pages.css"])
def test_a_page_brings_its_own_policy_and_has_no_second_one(shared: ServedApp, path: str) -> None:
    headers = shared.http.get(path).headers
    assert len(headers.get_list("content-security-policy")) == 1
    assert "script-src 'self'" in headers["content-security-policy"]


def test_an_answer_with_a_refused_host_carries_them_too(shared: ServedApp) -> None:
    assert shared.http.get("/", headers={"Host": "evil"}).headers["x-content-type-options"] == "nosniff"
