"""The child that parses an upload: a job as JSON on standard input, a summary or an error on standard output."""

from __future__ import annotations

import csv
import io
import json
import re
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None")


class Unusable(Exception):  # noqa: N818 - a sentence for the user, not a fault
    """The file cannot be used."""


def main() -> None:
    """Read the job, parse, write."""
    job = json.load(sys.stdin)
    limits = job["limits"]
    resource.setrlimit(resource.RLIMIT_AS, (limits["max_memory"], limits["max_memory"]))
    try:
        answer = _parse(Path(job["source"]), Path(job["destination"]), job["media_type"], limits)
    except Unusable as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


def _parse(source: Path, destination: Path, media_type: str, limits: dict[str, int]) -> dict[str, Any]:
    if source.stat().st_size == 0:
        raise Unusable("The file is empty.")
    table = _csv(source, limits) if media_type == "text/csv" else _parquet(source, limits)
    if table.num_columns > limits["max_columns"]:
        raise Unusable(f"The file has {table.num_columns} columns; at most {limits['max_columns']} can be used.")
    if table.num_rows == 0:
        raise Unusable("The file has a header and no rows.")
    if table.num_rows > limits["max_rows"]:
        raise Unusable(f"The file has more than {limits['max_rows']} rows.")
    names = table.column_names
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise Unusable(f"The column name {twice[0]!r} occurs more than once.")
    if any(not name.strip() for name in names):
        raise Unusable(f"Column {[bool(n.strip()) for n in names].index(False) + 1} has no name.")
    arrays: dict[str, Any] = {}
    header, summary = [], []
    for i, name in enumerate(names):
        column, about, array = _column(name, table.column(i))
        header.append(column)
        summary.append(about)
        arrays[f"c{i}"] = array
    packed = np.frombuffer(json.dumps({"columns": header}).encode(), dtype=np.uint8)
    with destination.open("wb") as out:
        np.savez_compressed(out, header=packed, **arrays)
    return {"rows": table.num_rows, "columns": summary}


def _csv(source: Path, limits: dict[str, int]) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    raw = source.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(f"The file is not UTF-8 (at byte {error.start}): save it as UTF-8 CSV.") from None
    if "\x00" in text:
        raise Unusable("The file holds NUL bytes: it is not a CSV file.")
    text += "" if text.endswith("\n") else "\n"  # without it a lone header is no header to the reader
    csv.field_size_limit(len(text) + 1)
    delimiter = _delimiter(text)
    try:
        header = next((row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row), None)
    except csv.Error as error:
        raise Unusable(f"The CSV cannot be read: {error}.") from None
    if header is None:
        raise Unusable("The file has no header row.")
    if len(header) > limits["max_columns"]:
        raise Unusable(f"The file has {len(header)} columns; at most {limits['max_columns']} can be used.")
    try:
        return arrow_csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(null_values=list(MISSING), strings_can_be_null=True),
        )
    except pa.ArrowInvalid as error:
        raise Unusable(_ragged(text, delimiter, len(header)) or f"The CSV cannot be read: {error}") from None


def _delimiter(text: str) -> str:
    """The one of comma, semicolon and tab that stands most often in the header, quoted names left out."""
    header = re.sub(r'"[^"]*"', "", text[:1_000_000]).lstrip("\r\n").partition("\n")[0]
    return max(",;\t", key=header.count)


def _ragged(text: str, delimiter: str, width: int) -> str | None:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for row in reader:
            if row and len(row) != width:
                return f"Line {reader.line_num} has {len(row)} values, the header has {width} columns."
    except csv.Error:
        return None  # what the reader of the whole file said of it will do
    return None


def _parquet(source: Path, limits: dict[str, int]) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(source)
        about = file.metadata
        if about.num_rows > limits["max_rows"]:
            raise Unusable(f"The file has {about.num_rows} rows; at most {limits['max_rows']} can be used.")
        if about.num_rows * about.num_columns * 8 > limits["max_memory"] // 4:
            raise Unusable("The file is too large once it is unpacked: send fewer rows or columns.")
        return file.read(use_threads=False)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise Unusable(f"The file is not a Parquet file that can be read: {error}") from None


def _column(name: str, column: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Header entry, summary entry and array of one column."""
    import pyarrow as pa

    try:
        return _converted(name, column)
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise Unusable(f"The column {name!r} holds {column.type}, which cannot be used: {error}") from None


def _converted(name: str, column: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_boolean(kind):
        values = column.cast(pa.int8()).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return _numbers(name, "BOOLEAN", values)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(name, "NUMBER", column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_null(kind):
        return _numbers(name, "NUMBER", np.full(len(column), np.nan))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        stamps = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return _numbers(name, "DATE", stamps.to_numpy(zero_copy_only=False) / 1e6)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _text(name, column.cast(pa.large_string()))
    raise Unusable(f"The column {name!r} holds {kind}, which cannot be used: leave it out.")


def _text(name: str, column: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Codes into the sorted levels; empty text is missing, as it is in a CSV."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    coded = pc.dictionary_encode(column.combine_chunks())
    found = coded.dictionary.to_pylist()
    levels = sorted(found)
    place = {level: i for i, level in enumerate(levels)}
    remap = np.array([place[level] for level in found] or [0], dtype=np.int32)
    raw = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    codes = np.where(raw < 0, -1, remap[raw]).astype(np.int32)
    summary = {"name": name, "kind": "TEXT", "distinct": len(levels), **_where(codes < 0, "missing")}
    # More levels than can be one-hot are still of use as groups; their texts are not needed for that.
    kept = levels if len(levels) <= 1_000 else [str(i) for i in range(len(levels))]
    return {"name": name, "kind": "TEXT", "levels": kept}, summary, codes


def _numbers(name: str, kind: str, values: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    summary: dict[str, Any] = {"name": name, "kind": kind, **_where(np.isnan(values), "missing")}
    summary |= _where(np.isinf(values), "infinite")
    finite = values[np.isfinite(values)]
    if finite.size:
        summary |= {"minimum": float(finite.min()), "maximum": float(finite.max())}
    return {"name": name, "kind": kind}, summary, values


def _where(rows: Any, what: str) -> dict[str, Any]:
    """How many rows, and the first of them, counted from 1 without the header."""
    count = int(rows.sum())
    return {what: count, f"first_{what}_row": int(rows.argmax()) + 1 if count else None}


if __name__ == "__main__":
    main()
