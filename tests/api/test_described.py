"""The OpenAPI description: sound, complete, and true of the app."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from served_app import ServedApp, small

from sweep_service.api.app import create_app
from sweep_service.api.reference import page
from sweep_service.core.spec import SweepSpec
from sweep_service.settings import Settings

ROUTES = {
    "get /healthz",
    "get /readyz",
    "get /v1/workers",
    "get /v1/hypermodels",
    "post /v1/datasets",
    "get /v1/datasets",
    "get /v1/datasets/{name}",
    "post /v1/sweeps",
    "get /v1/sweeps",
    "get /v1/sweeps/{sweep_id}",
    "delete /v1/sweeps/{sweep_id}",
    "post /v1/sweeps/{sweep_id}:{verb}",
    "get /v1/sweeps/{sweep_id}/best-delta",
    "get /v1/sweeps/{sweep_id}/delta-response",
    "get /v1/sweeps/{sweep_id}/trials",
    "get /v1/sweeps/{sweep_id}/trials/{number}",
    "get /v1/sweeps/{sweep_id}/trials/{number}/runs",
    "get /v1/sweeps/{sweep_id}/trials/{number}/curves",
    "get /v1/sweeps/{sweep_id}/events",
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Made without a store: it is the code's own."""
    found: dict[str, Any] = create_app(None, None, Settings.load({})).openapi()  # type: ignore[arg-type]
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_route_is_described_once(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(described)]
    assert {name for name, _ in operations(described)} == ROUTES
    assert len(set(names)) == len(names)
    assert all(operation["description"] for _, operation in operations(described))


def test_the_document_is_sound(described: dict[str, Any]) -> None:
    OpenAPI.model_validate(described)
    assert described["openapi"].startswith("3.1")
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(references(described)) <= known, "every reference leads somewhere"
    for name, operation in operations(described):
        in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", name)), name


def test_every_route_documents_its_problems(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        errors = {s: r for s, r in operation["responses"].items() if s[0] in "45"}
        assert {"403", "500", "503"} <= errors.keys(), name
        assert "404" in errors or "{" not in name, name
        for answer in errors.values():
            assert answer["content"].keys() == {"application/problem+json"}, name
            assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
        assert [s for s in operation["responses"] if s[0] == "2"], name
    responses = described["paths"]["/v1/sweeps"]["post"]["responses"]
    assert {"202", "400", "409", "413", "415", "422"} <= responses.keys()
    assert {"409"} <= described["paths"]["/v1/sweeps/{sweep_id}"]["delete"]["responses"].keys()


def test_what_a_request_may_carry_beside_its_path_is_described(described: dict[str, Any]) -> None:
    def named(method: str, path: str) -> set[tuple[str, str]]:
        return {(p["in"], p["name"]) for p in described["paths"][path][method].get("parameters", [])}

    assert ("header", "Idempotency-Key") in named("post", "/v1/sweeps")
    assert ("query", "validate_only") in named("post", "/v1/sweeps")
    assert {("query", "page_size"), ("query", "page_token"), ("query", "state")} <= named(
        "get", "/v1/sweeps/{sweep_id}/trials"
    )
    events = "/v1/sweeps/{sweep_id}/events"
    assert {("header", "Last-Event-ID"), ("query", "after")} <= named("get", events)
    assert described["paths"][events]["get"]["responses"]["200"]["content"].keys() == {"text/event-stream"}
    uploads = described["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]
    assert uploads.keys() == {"text/csv", "application/vnd.apache.parquet"}


def test_a_problem_looks_as_it_is_described(service: ServedApp, described: dict[str, Any]) -> None:
    answer = service.http.post("/v1/sweeps", json={"dataset": "diabetes", "seed": -1}).json()
    schema, field = (described["components"]["schemas"][n] for n in ("Problem", "FieldProblem"))
    assert answer.keys() == set(schema["required"]) == schema["properties"].keys()
    assert answer["errors"][0].keys() == set(field["required"]) == field["properties"].keys()


def test_every_field_of_a_sweep_is_described(described: dict[str, Any]) -> None:
    fields = described["components"]["schemas"]["SweepSpec"]["properties"]
    assert fields.keys() == {f.alias or n for n, f in SweepSpec.model_fields.items()}
    example = described["paths"]["/v1/sweeps"]["post"]["requestBody"]["content"]["application/json"]["example"]
    SweepSpec.model_validate({**example, "dataset": {"name": example["dataset"]}})


def test_the_server_gives_out_what_the_code_describes(service: ServedApp, described: dict[str, Any]) -> None:
    assert service.http.get("/openapi.json").json() == described


def test_every_described_get_answers(service: ServedApp, described: dict[str, Any]) -> None:
    sweep = service.post()
    service.work()
    for name, _ in operations(described):
        method, path = name.split(" ")
        if method != "get":
            continue
        path = path.replace("{sweep_id}", sweep).replace("{number}", "0").replace("{name}", "diabetes")
        assert service.http.get(path).status_code == 200, name


def test_the_page_of_the_interface_shows_every_route_and_field(service: ServedApp, described: dict[str, Any]) -> None:
    text = service.http.get("/docs").text
    assert text == page(described)
    for name, _ in operations(described):
        method, path = name.split(" ")
        assert f"{method.upper()} {path}" in text
    for field in SweepSpec.model_fields:
        assert f"<code>{field}</code>" in text
    assert "//" not in text.replace("</", ""), "it loads nothing from elsewhere"
    assert service.post(small())
