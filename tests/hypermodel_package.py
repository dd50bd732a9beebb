"""A package with HyperModels as `pip install` would leave it, for tests that start real processes.

Not a test itself: `tests/end_to_end` and `tests/training` import it.
"""

from __future__ import annotations

from pathlib import Path

MODULE = '''
import keras
import keras_tuner


class Windows(keras_tuner.HyperModel):
    """Compiled; a condition, a scope of names, a rate that is an input, and a width that is structural."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs

    def build(self, hp):
        model = keras.Sequential([keras.Input((self.inputs,))])
        kind = hp.Choice("kind", ["dense", "conv"])
        with hp.conditional_scope("kind", ["dense"]), hp.name_scope("dense"):
            if kind == "dense":
                model.add(keras.layers.Dense(hp.Int("width", 4, 16, sampling="log", step=2), activation="relu"))
        with hp.conditional_scope("kind", ["conv"]), hp.name_scope("conv"):
            if kind == "conv":
                model.add(keras.layers.Reshape((self.inputs, 1)))
                model.add(keras.layers.Conv1D(hp.Int("filters", 2, 6, step=2), 3, activation="relu"))
                model.add(keras.layers.GlobalAveragePooling1D())
        model.add(keras.layers.Dropout(hp.Float("rate", 0.0, 0.4)))
        model.add(keras.layers.Dense(self.outputs))
        learning_rate = hp.Float("learning_rate", 1e-3, 3e-2, sampling="log")
        model.compile(keras.optimizers.Adam(learning_rate), "mse", metrics=["mae"])
        return model


def plain(hp, inputs):
    """Not compiled: the sweep's own optimizer trains it."""
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(hp.Choice("units", [4, 8]))])
    if hp.Boolean("norm"):
        model.add(keras.layers.LayerNormalization())
    model.add(keras.layers.Dense(1))
    return model


def fragile(hp, inputs):
    """Fails at one of its choices."""
    if hp.Choice("way", ["good", "bad"]) == "bad":
        raise RuntimeError("the bad way leads nowhere")
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1)])


def scheduled(hp, inputs):
    """Compiled with what the engine does not have."""
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)), "mse")
    return model
'''

POINTS = """[sweep_service.hypermodels]
windows = some_models:Windows
plain = some_models:plain
fragile = some_models:fragile
scheduled = some_models:scheduled
missing = no_such_module:Thing
"""


def install(folder: Path) -> Path:
    """Put the package there; the folder belongs on PYTHONPATH."""
    site = folder / "site"
    info = site / "some_models-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "some_models.py").write_text(MODULE, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-models\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    return site
