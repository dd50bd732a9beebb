"""Uploads: what is read, what is refused, and in which words."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from sweep_service.core.errors import DataError
from sweep_service.datasets.files import (
    ColumnSummary,
    FileSummary,
    Limits,
    normalise_upload,
    validate_choice,
)
from sweep_service.datasets.load import ColumnChoice, FileSource, Stored, load_table, read_stored

LIMITS = Limits()
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


class Upload:
    """One upload, parsed."""

    def __init__(self, folder: Path, content: bytes | str | dict[str, object] | pa.Table, limits: Limits) -> None:
        source, self.path = folder / "upload", folder / "normalised.npz"
        if isinstance(content, bytes | str):
            source.write_bytes(content.encode() if isinstance(content, str) else content)
            self.summary = normalise_upload(source, self.path, CSV, limits)
        else:
            table = pa.table(content) if isinstance(content, dict) else content
            parquet.write_table(table, source)
            self.summary = normalise_upload(source, self.path, PARQUET, limits)
        self.columns: dict[str, ColumnSummary] = {c.name: c for c in self.summary.columns}
        self.stored: dict[str, Stored] = {c.name: c for c in read_stored(self.path)}

    def values(self, name: str) -> list[float]:
        return self.stored[name].values.tolist()

    def texts(self, name: str) -> list[str | None]:
        column = self.stored[name]
        return [None if code < 0 else column.levels[code] for code in column.values]


@pytest.fixture
def upload(tmp_path: Path) -> Callable[..., Upload]:
    return lambda content, limits=LIMITS: Upload(tmp_path, content, limits)


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[..., str]:
    def refused(content: bytes | str | dict[str, object] | pa.Table, limits: Limits = LIMITS) -> str:
        with pytest.raises(DataError) as caught:
            Upload(tmp_path, content, limits)
        return str(caught.value)

    return refused


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_commas_semicolons_and_tabs_with_either_line_end_and_a_byte_order_mark(
    upload, delimiter: str, end: str, mark: str
) -> None:
    rows = [["a", "b", "text"], ["1", "2.5", "x"], ["-3", "1e3", "y"]]
    found = upload(mark + end.join(delimiter.join(r) for r in rows))
    assert found.summary.rows == 2
    assert list(found.columns) == ["a", "b", "text"]
    assert found.values("a") == [1, -3]
    assert found.values("b") == [2.5, 1000]
    assert found.texts("text") == ["x", "y"]


def test_quoted_names_and_texts_may_hold_delimiters_quotes_and_newlines(upload) -> None:
    found = upload('"a, in, m";"b";c\n1;"one\ntwo";"say ""no"""\n2;"x;y";z\n')
    assert list(found.columns) == ["a, in, m", "b", "c"]
    assert found.texts("b") == ["one\ntwo", "x;y"]
    assert found.texts("c") == ['say "no"', "z"]


def test_a_text_longer_than_any_other_readers_limit_is_read(upload) -> None:
    found = upload(f'"{"n" * 200_000}",b\n1,2\n')
    assert found.summary.rows == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "The file is empty."),
        ("\n\n", "no header row"),
        ("a,b\n", "a header and no rows"),
        ("a,b", "a header and no rows"),
        ("a,b\n1,2\n1,2,3\n1,2\n", "Line 3 has 3 values, the header has 2 columns."),
        ('a,b\n"1\n1",2\n7\n', "Line 4 has 1 values, the header has 2 columns."),
        ("a,b,a\n1,2,3\n", "The column name 'a' occurs more than once."),
        ("a,,b\n1,2,3\n", "Column 2 has no name"),
        ("a, ,b\n1,2,3\n", "Column 2 has no name"),
        ("naïve,b\n1,2\n".encode("latin-1"), "not UTF-8 (at byte 2): save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        (b"a,b\n1,\x002\n", "NUL bytes"),
        (b"PK\x03\x04\x00\x00", "NUL bytes"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_in_a_sentence(refusal, content: bytes | str, says: str) -> None:
    assert says in refusal(content)


def test_more_rows_or_columns_than_an_upload_may_have_are_refused(refusal) -> None:
    assert "3 columns; at most 2" in refusal("a,b,c\n1,2,3\n", Limits(max_columns=2))
    assert "more than 2 rows" in refusal("a\n1\n2\n3\n", Limits(max_rows=2))
    assert "3 rows; at most 2" in refusal({"a": [1, 2, 3]}, Limits(max_rows=2))
    assert "3 columns; at most 2" in refusal({"a": [1], "b": [1], "c": [1]}, Limits(max_columns=2))


def test_what_stands_for_a_missing_value(upload) -> None:
    found = upload("a,b\n1,x\n,NA\nNaN,n/a\nnull,#N/A\n-nan,None\n6,y\n")
    assert np.isnan(found.values("a")).tolist() == [False, True, True, True, True, False]
    assert found.texts("b") == ["x", None, None, None, None, "y"]
    assert (found.columns["a"].missing, found.columns["a"].first_missing_row) == (4, 2)
    assert (found.columns["b"].missing, found.columns["b"].first_missing_row) == (4, 2)


def test_a_column_without_a_single_value_is_a_number_that_is_always_missing(upload) -> None:
    found = upload("a,b\n,1\n,2\n")
    assert found.columns["a"] == ColumnSummary("a", "NUMBER", missing=2, first_missing_row=1)
    table = load_table(FileSource(found.path), ColumnChoice(target=("b",)))
    assert table.features[0].name == "a"


def test_infinite_values_are_numbers_and_counted_apart(upload) -> None:
    found = upload("a\n1\n-inf\n3\ninf\n")
    assert found.columns["a"] == ColumnSummary(
        "a", "NUMBER", missing=0, minimum=1.0, maximum=3.0, infinite=2, first_infinite_row=2
    )


def test_booleans_and_dates_are_known_as_such(upload) -> None:
    found = upload("flag,day,moment\ntrue,2024-02-29,2024-02-29 12:00:00\nfalse,1969-12-31,\n")
    assert [c.kind for c in found.summary.columns] == ["BOOLEAN", "DATE", "DATE"]
    assert found.values("flag") == [1, 0]
    assert found.values("day") == [1709164800, -86400]
    assert found.values("moment")[0] == 1709208000
    assert found.columns["moment"].first_missing_row == 2


def test_whole_numbers_beyond_2_to_the_53_lose_their_last_digits_and_nothing_else(upload) -> None:
    found = upload(f"a,b\n{2**53 + 1},{2**70}\n-{2**62 + 1},0\n")
    assert found.columns["a"].kind == "NUMBER"
    assert found.values("a") == [2.0**53, -(2.0**62)]
    assert found.values("b") == [2.0**70, 0]


def test_a_column_that_turns_from_whole_to_real_to_text_after_a_megabyte_is_read_whole(upload) -> None:
    lines = ["a,b"] + ["1,1"] * 400_000 + ["2.5,text"]
    found = upload("\n".join(lines))
    assert found.values("a")[-1] == 2.5
    assert found.texts("b")[-1] == "text"
    assert found.texts("b")[0] == "1"


def test_levels_are_counted_and_sorted_so_that_codes_do_not_depend_on_the_rows_order(upload) -> None:
    found = upload("t\nb\na\nc\na\n")
    assert found.stored["t"].levels == ("a", "b", "c")
    assert found.values("t") == [1, 0, 2, 0]
    assert found.columns["t"].distinct == 3


def test_parquet_columns_of_all_usable_types(upload) -> None:
    found = upload(
        pa.table(
            {
                "small": pa.array([1, None, 3], pa.int8()),
                "large": pa.array([2**64 - 1, 0, 1], pa.uint64()),
                "half": pa.array(np.array([0.5, 1.5, np.inf], np.float16)),
                "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")], pa.decimal128(9, 2)),
                "flag": pa.array([True, None, False]),
                "dictionary": pa.array(["u", None, "v"]).dictionary_encode(),
                "numbers in a dictionary": pa.array([7, 8, None]).dictionary_encode(),
                "long text": pa.array(["x", "", "y"], pa.large_string()),
                "moment": pa.array([86_400 * 10**9, None, 1], pa.timestamp("ns")),
                "zoned": pa.array([0, 1, 2], pa.timestamp("ms", tz="Europe/Vienna")),
                "day": pa.array([dt.date(1970, 1, 2)] * 3),
                "nothing": pa.nulls(3),
            }
        )
    )
    kinds = {c.name: c.kind for c in found.summary.columns}
    assert kinds == {
        "small": "NUMBER", "large": "NUMBER", "half": "NUMBER", "decimal": "NUMBER", "flag": "BOOLEAN",
        "dictionary": "TEXT", "numbers in a dictionary": "NUMBER", "long text": "TEXT",
        "moment": "DATE", "zoned": "DATE", "day": "DATE", "nothing": "NUMBER",
    }  # fmt: skip
    assert found.values("decimal")[::2] == [1.25, -3.5]
    assert found.texts("dictionary") == ["u", None, "v"]
    assert found.texts("long text") == ["x", None, "y"]  # empty text is missing, as it is in a CSV
    assert found.values("moment")[0] == 86400
    assert found.values("large")[0] == 2.0**64
    assert found.columns["half"].first_infinite_row == 3
    assert found.columns["small"].first_missing_row == 2


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([[1, 2], [3]]), "'c' holds list<"),
        (pa.array([{"x": 1}, {"x": 2}]), "'c' holds struct<"),
        (pa.array([b"1", b"2"]), "'c' holds binary"),
        (pa.array([1, 2], pa.time32("s")), "'c' holds time32[ms], which cannot be used"),
        (pa.array([1, 2], pa.duration("s")), "'c' holds duration[s], which cannot be used"),
    ],
)
def test_parquet_columns_that_are_no_numbers_texts_or_dates_are_refused_by_name(refusal, column, says: str) -> None:
    assert says in refusal(pa.table({"a": [1, 2], "c": column}))


def test_a_time_of_day_in_a_csv_is_refused_by_name(refusal) -> None:
    assert "The column 't' holds time" in refusal("t\n12:30:00\n13:30:00\n")


def test_parquet_with_names_that_cannot_be_used(refusal) -> None:
    assert "'a' occurs more than once" in refusal(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
    assert "Column 2 has no name" in refusal(pa.table([pa.array([1]), pa.array([2])], names=["a", ""]))
    assert "no rows" in refusal({"a": pa.array([], pa.int64())})


@pytest.mark.parametrize("damage", ["text", "cut", "magic", "flipped"])
def test_bytes_that_are_no_parquet_file_are_refused(tmp_path: Path, damage: str) -> None:
    source = tmp_path / "upload"
    parquet.write_table(pa.table({"a": list(range(5000))}), source)
    whole = source.read_bytes()
    middle = len(whole) // 2
    source.write_bytes(
        {
            "text": b"a,b\n1,2\n",
            "cut": whole[:middle],
            "magic": b"PAR1" + b"\xff" * 200 + b"PAR1",
            "flipped": whole[:-60] + bytes(255 - b for b in whole[-60:-8]) + whole[-8:],
        }[damage]
    )
    with pytest.raises(DataError, match="not a Parquet file that can be read"):
        normalise_upload(source, tmp_path / "out", PARQUET, Limits())


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sent as text/csv or"):
        normalise_upload(tmp_path / "x", tmp_path / "y", "application/json", Limits())


def test_a_file_that_claims_more_than_may_be_unpacked_is_refused_before_it_is(refusal) -> None:
    table = pa.table(dict.fromkeys("abc", np.zeros(4_900_000)))  # a few kilobytes of Parquet
    assert "too large once it is unpacked" in refusal(table, Limits(max_memory=400 * 2**20))


def test_a_small_file_that_unpacks_to_gigabytes_costs_the_child_its_life_and_nobody_else(refusal) -> None:
    text = pa.DictionaryArray.from_arrays(np.zeros(50_000, np.int32), ["x" * 200_000])
    said = refusal(pa.table({"a": text}), Limits(max_memory=2**30))
    assert said == "The file needs more memory to read than an upload may have: send fewer rows or columns."


def test_a_large_csv_meets_the_same_cap(refusal) -> None:
    said = refusal("a\n" + "1234567\n" * 8_000_000, Limits(max_memory=400 * 2**20))
    assert said == "The file needs more memory to read than an upload may have: send fewer rows or columns."


def test_a_summary_survives_json_and_older_ones_are_still_read(upload) -> None:
    found = upload("a,t\n1,x\n,y\n").summary
    assert FileSummary.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    old = {"rows": 2, "columns": [{"name": "y", "kind": "NUMBER", "missing": 1, "minimum": 0.0, "maximum": 1.0}]}
    with pytest.raises(DataError, match="missing in 1 rows"):
        validate_choice(FileSummary.from_dict(old), ColumnChoice(target=("y",)))


def _row(i: int) -> str:
    return f"{i},{i},{i},5,{'ab'[i % 2]},level {i},2024-01-{i % 28 + 1:02},1,{i - 1},{i % 7},{i}"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Upload:
    """42 rows in which the last two have what each column's name says."""
    last = ["1,,inf,5,a,z,2024-01-01,1,1,1,1", "2,,1,5,a,z,2024-01-01,1,1,,-inf"]
    lines = ["y,gap,hole,flat,text,many,day,w,minus,x,far", *(_row(i) for i in range(40)), *last]
    return Upload(tmp_path_factory.mktemp("mixed"), "\n".join(lines), LIMITS)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"target": ("gap",)}, "The target 'gap' is missing in row 41 (2 such rows): remove such rows first."),
        ({"target": ("hole",)}, "The target 'hole' is infinite in row 41: remove such rows first."),
        ({"target": ("flat",)}, "there is nothing to learn"),
        ({"target": ("text",)}, "The target 'text' holds text, not numbers."),
        ({"target": ("day",)}, "The target 'day' holds date, not numbers."),
        ({"target": ("Y",)}, "There is no column 'Y'; the columns are y, gap"),
        ({"target": ("mnay",)}, "did you mean 'many'?"),
        ({"target": ()}, "Name the column to predict"),
        ({"exclude": ()}, "infinite in row 41"),
        ({"exclude": ("hole", "far")}, "The column 'many' has 41 different values, and at most 32"),
        ({"exclude": ("hole", "far", "many")}, "The column 'day' holds dates: exclude it, or use it as dataset.time."),
        ({"exclude": ("hole", "many", "day")}, "The column 'far' is infinite in row 42"),
        ({"missing": "REFUSE"}, "The column 'gap' is missing in row 41 (2 such rows)"),
        ({"weight": "minus"}, "The weight 'minus' is"),
        ({"weight": "text"}, "The weight column 'text' holds text"),
        ({"weight": "gap"}, "The weight 'gap' is not a number"),
        ({"time": "text"}, "The time column 'text' holds text"),
        ({"time": "gap"}, "The time 'gap' is missing"),
        ({"weight": "y"}, "is the target and cannot be something else too"),
        ({"exclude": ("gap", "hole", "flat", "text", "many", "day", "w", "minus", "x", "far")}, "No column is left"),
    ],
)
def test_a_choice_of_columns_is_refused_from_the_summary_alone_and_again_from_the_rows(
    mixed, choice: dict[str, object], says: str
) -> None:
    special = {*choice.get("target", ()), choice.get("weight"), choice.get("time")}
    exclude = tuple(c for c in ("hole", "many", "day", "far") if c not in special)
    made = ColumnChoice(**{"target": ("y",), "exclude": exclude, **choice})
    with pytest.raises(DataError) as told:
        validate_choice(mixed.summary, made)
    assert says in str(told.value)
    with pytest.raises(DataError):
        load_table(FileSource(mixed.path), made)


def test_what_the_summary_lets_pass_the_rows_do_too(mixed) -> None:
    made = ColumnChoice(target=("y",), exclude=("hole", "far", "many"), time="day", weight="w", group="text")
    validate_choice(mixed.summary, made)
    table = load_table(FileSource(mixed.path), made)
    assert [c.name for c in table.features] == ["gap", "flat", "minus", "x"]
    assert table.n_rows == 42
    assert table.group.tolist()[:3] == [0, 1, 0]
    assert table.weight.sum() == 42


def test_the_rows_speak_with_the_row_at_fault_too(mixed) -> None:
    for target, says in (("gap", "missing in row 41 \\(2 such rows\\)"), ("hole", "infinite in row 41:")):
        with pytest.raises(DataError, match=says):
            load_table(FileSource(mixed.path), ColumnChoice(target=(target,)))


def test_numbers_that_are_called_categorical_are_one_hot(mixed) -> None:
    keep = {"y", "x"}
    names = tuple(n for n in mixed.columns if n not in keep)
    table = load_table(FileSource(mixed.path), ColumnChoice(target=("y",), exclude=names, categorical=("x",)))
    (column,) = table.features
    assert column.levels == ("0", "1", "2", "3", "4", "5", "6")
    assert column.codes.tolist()[-2:] == [1, -1]


def test_a_group_column_may_have_more_levels_than_a_feature_and_a_missing_group_is_one_of_its_own(upload) -> None:
    found = upload("y,x,g\n" + "".join(f"{i % 9},{i},user {i // 2}\n" for i in range(4000)) + "1,1,\n2,2,\n")
    choice = ColumnChoice(target=("y",), group="g")
    validate_choice(found.summary, choice)
    group = load_table(FileSource(found.path), choice).group
    assert group[0] == group[1] != group[2]
    assert len(set(group.tolist())) == 2002
