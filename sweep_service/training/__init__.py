"""The training port on TensorFlow and Keras: packs of runs in one compiled program."""
