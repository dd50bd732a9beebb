"""A convolution over the windows of a series: one row is one window, its columns are the lags."""

import keras
import keras_tuner


class WindowConvolution(keras_tuner.HyperModel):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs

    def build(self, hp):
        """Not compiled: optimizer, learning rate and so on are parameters of the sweep."""
        entry = keras.Input((self.inputs,))
        x = keras.layers.Reshape((self.inputs, 1))(entry)
        filters = hp.Int("filters", 4, 32, step=2, sampling="log")
        kernel = hp.Choice("kernel", [2, 3, 5])
        x = keras.layers.Conv1D(filters, kernel, padding="causal", activation="relu")(x)
        if hp.Boolean("second"):
            with hp.conditional_scope("second", [True]):
                dilation = hp.Choice("dilation", [1, 2, 4])
            x = keras.layers.Conv1D(filters, kernel, dilation_rate=dilation, padding="causal", activation="relu")(x)
        x = keras.layers.GlobalAveragePooling1D()(x)
        return keras.Model(entry, keras.layers.Dense(self.outputs)(x))
