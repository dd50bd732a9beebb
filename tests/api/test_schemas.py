"""How values look in JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_app import ServedApp, small

from sweep_service.api.schemas import finite, finite_object, progress, when
from sweep_service.core.run import Purpose

DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([math.nan, math.inf, -math.inf]) | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner),
)


@given(document=DOCUMENTS)
def test_no_document_holds_a_number_that_json_has_no_word_for(document: Any) -> None:
    json.dumps(finite(document), allow_nan=False)


def test_numbers_that_are_not_finite_become_null_and_others_stay() -> None:
    document = {"a": [1.5, math.nan], "b": {"c": (math.inf, -math.inf, 2)}, "d": "NaN"}
    assert finite_object(document) == {"a": [1.5, None], "b": {"c": [None, None, 2]}, "d": "NaN"}


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:00.000Z"),
        (None, None),
    ],
)
def test_times_are_rfc_3339_in_utc(moment: datetime | None, text: str | None) -> None:
    assert when(moment) == text


@pytest.mark.parametrize(
    ("split", "runs"),
    [
        ({"kind": "KFOLD", "folds": 4}, 4),
        ({"kind": "REPEATED_KFOLD", "folds": 4, "repeats": 3}, 12),
        ({"kind": "HOLDOUT", "fraction": 0.25}, 1),
    ],
)
def test_progress_expects_the_runs_of_search_and_confirmation(
    service: ServedApp, split: dict[str, Any], runs: int
) -> None:
    """12 trials and 8 anchors; at most 8 with the 2 finalists' settings; of all at most 2 + 4 x 3 twice more."""
    sweep = service.post(small(dataset={"name": "diabetes", "split": {"validation": split}}))
    service.work(tasks=1)
    folds = split.get("folds", 1)
    expected = round(12 * (1 + 4 / 6) * runs + 2 * 4 * runs + 14 * folds * 2)
    assert progress(service.store.sweep(sweep))["runs_expected"] == expected
    service.work()
    end = service.store.sweep(sweep)
    assert progress(end)["fraction"] == 1
    # A finalist that was the first of its group has its anchors already, and an anchor's own best may be a twin.
    confirmed = {r.key.trial for r in service.store.runs(sweep, purpose=Purpose.CONFIRM)}
    planned = (12 + 8 + end.counters.anchors_matched) * runs + len(confirmed) * folds * 2
    assert progress(end)["runs_done"] == end.counters.runs_planned == planned <= expected
    assert 2 + 4 * 2 <= len(confirmed) <= 2 + 4 * 3
