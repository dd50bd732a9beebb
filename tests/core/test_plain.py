"""What no database takes is made plain before it gets there."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_service.core.plain import dump_json, finite_only, plain_text


def test_nul_and_lone_surrogates_are_replaced_and_all_else_is_left() -> None:
    assert plain_text("a\x00b\ud800c\udfff") == "a\ufffdb\ufffdc\ufffd"
    assert plain_text("naïve 😀 \ufffe \n") == "naïve 😀 \ufffe \n"


def test_json_has_no_number_that_is_none() -> None:
    assert (
        dump_json({"a": [math.nan, math.inf, 1.5], "b": (None, True)}) == '{"a": [null, null, 1.5], "b": [null, true]}'
    )


def test_texts_are_cleaned_wherever_they_stand() -> None:
    assert json.loads(dump_json({"k\x00": ["\udc80", "😀", "\\u0000"]})) == {"k\ufffd": ["\ufffd", "😀", "\\u0000"]}


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON"):
        dump_json({"a": object()})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_can_be_stored_comes_back_as_it_was(value: object) -> None:
    plain = "\\u0000" not in json.dumps(value)
    assert not plain or json.loads(dump_json(value)) == value


def test_metrics_are_finite() -> None:
    assert finite_only({"MAE": 1.0, "R2": -math.inf, "RMSE": math.nan}) == {"MAE": 1.0}
