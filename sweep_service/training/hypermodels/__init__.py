"""KerasTuner's HyperModels: installed by users, explored for what they vary, and built with a trial's values."""
