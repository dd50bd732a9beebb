"""Networks for sweep-service. Each file is one HyperModel; `pyproject.toml` names them."""
