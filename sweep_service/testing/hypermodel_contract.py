"""What workers publish of HyperModels, and what everybody reads of it."""

from __future__ import annotations

from sweep_service.core.hypermodel import PublishedParameter, PublishedSpace
from sweep_service.core.search_space import Categorical, FloatRange, IntRange
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import Store

WINDOW = PublishedSpace(
    hypermodel="windows",
    optimizer="adam",
    parameters=[
        PublishedParameter(name="scope/kind", value=Categorical(choices=["lstm", "conv"]), structural=True),
        PublishedParameter(
            name="filters", value=IntRange(low=8, high=64, step=8, when={"scope/kind": ["conv"]}), structural=True
        ),
        PublishedParameter(name="gain", value=Categorical(choices=[1.0, 2.0]), structural=False),
        PublishedParameter(name="rate", value=FloatRange(low=1e-4, high=1e-2, log=True), structural=False),
        PublishedParameter(name="bias", value=True, structural=True),
    ],
)


def space(name: str, problem: str | None = None) -> PublishedSpace:
    """A space with nothing in it."""
    return PublishedSpace(hypermodel=name, problem=problem)


class HyperModelContract(Contract):
    """Of `publish_hypermodels` and `hypermodels`."""

    def test_nothing_is_published_at_first(self, store: Store) -> None:
        assert list(store.hypermodels()) == []

    def test_a_published_space_comes_back_as_it_was(self, store: Store) -> None:
        store.publish_hypermodels("1.0", [WINDOW])
        (found,) = store.hypermodels()
        assert (found.space, found.worker_version) == (WINDOW, "1.0")
        gain = next(p for p in found.space.parameters if p.name == "gain")
        assert gain.distribution is not None
        assert [type(c) for c in gain.distribution.grid(8)] == [float, float]

    def test_the_list_is_by_name_and_of_each_name_what_came_last(self, store: Store) -> None:
        store.publish_hypermodels("2.0", [space("b"), space("a")])
        store.publish_hypermodels("1.0", [space("b", "not here")])
        assert [(h.space.hypermodel, h.worker_version) for h in store.hypermodels()] == [("a", "2.0"), ("b", "1.0")]

    def test_publishing_again_replaces_and_becomes_the_newest(self, store: Store) -> None:
        store.publish_hypermodels("1.0", [space("a", "old")])
        store.publish_hypermodels("2.0", [space("a")])
        store.publish_hypermodels("1.0", [space("a", "new")])
        (found,) = store.hypermodels()
        assert (found.worker_version, found.space.problem) == ("1.0", "new")

    def test_what_a_worker_does_not_have_stays_for_it_may_be_on_another(self, store: Store) -> None:
        store.publish_hypermodels("1.0", [space("a")])
        store.publish_hypermodels("1.0", [space("b")])
        store.publish_hypermodels("1.0", [])
        assert [h.space.hypermodel for h in store.hypermodels()] == ["a", "b"]
