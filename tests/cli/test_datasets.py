"""dataset add and list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from served_app import ServedApp

Cli = Any
CSV = "rooms,price\n" + "".join(f"{i},{i * i % 101}\n" for i in range(40))


def test_a_file_is_added_under_its_own_name(service: ServedApp, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(CSV)
    out = cli("dataset", "add", "prices.csv").out
    assert "prices version 1" in out
    assert "submit --dataset prices --set dataset.target=COLUMN" in out
    posted = cli("submit", "-d", "prices", "--set", "dataset.target=price", "--json").json()
    assert posted["spec"]["dataset"]["version"] == 1
    again = cli("dataset", "add", "prices.csv", "--json").json()
    assert again == service.get("/datasets/prices"), "the same bytes are the same version"
    (tmp_path / "prices.csv").write_text(CSV + "9,9\n")
    assert cli("dataset", "add", "prices.csv", "--name", "other", "--json").json()["name"] == "other"
    assert "prices version 2" in cli("dataset", "add", "prices.csv").out


def test_list_shows_built_in_ones_and_uploads(service: ServedApp, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(CSV)
    cli("dataset", "add", "prices.csv")
    rows = {line.split()[0]: line for line in cli("dataset", "list").out.splitlines() if line.strip()}
    assert "progression" in rows["diabetes"]
    assert rows["prices"].split()[1:4] == ["1", "40", "2"]
    assert cli("dataset", "list", "--json").json() == service.get("/datasets")


@pytest.mark.parametrize(
    ("file", "content", "code", "words"),
    [
        ("nope.csv", None, 2, "There is no file nope.csv"),
        ("sheet.xlsx", "", 2, "neither .csv nor .parquet"),
        ("bad.csv", "a,b\n1,2\n1,2,3\n", 1, "Line 3 has 3 values, the header has 2 columns"),
        ("bad.parquet", "no", 1, "Parquet"),
        ("diabetes.csv", CSV, 1, "built-in"),
    ],
)
def test_a_file_that_cannot_be_added_is_one_sentence(
    service: ServedApp, cli: Cli, tmp_path: Path, file: str, content: str | None, code: int, words: str
) -> None:
    if content is not None:
        (tmp_path / file).write_text(content)
    ended = cli("dataset", "add", file)
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert len(service.get("/datasets")["datasets"]) == 4
