"""A hyperparameter sweep service that tunes the delta of the Huber loss."""

__version__ = "0.1.0"
