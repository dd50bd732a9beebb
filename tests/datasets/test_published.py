"""The two housing datasets: Keras' files, read without Keras."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from sweep_service.core.errors import DataError
from sweep_service.datasets import catalog, published
from sweep_service.datasets.load import BuiltinSource, ColumnChoice, load_table
from sweep_service.datasets.published import BOSTON, CALIFORNIA, Published, cache_folder, load_published

NOBODY = "http://127.0.0.1:9/"  # the discard port: a connection is refused at once


def npz(path: Path, rows: int = 23, columns: int = 13, **changes: object) -> str:
    """A file of the published form; returns its sha256."""
    random = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{"x": random.standard_normal((rows, columns)), "y": random.standard_normal(rows), **changes})
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(published, "ORIGIN", NOBODY)
    return tmp_path / "datasets"


def generated(home: Path, source: Published = BOSTON) -> Published:
    return replace(source, sha256=npz(home / source.file, columns=len(source.features)))


def test_the_cache_folder_is_keras_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "datasets"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".keras" / "datasets"
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert cache_folder() == Path(tempfile.gettempdir()) / ".keras" / "datasets"


def test_a_file_in_the_cache_needs_no_network(home: Path) -> None:
    x, y, test = load_published(generated(home))
    assert (x.shape, y.shape) == ((23, 13), (23,))
    assert test.tolist() == [18, 19, 20, 21, 22]  # the last fifth of the shuffled rows
    stored = np.load(home / BOSTON.file)
    assert sorted(y) == sorted(stored["y"])


def test_its_split_is_the_test_set_of_the_table(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "CALIFORNIA", generated(home, CALIFORNIA))
    table = load_table(BuiltinSource("california_housing"), ColumnChoice())
    assert table.test_rows is not None
    assert table.test_rows.tolist() == [18, 19, 20, 21, 22]
    assert table.target_names == ("value",)
    assert [c.name for c in table.features] == list(CALIFORNIA.features)


def test_without_a_network_the_sentence_names_the_address_and_where_to_put_the_file(home: Path) -> None:
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        load_published(BOSTON)
    assert f"{NOBODY}boston_housing.npz" in str(caught.value)
    assert str(home / "boston_housing.npz") in str(caught.value)
    assert not home.exists()


def test_another_file_under_that_name_is_refused(home: Path) -> None:
    npz(home / BOSTON.file)
    with pytest.raises(DataError, match="sha256 differs"):
        load_published(BOSTON)


def test_a_file_with_pickled_objects_is_not_opened(home: Path, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (marker,)

    sha = npz(home / BOSTON.file, y=np.array([Bomb()] * 23, dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_published(replace(BOSTON, sha256=sha))
    assert not marker.exists()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A web server that answers with what the test puts in the list, and nothing (404) once it is empty."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if bodies else 404)
            self.end_headers()
            if bodies:
                self.wfile.write(bodies.pop(0))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(published, "ORIGIN", f"http://127.0.0.1:{served.server_port}/")
        yield bodies
        served.shutdown()
        thread.join()


def test_the_file_is_fetched_once_and_kept_where_keras_finds_it(
    home: Path, server: list[bytes], tmp_path: Path
) -> None:
    sha = npz(tmp_path / "elsewhere.npz")
    server.append((tmp_path / "elsewhere.npz").read_bytes())
    source = replace(BOSTON, sha256=sha)
    first = load_published(source)
    assert [p.name for p in home.iterdir()] == ["boston_housing.npz"]
    assert np.array_equal(load_published(source)[0], first[0])


def test_what_is_not_the_published_file_is_not_kept(home: Path, server: list[bytes]) -> None:
    server.append(b"<html>Please log in to this network</html>")
    with pytest.raises(DataError, match="is not the published file"):
        load_published(BOSTON)
    assert not home.exists()


def test_a_refusal_of_the_server_is_a_sentence(server: list[bytes]) -> None:
    with pytest.raises(DataError, match="could not be downloaded"):
        load_published(BOSTON)


def test_a_cache_that_cannot_be_written_is_a_sentence(home: Path, server: list[bytes], tmp_path: Path) -> None:
    sha = npz(tmp_path / "elsewhere.npz")
    server.append((tmp_path / "elsewhere.npz").read_bytes())
    home.write_text("a file where the folder should be")
    with pytest.raises(DataError, match="could not be kept"):
        load_published(replace(BOSTON, sha256=sha))


KERAS = """
import inspect, io, json, sys
import numpy as np
from keras.datasets import boston_housing, california_housing
answer = {}
for module, source, name in ((boston_housing, "boston_housing.npz", "boston"), (california_housing, "california_housing.npz", "california")):
    load = module.load_data
    text = inspect.getsource(load)
    patched = text.replace(json.loads(sys.argv[1])[name], json.loads(sys.argv[2])[name])
    assert patched != text
    patched = patched[patched.index("def load_data"):]
    scope = dict(vars(sys.modules[load.__module__]))
    exec(compile(patched, "patched", "exec"), scope)
    (x, y), (tx, ty) = scope["load_data"]()
    answer[name] = {"source": text, "x": np.r_[x, tx].tolist(), "y": np.r_[y, ty].tolist(), "train": len(x)}
print(json.dumps(answer))
"""  # noqa: E501


@pytest.mark.engine
def test_address_checksum_and_split_are_those_of_keras_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real address
    sources = {"boston": BOSTON, "california": CALIFORNIA}
    made = {name: generated(home, source) for name, source in sources.items()}
    done = subprocess.run(
        [
            sys.executable, "-c", KERAS,
            json.dumps({n: s.sha256 for n, s in sources.items()}), json.dumps({n: s.sha256 for n, s in made.items()}),
        ],
        env={**os.environ, "KERAS_HOME": str(home.parent), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = json.load(io.StringIO(done.stdout.splitlines()[-1]))
    monkeypatch.setenv("KERAS_HOME", str(home.parent))
    for name, source in sources.items():
        text = theirs[name]["source"]
        assert published.ORIGIN in text
        assert source.file in text
        assert source.sha256 in text
        x, y, test = load_published(made[name])
        assert np.array_equal(x, theirs[name]["x"])
        assert np.array_equal(y, theirs[name]["y"])
        assert test.tolist() == list(range(theirs[name]["train"], len(x)))
