"""Page tokens are opaque, and good for their own list and filter alone."""

from __future__ import annotations

import base64

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_app import ServedApp, small

from sweep_service.api.errors import ProblemError
from sweep_service.api.paging import make_token, read_token


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/page_token"


@given(listed=st.text(max_size=40), after=st.integers(0, 10**18 - 1))
def test_a_token_leads_back_to_its_place(listed: str, after: int) -> None:
    assert read_token(listed, make_token(listed, str(after))) == str(after)


@given(token=st.text(min_size=1, max_size=60))
def test_text_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ProblemError):
        read_token("sweeps", token)


def test_the_last_page_has_an_empty_token() -> None:
    assert make_token("sweeps", None) == ""
    assert read_token("sweeps", "") is None


def test_a_token_of_one_list_is_refused_by_another(either_service: ServedApp) -> None:
    service = either_service
    first, second = service.post(), service.post(small(seed=9))
    service.work(tasks=4)
    of_trials = service.get(f"/sweeps/{first}/trials", page_size=2)["next_page_token"]
    of_sweeps = service.get("/sweeps", page_size=1)["next_page_token"]
    of_datasets = service.get("/datasets", page_size=1)["next_page_token"]
    assert of_trials
    assert of_sweeps
    assert service.get(f"/sweeps/{first}/trials", page_token=of_trials)["trials"][0]["number"] == 2
    for path, token in [
        ("/v1/sweeps", of_trials),
        ("/v1/sweeps", of_datasets),
        ("/v1/datasets", of_sweeps),
        (f"/v1/sweeps/{first}/trials", of_sweeps),
        (f"/v1/sweeps/{second}/trials", of_trials),
    ]:
        assert refused(service.http.get(path, params={"page_token": token})), path
    filtered = {"page_token": of_trials, "state": "COMPLETE"}
    assert refused(service.http.get(f"/v1/sweeps/{first}/trials", params=filtered))


def test_a_forged_token_is_refused(service: ServedApp) -> None:
    for number in (1, 3):
        service.post(small(seed=number))
    token = service.get("/sweeps", page_size=1)["next_page_token"]
    mark = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:8]
    for after in (b"9" * 19, b"9" * 400, b"-1", b"1.5", b"x", b"", "٣".encode(), b"1\n"):
        forged = base64.urlsafe_b64encode(mark + after).decode().rstrip("=")
        assert refused(service.http.get("/v1/sweeps", params={"page_token": forged})), after
    far = base64.urlsafe_b64encode(mark + b"9" * 18).decode().rstrip("=")
    assert len(service.get("/sweeps", page_token=far)["sweeps"]) == 2, "a place beyond the first is the first page"
