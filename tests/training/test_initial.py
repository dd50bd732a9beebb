"""Initial weights: the model's own initialisers, run again for each stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def initial(engine: Any) -> Any:
    """Makes them for a network of some widths."""
    from sweep_service.training.initial import InitialWeights
    from sweep_service.training.models.mlp import build_mlp

    def make(units: list[int], activation: str = "relu") -> Any:
        values = {"layers": len(units), "units": units, "activation": activation, "dropout": True}
        return InitialWeights(build_mlp(values, 6, 1))

    return make


def test_equal_streams_and_shapes_give_equal_weights_in_another_model(initial: Any) -> None:
    one, other = initial([40, 30]).of(5), initial([40, 30], activation="tanh").of(5)
    assert [w.shape for w in one] == [(6, 40), (40,), (40, 30), (30,), (30, 1), (1,)]
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)
    # A trial with one wider layer still shares the layers of equal shape.
    assert np.array_equal(one[0], initial([40, 31]).of(5)[0])


def test_each_stream_and_each_layer_draws_its_own(initial: Any) -> None:
    weights = initial([6, 6])
    kernels = [weights.of(s)[i].tobytes() for s in (5, 6, 2**62) for i in (0, 2)]
    assert len(set(kernels)) == 6


def test_kernels_are_glorot_uniform_and_biases_zero_as_keras_makes_them(initial: Any) -> None:
    weights = initial([300, 200]).of(1)
    for kernel in weights[::2]:
        limit = np.sqrt(6 / sum(kernel.shape))
        assert np.abs(kernel).max() <= limit
        if kernel.size > 1000:
            assert np.abs(kernel).max() > 0.98 * limit
            assert abs(kernel.std() - limit / np.sqrt(3)) < 0.05 * limit
    for bias in weights[1::2]:
        assert not bias.any()


def test_seeds_have_31_bits_and_tell_purposes_apart(engine: Any) -> None:
    from sweep_service.training.initial import derived_seed

    seeds = {
        derived_seed(s, *what) for s in (1, 2**63 - 1) for what in (("weights", 0), ("weights", 1), ("dropout", 0))
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)
