"""GET /v1/hypermodels, and sweeps that name one."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from served_app import ServedApp

from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.testing.hypermodel_contract import WINDOW


def test_without_workers_there_is_the_built_in_network(service: ServedApp) -> None:
    answer = service.http.get("/v1/hypermodels").json()
    assert answer["next_page_token"] == ""
    (mlp,) = answer["hypermodels"]
    assert (mlp["name"], mlp["source"], mlp["optimizer"], mlp["published_at"]) == ("mlp", "BUILT_IN", None, None)
    assert [p["name"] for p in mlp["parameters"]] == ["layers", "units", "activation", "dropout", "l2"]
    own = {p["name"] for p in mlp["service_parameters"]}
    assert own == {"delta", "batch_size", "optimizer", "learning_rate", "momentum", "weight_decay", "nesterov"}


def test_what_a_worker_has_published_is_listed_and_can_be_named(either_service: ServedApp) -> None:
    service = either_service
    refused = service.http.post("/v1/sweeps", json={"dataset": "diabetes", "model": {"hypermodel": "windows"}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/model/hypermodel"
    assert "the workers know mlp (" in refused.json()["errors"][0]["message"]

    service.store.publish_hypermodels("1.2", [WINDOW, PublishedSpace(hypermodel="broken", problem="no")])
    listed = service.http.get("/v1/hypermodels").json()["hypermodels"]
    assert [(h["name"], h["source"], h["problem"]) for h in listed] == [
        ("mlp", "BUILT_IN", None), ("broken", "ENTRY_POINT", "no"), ("windows", "ENTRY_POINT", None),
    ]  # fmt: skip
    assert listed[2]["worker_version"] == "1.2"
    assert listed[2]["published_at"].endswith("Z")
    assert [p["name"] for p in listed[2]["service_parameters"]] == ["delta", "batch_size"]
    filters = next(p for p in listed[2]["parameters"] if p["name"] == "filters")
    assert filters["value"]["when"] == {"scope/kind": ["conv"]}

    document = {"dataset": "diabetes", "model": {"hypermodel": "windows"}, "parameters": {"scope/kind": "lstm"}}
    answer = service.http.post("/v1/sweeps", json=document)
    assert answer.status_code == 202, answer.text
    spec = answer.json()["spec"]
    assert spec["model"]["space"]["hypermodel"] == "windows"
    assert spec["parameters"]["rate"]["log"] is True
    again = service.http.post("/v1/sweeps?validate_only=true", json=spec)
    assert again.status_code == 200, again.text

    wrong = service.http.post("/v1/sweeps", json={**document, "parameters": {"scope/kind": "mlp"}})
    assert [e["pointer"] for e in wrong.json()["errors"]] == ["/parameters/scope~1kind"]
