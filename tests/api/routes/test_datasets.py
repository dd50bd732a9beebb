"""Datasets over HTTP: the built-in ones, and files that are uploaded as raw bodies."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from served_app import ServedApp, small

from sweep_service.core.errors import NotFoundError
from sweep_service.storage.migrate import upgrade

CSV = "rooms,near,price\n" + "".join(f"{i % 7},{'bay' if i % 3 else 'sea'},{i * i % 101}\n" for i in range(60))
PARQUET = "application/vnd.apache.parquet"


def upload(service: ServedApp, name: str, content: Any = CSV, kind: str = "text/csv") -> httpx.Response:
    return service.http.post("/v1/datasets", params={"name": name}, content=content, headers={"Content-Type": kind})


def test_the_built_in_datasets_are_listed_first(shared: ServedApp) -> None:
    found = shared.get("/datasets")
    assert [d["name"] for d in found["datasets"]] == ["boston_housing", "california_housing", "diabetes", "friedman1"]
    assert found["next_page_token"] == ""
    friedman = shared.get("/datasets/friedman1")
    assert friedman == found["datasets"][3]
    assert friedman["kind"] == "BUILT_IN"
    assert friedman["options"]["outlier_share"]["high"] == 0.5


@pytest.mark.parametrize("kind", ["text/csv", PARQUET])
def test_an_uploaded_file_can_be_swept(either_service: ServedApp, kind: str) -> None:
    service = either_service
    content: Any = CSV
    if kind == PARQUET:
        buffer = io.BytesIO()
        columns = {"rooms": [float(i % 7) for i in range(60)], "price": [float(i * i % 101) for i in range(60)]}
        pq.write_table(pa.table(columns), buffer)
        content = buffer.getvalue()
    answer = upload(service, "prices", content, kind)
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert (stored["name"], stored["version"], stored["rows"], stored["media_type"]) == ("prices", 1, 60, kind)
    assert answer.headers["location"] == "/v1/datasets/prices?version=1"
    assert service.http.get(answer.headers["location"]).json() == stored
    sweep = service.post(small(dataset={"name": "prices", "target": "price"}))
    service.work()
    assert service.get(f"/sweeps/{sweep}")["state"] == "SUCCEEDED"
    assert service.get(f"/sweeps/{sweep}")["spec"]["dataset"]["version"] == 1


def test_the_same_bytes_are_the_same_version_and_others_the_next(either_service: ServedApp) -> None:
    service = either_service
    first, again = upload(service, "prices").json(), upload(service, "prices").json()
    assert again == first
    assert first["digest"] == hashlib.sha256(CSV.encode()).hexdigest()
    assert upload(service, "prices", CSV + "1,sea,2\n").json()["version"] == 2
    assert upload(service, "other").json()["version"] == 1
    assert service.get("/datasets/prices")["version"] == 2
    assert service.get("/datasets/prices", version=1) == first
    assert [(d["name"], d["version"]) for d in service.get("/datasets")["datasets"][4:]] == [
        ("other", 1),
        ("prices", 1),
        ("prices", 2),
    ]


def test_the_list_is_paged(service: ServedApp) -> None:
    for name in ("b", "a", "C"):
        assert upload(service, name).status_code == 201
    seen, token = [], ""
    while True:
        page = service.get("/datasets", page_size=3, page_token=token)
        seen += [d["name"] for d in page["datasets"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == ["boston_housing", "california_housing", "diabetes", "friedman1", "C", "a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n1,2,3\n", "Line 3 has 3 values"),
        ("a,a\n1,2\n", "more than once"),
        ("a,\n1,2\n", "Column 2 has no name"),
        ("a,b\x00\n1,2\n", "NUL"),
        (b"a,b\n\xff\xfe,2\n", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_leaves_nothing(
    shared: ServedApp, content: str | bytes, words: str
) -> None:
    answer = upload(shared, "bad", content)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert shared.http.get("/v1/datasets/bad").status_code == 404
    assert list((shared.folder / "artifacts").rglob("*")) == []


def test_what_only_claims_to_be_parquet_is_refused(shared: ServedApp) -> None:
    answer = upload(shared, "bad", b"PAR1" + b"x" * 100 + b"PAR1", PARQUET)
    assert answer.status_code == 422
    assert "Parquet" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "kind", "status", "words"),
    [
        ({"name": "diabetes"}, "text/csv", 422, "built-in"),
        ({"name": "../etc/passwd"}, "text/csv", 422, "letters"),
        ({"name": ""}, "text/csv", 422, "letters"),
        ({}, "text/csv", 422, "see errors"),
        ({"name": "ok", "nmae": "x"}, "text/csv", 422, "nmae"),
        ({"name": "ok"}, "application/json", 415, "text/csv"),
        ({"name": "ok"}, "", 415, "text/csv"),
    ],
)
def test_an_upload_says_what_it_is(
    shared: ServedApp, params: dict[str, str], kind: str, status: int, words: str
) -> None:
    answer = shared.http.post("/v1/datasets", params=params, content=CSV, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_file_over_the_cap_is_refused_while_it_comes_in(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    with ServedApp(url, tmp_path / "data", SWEEP_MAX_UPLOAD_BYTES="100000") as service:
        answer = service.send_part("POST /v1/datasets?name=big", "text/csv", claimed=2**40, sent=100_001)
        assert answer.startswith("HTTP/1.1 413 ")
        assert "100000 bytes" in answer
        assert service.http.get("/v1/datasets/big").status_code == 404
        assert upload(service, "small", CSV).status_code == 201, "the server goes on"


def test_a_dataset_that_there_is_not_is_refused(either_service: ServedApp) -> None:
    service = either_service
    upload(service, "prices")
    for path in ("nope", "prices?version=2", "%F0%9F%92%A9", "x" * 3000):
        answer = service.http.get(f"/v1/datasets/{path}")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    for version in ("0", "-1", "9" * 40, "2147483648", "x"):
        assert service.http.get(f"/v1/datasets/prices?version={version}").status_code == 422


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({"name": "prices"}, "rooms, near, price"),
        ({"name": "prices", "target": "prize"}, "did you mean 'price'"),
        ({"name": "prices", "target": "near"}, "not numbers"),
        ({"name": "prices", "target": "price", "version": 9}, "version 9"),
        ({"name": "prices", "target": "price", "options": {"rows": 3}}, "no options"),
    ],
)
def test_a_sweep_on_a_file_is_checked_before_it_is_stored(
    service: ServedApp, dataset: dict[str, Any], words: str
) -> None:
    upload(service, "prices")
    answer = service.http.post("/v1/sweeps", json={"dataset": dataset})
    assert answer.status_code == 422
    assert words in answer.json()["errors"][0]["message"]


def test_the_files_bytes_are_known_by_their_digest(service: ServedApp) -> None:
    upload(service, "prices")
    stored = service.store.dataset("prices")
    with service.artifacts.open(stored.digest) as content:
        assert hashlib.sha256(content.read()).hexdigest() == stored.digest
    with pytest.raises(NotFoundError):
        service.artifacts.open("../" + stored.digest)
