"""The Sampler port on Optuna."""
