"""Dense layers, compiled: the optimizer and its learning rate are the HyperModel's, the loss becomes the sweep's."""

import keras
import keras_tuner


class Layers(keras_tuner.HyperModel):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs

    def build(self, hp):
        model = keras.Sequential([keras.Input((self.inputs,))])
        for i in range(hp.Int("layers", 1, 3)):
            model.add(keras.layers.Dense(hp.Int(f"width_{i + 1}", 8, 64, step=2, sampling="log"), activation="relu"))
            model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)))
        model.add(keras.layers.Dense(self.outputs))
        rate = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log")
        kind = hp.Choice("optimizer", ["adam", "sgd"])
        if kind == "sgd":
            with hp.conditional_scope("optimizer", ["sgd"]):
                momentum = hp.Float("momentum", 0.0, 0.99)
            optimizer = keras.optimizers.SGD(rate, momentum=momentum)
        else:
            optimizer = keras.optimizers.Adam(rate)
        model.compile(optimizer, "mse")
        return model
