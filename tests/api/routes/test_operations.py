"""Whether the service is alive, whether it is ready, and who works."""

from __future__ import annotations

from pathlib import Path

from served_app import ServedApp
from sqlalchemy import create_engine, make_url, text

from sweep_service import __version__


def test_a_service_with_its_database_is_alive_and_ready(either_service: ServedApp) -> None:
    assert either_service.http.get("/healthz").json() == {"status": "ok", "version": __version__}
    assert either_service.http.get("/readyz").json() == {"status": "ready"}


def _take_away(database: str) -> None:
    url = make_url(database)
    if url.get_backend_name() == "sqlite":
        for file in Path(str(url.database)).parent.glob("sweeps.db*"):
            file.unlink()
        return
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {url.database} WITH (FORCE)"))
    engine.dispose()


def test_without_its_database_it_is_alive_and_not_ready(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post()
    service.store.engine.dispose()
    _take_away(service.settings.database_url)
    assert service.http.get("/healthz").status_code == 200, "a restart would mend nothing"
    ready = service.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["detail"] == "The database does not answer.", "no address, no trace"
    for path in ("/v1/sweeps", f"/v1/sweeps/{sweep}", f"/v1/sweeps/{sweep}/best-delta", "/v1/workers"):
        answer = service.http.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert "Traceback" not in answer.text
    assert service.http.post("/v1/sweeps", json={"dataset": "diabetes"}).status_code == 503


def test_workers_are_listed_with_what_is_queued(service: ServedApp) -> None:
    service.post()
    info = {"tensorflow": "2.21.0"}
    service.store.register_worker("w1", host="lab", pid=7, device="gpu:0", version="0.1.0", info=info)
    found = service.get("/workers")
    assert found["queue"] == {"PLAN_QUEUED": 1}
    (worker,) = found["workers"]
    assert (worker["id"], worker["host"], worker["device"], worker["info"]) == ("w1", "lab", "gpu:0", info)
    assert worker["seen_at"].endswith("Z")
    service.store.forget_worker("w1")
    assert service.get("/workers")["workers"] == []
