"""Numbers and categories: an embedding for each category, found again from its one-hot columns."""

import keras
import keras_tuner


class MixedTable(keras_tuner.HyperModel):
    """`numbers` are the places of the number columns, `categories` those of each category's one-hot columns."""

    def __init__(self, outputs, numbers, categories):
        super().__init__()
        self.outputs, self.numbers, self.categories = outputs, tuple(numbers), tuple(map(tuple, categories))

    def build(self, hp):
        width = len(self.numbers) + sum(map(len, self.categories))
        entry = keras.Input((width,))
        parts = [keras.ops.take(entry, self.numbers, axis=1)]
        dimension = hp.Int("dimension", 1, 4)
        for places in self.categories:
            # Standardised one-hot columns: the level's own is the only one above its mean.
            level = keras.ops.argmax(keras.ops.take(entry, places, axis=1), axis=1)
            parts.append(keras.layers.Embedding(len(places), dimension)(level))
        x = keras.layers.Concatenate()(parts)
        x = keras.layers.Dense(hp.Choice("width", [16, 32]), activation="relu")(x)
        return keras.Model(entry, keras.layers.Dense(self.outputs)(x))


def last_four_columns_are_a_category(inputs, outputs):
    """The layout of one table, told in one place. Write one of these for a table of your own."""
    return MixedTable(outputs, numbers=range(inputs - 4), categories=[range(inputs - 4, inputs)])
