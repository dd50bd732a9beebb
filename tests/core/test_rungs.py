"""What a spec may say of its rungs."""

from __future__ import annotations

import pytest

from sweep_service.core.errors import SpecError
from sweep_service.core.parsing import parse_spec
from sweep_service.core.rungs import default_rungs


def test_rungs_have_a_default_that_stands_in_the_answer() -> None:
    spec = parse_spec({"dataset": "d", "pruner": {"name": "HALVING"}, "training": {"max_epochs": 90}})
    assert spec.pruner is not None
    assert spec.pruner.rungs == [10, 30]
    assert default_rungs(2) == [1]
    assert default_rungs(1) == []


@pytest.mark.parametrize(
    ("pruner", "epochs", "pointer", "says"),
    [
        ({"name": "HALVING", "rungs": [10, 10]}, 100, "/pruner/rungs/1", "must rise"),
        ({"name": "MEDIAN", "rungs": [100]}, 100, "/pruner/rungs/0", "below max_epochs (100)"),
        ({"name": "MEDIAN", "keep": 0.3}, 100, "/pruner/keep", "belongs to HALVING"),
        ({"name": "NONE", "rungs": [3]}, 100, "/pruner/rungs", "leave it out"),
        ({"name": "HALVING"}, 1, "/pruner/name", "nothing to prune"),
        ({"name": "HYPERBAND"}, 9, "/pruner/name", "'HALVING'"),
    ],
)
def test_what_cannot_be_a_rung_is_refused(pruner: dict[str, object], epochs: int, pointer: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({"dataset": "d", "pruner": pruner, "training": {"max_epochs": epochs}})
    assert [p.pointer for p in caught.value.problems] == [pointer]
    assert says in caught.value.problems[0].message
