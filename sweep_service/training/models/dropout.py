"""Dropout whose rate is an input and whose random stream packs strictly."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_GOLDEN = 0x9E3779B9


@keras.saving.register_keras_serializable(package="sweep_service")
class InputDropout(keras.layers.Layer):  # type: ignore[misc]
    """Drops units at a rate that stands in a weight, by a counter-based stream that stands in a weight.

    Keras' own Dropout bakes the rate into the program and draws from a stateful generator, which a pack can
    only follow one member at a time. Here the mask is a hash of (key, counter, element): a few integer
    operations that vectorise. The distribution is Keras' (kept units scaled by 1 / (1 - rate)); the bits are
    not. At rate 0 nothing is dropped and nothing is scaled.

    Args:
        rate: what the weight starts from.
        kwargs: as of keras.layers.Layer.
    """

    def __init__(self, rate: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_rate = float(rate)

    def build(self, _input_shape: Any) -> None:
        """Weights: rate (float32), key and counter (uint32), scalars, none of them trainable."""
        rate = keras.initializers.Constant(self.initial_rate)
        self.rate = self.add_weight(name="rate", shape=(), initializer=rate, trainable=False)
        self.key = self.add_weight(name="key", shape=(), dtype="uint32", initializer="zeros", trainable=False)
        self.counter = self.add_weight(name="counter", shape=(), dtype="uint32", initializer="zeros", trainable=False)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Inputs (batch, units)."""
        if not training:
            return inputs
        rows, width = inputs.shape[0], inputs.shape[-1]
        count = rows * width if rows is not None else tf.shape(inputs)[0] * width
        element = tf.cast(tf.range(count), tf.uint32)
        counter = tf.cast(self.counter.value, tf.uint32)
        key = tf.cast(self.key.value, tf.uint32)
        mixed = _mix(element * tf.constant(_GOLDEN, tf.uint32) + _mix(counter + _mix(key)))
        # 24 bits make a float32 in [0, 1) exactly; int32 since not every device casts from unsigned.
        bits = tf.cast(tf.bitwise.right_shift(mixed, tf.constant(8, tf.uint32)), tf.int32)
        uniform = tf.reshape(tf.cast(bits, tf.float32) * (1.0 / (1 << 24)), tf.shape(inputs))
        self.counter.assign(counter + tf.constant(1, tf.uint32))
        keep = tf.cast(uniform >= self.rate.value, inputs.dtype)
        return inputs * keep / (1.0 - self.rate.value)

    def get_config(self) -> dict[str, Any]:
        """All that `from_config` needs."""
        return {**super().get_config(), "rate": self.initial_rate}


def _mix(x: Any) -> Any:
    """The 32-bit finaliser of MurmurHash3 (public domain): every input bit moves every output bit."""
    shift = tf.bitwise.right_shift
    for step, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = tf.bitwise.bitwise_xor(x, shift(x, tf.constant(step, tf.uint32)))
        x = x * tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(x, shift(x, tf.constant(16, tf.uint32)))
