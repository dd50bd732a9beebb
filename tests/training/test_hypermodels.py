"""HyperModels: what they vary is found by building, and a pack trains each trial as its own build says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from hypermodel_package import install

from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.pack import make_runs
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunState
from sweep_service.core.search_space import Categorical, FloatRange, IntRange
from sweep_service.core.task import PackWork, TrainJob
from sweep_service.datasets.load import BuiltinSource
from sweep_service.worker.data import prepare
from sweep_service.worker.members import plan_pack

pytestmark = pytest.mark.engine

EXAMPLES = Path(__file__).parents[2] / "examples" / "hypermodels"
WIDTHS = {"width_1", "width_2", "width_3"}
DATA = {"name": "friedman1", "options": {"rows": 80}}


@pytest.fixture(autouse=True)
def _engine(engine: Any) -> None:
    """TensorFlow is configured before anything here imports it."""


@pytest.fixture
def keras() -> Any:
    import keras

    return keras


@pytest.fixture
def explore(keras: Any) -> Callable[[Any], PublishedSpace]:
    from sweep_service.training.hypermodels.discovery import discover
    from sweep_service.training.hypermodels.installed import maker

    return lambda found: discover("mine", maker(found))


@pytest.fixture
def regression(keras: Any) -> Callable[..., Any]:
    """A model of some layers between the input and one output, compiled where an optimizer is given."""

    def make(*layers: Any, optimizer: Any = None) -> Any:
        model = keras.Sequential([keras.Input((16,)), *layers, keras.layers.Dense(1)])
        if optimizer is not None:
            model.compile(optimizer, "mse")
        return model

    return make


def values(space: PublishedSpace) -> dict[str, Any]:
    assert space.problem is None, space.problem
    return {p.name: p.value for p in space.parameters}


def structural(space: PublishedSpace) -> set[str]:
    return {p.name for p in space.parameters if p.structural}


# --- what is found -------------------------------------------------------------------------------------------------


def test_every_kind_of_hyperparameter_is_told_as_it_is_declared(explore: Any, regression: Any, keras: Any) -> None:
    def build(hp: Any) -> Any:
        hp.Int("steps", 4, 14, step=3)
        hp.Int("doubled", 2, 20, step=2, sampling="log")
        hp.Int("wide", 1, 1000, sampling="log")
        hp.Float("share", 0.0, 1.0, step=0.25)
        hp.Float("rate", 1e-4, 1e-1, sampling="log")
        hp.Float("decades", 0.001, 1.0, step=10, sampling="log")
        hp.Choice("name", ["a", "b"])
        hp.Choice("gain", [1.0, 2.0])
        hp.Choice("only", [7])
        hp.Boolean("flag")
        hp.Fixed("constant", 0.5)
        return regression()

    found = values(explore(build))
    assert found["steps"] == IntRange(low=4, high=14, step=3)
    assert found["doubled"] == Categorical(choices=[2, 4, 8, 16])
    assert found["wide"] == IntRange(low=1, high=1000, log=True)
    assert found["share"] == FloatRange(low=0.0, high=1.0, step=0.25)
    assert found["rate"] == FloatRange(low=1e-4, high=1e-1, log=True)
    assert found["decades"].choices == pytest.approx([0.001, 0.01, 0.1, 1.0])
    assert found["name"] == Categorical(choices=["a", "b"])
    assert found["gain"] == Categorical(choices=[1.0, 2.0])
    assert found["only"] == 7
    assert found["flag"] == Categorical(choices=[False, True])
    assert found["constant"] == 0.5


def test_conditions_and_scopes_are_found_behind_the_choices_that_open_them(
    explore: Any, regression: Any, keras: Any
) -> None:
    def build(hp: Any) -> Any:
        layers = []
        kind = hp.Choice("kind", ["flat", "deep"])
        with hp.conditional_scope("kind", ["deep"]):
            if kind == "deep":
                with hp.name_scope("deep"):
                    widths = [hp.Int(f"width_{i}", 4, 8) for i in range(hp.Int("layers", 1, 3))]
                layers = [keras.layers.Dense(width) for width in widths]
        return regression(*layers)

    space = explore(build)
    assert not space.open
    found = values(space)
    assert next(iter(found)) == "kind", "parents stand before those that depend on them"
    assert set(found) == {"kind", "deep/layers", "deep/width_0", "deep/width_1", "deep/width_2"}
    assert {p.name: p.when for p in space.parameters if p.name != "kind"} == {
        n: {"kind": ["deep"]} for n in found if n != "kind"
    }


def test_what_only_a_combination_asks_for_makes_the_space_open(explore: Any, regression: Any) -> None:
    def build(hp: Any) -> Any:
        if hp.Boolean("a") and hp.Boolean("b") and hp.Boolean("c") and hp.Boolean("d"):
            pass
        flags = [hp.Boolean(n) for n in ("p", "q")]
        if flags == [True, True]:
            hp.Float("hidden", 0.0, 1.0)
        return regression()

    space = explore(build)
    assert space.open
    assert "hidden" in values(space), "what was met is told all the same"


def test_structural_is_what_changes_the_network_or_the_kind_of_its_optimizer(
    explore: Any, regression: Any, keras: Any
) -> None:
    def build(hp: Any) -> Any:
        kind = hp.Choice("optimizer", ["adam", "sgd"])
        rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        if kind == "sgd":
            optimizer = keras.optimizers.SGD(
                rate, momentum=hp.Float("momentum", 0.0, 0.9), nesterov=hp.Boolean("nesterov")
            )
        else:
            optimizer = keras.optimizers.Adam(rate, weight_decay=hp.Float("decay", 0.0, 0.1))
        width = hp.Int("width", 4, 8)
        return regression(
            keras.layers.Dense(width, name=f"dense_of_{width}", activation=hp.Choice("activation", ["relu", "tanh"])),
            keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)),
            keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(hp.Float("penalty", 1e-5, 1e-2))),
            keras.layers.Activation("relu", name=hp.Choice("label", ["one", "two"])),
            optimizer=optimizer,
        )

    space = explore(build)
    assert space.optimizer == "adam"
    assert structural(space) == {"optimizer", "nesterov", "width", "activation", "penalty"}
    assert {p.name for p in space.parameters} - structural(space) == {
        "learning_rate", "momentum", "decay", "dropout", "label",
    }  # fmt: skip


def test_a_layers_name_is_not_taken_for_its_activation(explore: Any, regression: Any, keras: Any) -> None:
    def build(hp: Any) -> Any:
        activation = hp.Choice("activation", ["relu", "tanh"])
        return regression(keras.layers.Dense(4, activation=activation, name=activation))

    assert structural(explore(build)) == {"activation"}


def test_of_a_model_class_of_its_own_every_parameter_is_structural(explore: Any, keras: Any) -> None:
    class Gained(keras.Model):
        def __init__(self, gain: float) -> None:
            super().__init__()
            self.gain, self.dense = gain, keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.gain * self.dense(x)

    assert structural(explore(lambda hp: Gained(hp.Float("gain", 0.5, 2.0)))) == {"gain"}


# --- what is refused -----------------------------------------------------------------------------------------------


def wrong_builds(keras: Any, regression: Any) -> dict[str, tuple[Callable[[Any], Any], str]]:
    def raises(hp: Any) -> Any:
        raise RuntimeError("no way")

    def twice(hp: Any) -> Any:
        hp.Int("n", 1, 4)
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["a"]):
            hp.Int("n", 1, 8)
        return regression()

    def own_name(hp: Any) -> Any:
        hp.Float("delta", 0.1, 2.0)
        return regression()

    def images(hp: Any) -> Any:
        return keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(1)])

    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    optimizers = keras.optimizers
    return {
        "it raises": (raises, "its build failed: RuntimeError: no way"),
        "it takes images": (images, "(None, 28, 28): it gets (rows, 16)"),
        "it gives three columns": (lambda hp: keras.Sequential([keras.layers.Dense(3)]), "1 output a row it must be"),
        "it is no model": (lambda hp: 5, "returned int, not a keras.Model"),
        "another optimizer": (lambda hp: regression(optimizer=optimizers.Adagrad()), "use one of SGD, Adam"),
        "a setting": (lambda hp: regression(optimizer=optimizers.Adam(beta_1=0.5)), "beta_1=0.5: leave it at"),
        "a norm": (lambda hp: regression(optimizer=optimizers.Adam(clipnorm=1.0)), "clipnorm=1.0"),
        "a schedule": (lambda hp: regression(optimizer=optimizers.Adam(schedule)), "follows a schedule"),
        "one name twice": (twice, "n is declared twice"),
        "the service's name": (own_name, "'delta' bears the name of the service's own"),
    }  # fmt: skip


def test_what_cannot_be_tuned_is_published_with_what_would_be_right(explore: Any, regression: Any, keras: Any) -> None:
    for what, (build, words) in wrong_builds(keras, regression).items():
        assert words in str(explore(build).problem), what


def test_a_hypermodel_that_overrides_fit_is_refused_rather_than_half_used(explore: Any, regression: Any) -> None:
    import keras_tuner

    class Fits(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return regression()

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32]), **kwargs)

    assert "overrides fit()" in str(explore(Fits()).problem)


# --- what is installed, and trained --------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, PublishedSpace]:
    """The package of these tests, installed; its spaces by name."""
    monkeypatch.syspath_prepend(str(install(tmp_path)))
    monkeypatch.delitem(sys.modules, "some_models", raising=False)
    from sweep_service.training.hypermodels.discovery import discover_installed

    return {s.hypermodel: s for s in discover_installed()}


def job(space: PublishedSpace, trials: list[dict[str, Any]], **changes: Any) -> TrainJob:
    """Trials of a HyperModel with their runs on two folds."""
    document = {
        "dataset": {**DATA, "split": {"validation": {"kind": "KFOLD", "folds": 2}}},
        "model": {"hypermodel": space.hypermodel},
        "training": {"max_epochs": 3, "early_stopping": None},
        **changes,
    }
    spec = dump_spec(parse_spec(document, lambda: {space.hypermodel: space}))
    runs = [
        Run(r.key, r.seed, RunState.RUNNING, 1, None, 0, {}, {}, b"", None)
        for n in range(len(trials))
        for r in make_runs(n, Purpose.SEARCH, 2, 1, 0)
    ]
    own = {"delta": 1.0, "batch_size": 16}
    told = {
        n: {"loss": "HUBER", "parameters": {**own, **t}, "delta_unit": "SIGMA", "anchor": None}
        for n, t in enumerate(trials)
    }
    return TrainJob("s", spec, Purpose.SEARCH, "x", 8, PackWork(tuple(runs), told))


def grouped(space: PublishedSpace, trials: list[dict[str, Any]], **changes: Any) -> Any:
    from sweep_service.core.spec import SweepSpec
    from sweep_service.training.trainer import TrainerCache
    from sweep_service.worker.groups import groups_of

    wanted = job(space, trials, **changes)
    spec = SweepSpec.model_validate(wanted.spec)
    plan = plan_pack(wanted, prepare(spec, BuiltinSource("friedman1", {"rows": 80})))
    return plan, groups_of(wanted, plan, space, TrainerCache())


def test_all_that_is_installed_is_found_and_what_cannot_be_loaded_says_why(package: dict[str, PublishedSpace]) -> None:
    assert set(package) == {"windows", "plain", "fragile", "scheduled", "missing"}
    assert "no_such_module" in str(package["missing"].problem)
    assert package["windows"].optimizer == "adam"
    assert package["plain"].optimizer is None


def test_a_members_settings_are_those_of_its_own_build(package: dict[str, PublishedSpace]) -> None:
    base = {"kind": "dense", "dense/width": 8}
    trials = [{**base, "rate": 0.1, "learning_rate": 0.01}, {**base, "rate": 0.3, "learning_rate": 0.02}]
    _, found = grouped(package["windows"], trials)
    (group,) = found.groups
    assert [m.learning_rate for m in group.members] == pytest.approx([0.01, 0.01, 0.02, 0.02])
    assert [m.dropout for m in group.members] == [(0.1,)] * 2 + [(0.3,)] * 2
    assert group.trainer.architecture.optimizer == "adam"


def test_an_uncompiled_hypermodel_is_trained_by_the_sweeps_own_optimizer(package: dict[str, PublishedSpace]) -> None:
    settings = {"optimizer": "sgd", "nesterov": True, "learning_rate": 0.05, "momentum": 0.5, "weight_decay": 0.01}
    _, found = grouped(package["plain"], [{"units": 4, "norm": True, **settings}], parameters=settings)
    (group,) = found.groups
    assert (group.trainer.architecture.optimizer, group.trainer.architecture.nesterov) == ("sgd", True)
    member = group.members[0]
    assert (member.learning_rate, member.momentum, member.weight_decay) == (0.05, 0.5, 0.01)


def test_trials_that_turn_out_unlike_are_trained_in_groups(package: dict[str, PublishedSpace]) -> None:
    trials = [{"units": u, "norm": False, "optimizer": "adam", "learning_rate": 0.01} for u in (4, 8, 4)]
    _, found = grouped(package["plain"], trials, parameters={"optimizer": "adam"})
    assert [g.places for g in found.groups] == [(0, 1, 4, 5), (2, 3)]


def test_a_build_that_raises_fails_its_trial_and_no_other(package: dict[str, PublishedSpace]) -> None:
    trials = [{"way": w, "optimizer": "adam", "learning_rate": 0.01} for w in ("bad", "good")]
    _, found = grouped(package["fragile"], trials, parameters={"optimizer": "adam"})
    assert found.refused == {0: "fragile: its build failed: RuntimeError: the bad way leads nowhere"}
    assert [g.places for g in found.groups] == [(2, 3)]


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_a_pack_of_a_hypermodel_gives_the_numbers_of_fit(package: dict[str, PublishedSpace], kind: str) -> None:
    """Of each trial's own model: unlike learning rates, without dropout, whose stream differs."""
    from sweep_service.training.pack import FoldData
    from sweep_service.training.trainer import PackTrainer

    shape = {"dense/width": 8} if kind == "dense" else {"conv/filters": 4}
    trials = [{"kind": kind, **shape, "rate": 0.0, "learning_rate": rate} for rate in (0.003, 0.02)]
    plan, found = grouped(package["windows"], trials)
    (group,) = found.groups
    folds = [FoldData(f.x, f.y, f.weight, f.train, f.validation) for f in plan.folds]
    packed: list[Any] = []
    outcome = group.trainer.train(group.members, folds, 3, on_chunk=lambda c: packed.append(c) or set())
    assert outcome.rung in {"PACK", "PACK_WHILE"}
    fitted: list[Any] = []
    plain = PackTrainer(group.trainer.architecture, 8, build=group.members[0].build, ladder=())
    assert plain.train(group.members, folds, 3, on_chunk=lambda c: fitted.append(c) or set()).rung == "FIT"
    one, other = (np.concatenate([c.predictions for c in found_]) for found_ in (packed, fitted))
    np.testing.assert_allclose(one[:, :, : other.shape[2]], other, atol=2e-5)
    assert np.abs(one[:, 0] - one[:, 2]).max() > 1e-3, "the learning rates differ, and so do the numbers"


def test_each_member_drops_at_its_own_rate_on_the_rung_of_fit_too(package: dict[str, PublishedSpace]) -> None:
    trials = [{"kind": "dense", "dense/width": 8, "rate": rate, "learning_rate": 0.01} for rate in (0.0, 0.4)]
    _, found = grouped(package["windows"], trials)
    rates = [next(layer.rate for layer in m.build().layers if "dropout" in layer.name) for m in found.groups[0].members]
    assert rates == [0.0, 0.0, 0.4, 0.4]


@pytest.mark.parametrize(
    ("place", "wanted", "rungs"),
    [
        ("mlp:Layers", {"layers", "dropout", "learning_rate", "optimizer", "momentum"} | WIDTHS, {"PACK"}),
        ("convolution:WindowConvolution", {"filters", "kernel", "second", "dilation"}, {"PACK", "PACK_WHILE"}),
        ("recurrent:WindowMemory", {"units"}, {"PACK", "PACK_WHILE", "FUSED"}),
        ("tabular:last_four_columns_are_a_category", {"dimension", "width"}, {"PACK", "PACK_WHILE"}),
    ],
)  # fmt: skip
def test_the_examples_are_explored_and_packed(
    place: str, wanted: set[str], rungs: set[str], monkeypatch: pytest.MonkeyPatch, engine: Any, table: Any
) -> None:
    import importlib

    from sweep_service.training.hypermodels.building import build
    from sweep_service.training.hypermodels.discovery import discover
    from sweep_service.training.hypermodels.installed import maker
    from sweep_service.training.pack import Architecture, FoldData, Member
    from sweep_service.training.trainer import PackTrainer

    monkeypatch.syspath_prepend(str(EXAMPLES))
    module, name = place.split(":")
    make = maker(getattr(importlib.import_module(f"example_hypermodels.{module}"), name))
    space = discover("example", make)
    assert (space.problem, space.open) == (None, False)
    assert {p.name for p in space.parameters} == wanted
    x, y = table(60, 6)
    fold = FoldData(x, y, None, np.arange(40), np.arange(40, 60))
    trainer = PackTrainer(
        Architecture(place, {}, "adam", False, 16, 6, 1), 8, build=lambda: build(make(6, 1), {}, 6, 1).model
    )
    member = Member(fold=0, stream=1, bound=1.0, scale=1.0, step_scale=1.0, learning_rate=0.01, dropout=None)
    chunks: list[Any] = []
    assert trainer.train([member], [fold], 2, on_chunk=lambda c: chunks.append(c) or set()).rung in rungs
    assert np.isfinite(chunks[-1].predictions).all()


def test_the_package_of_examples_names_what_is_there() -> None:
    import tomllib

    points = tomllib.loads((EXAMPLES / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    for target in points["sweep_service.hypermodels"].values():
        module, name = target.split(":")
        text = (EXAMPLES / (module.replace(".", "/") + ".py")).read_text("utf-8")
        assert f"class {name}(" in text or f"def {name}(" in text
