"""What the demo shows: two small sweeps, one where the loss hardly matters and one where outliers make it matter."""

from __future__ import annotations

from typing import Any

_SHARED: dict[str, Any] = {
    "labels": {"made-by": "demo"},
    "seed": 1,
    "parameters": {
        "learning_rate": {"kind": "FLOAT", "low": 0.003, "high": 0.03, "log": True},
        "layers": 1,
        "units": 32,
    },
    "sampler": {"name": "TPE", "generation_size": 16, "trials_per_architecture": 16},
    "confirm": {"finalists": 3, "repeats": 2},
    "training": {"max_epochs": 60, "early_stopping": {"patience": 10}},
    "budget": {"max_trials": 32},
}


def demo_sweeps() -> list[dict[str, Any]]:
    """The documents that the demo posts: both end within a minute on two cores."""
    clean = {"name": "demo-diabetes", "description": "Real data, hardly an outlier", "dataset": "diabetes"}
    dirty = {
        "name": "demo-friedman1",
        "description": "Generated, every tenth target an outlier",
        "dataset": {
            "name": "friedman1",
            "options": {"outlier_share": 0.1, "rows": 600, "noise": 1.0, "seed": 7},
        },
    }
    return [{**clean, **_SHARED}, {**dirty, **_SHARED}]
