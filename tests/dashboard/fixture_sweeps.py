"""Invented sweeps in the API's shapes: what the dashboard's fixture application serves."""

from __future__ import annotations

import math
import random
from typing import Any

SIGMA = 2.94
TARGET_SD = 9.2
GRID = 41


def curve(c: float) -> float:
    """The invented expected MAE at delta = c sigma: a shallow valley between the limits of MAE and MSE."""
    return 2.30 + 0.10 / (1 + (c / 0.12) ** 1.3) + 0.28 / (1 + (2.6 / c) ** 2.2)


def trial(number: int, rng: random.Random, anchor: str | None = None, state: str = "COMPLETE") -> dict[str, Any]:
    """One trial in the API's shape."""
    c = {"1.345 SIGMA": 1.345, "1 TARGET": 1 / SIGMA}.get(anchor or "", 10 ** rng.uniform(math.log10(0.02), 1.0))
    loss = anchor if anchor in {"MSE", "MAE"} else "HUBER"
    level = {"MSE": curve(1e4), "MAE": curve(1e-4)}.get(anchor or "", curve(c))
    value = level + abs(rng.gauss(0, 0.05)) + (3 * rng.random() if rng.random() < 0.04 and not anchor else 0)
    failed = state in {"FAILED", "TIMED_OUT"}
    return {
        "number": number,
        "generation": number // 32,
        "group": number // 8,
        "anchor": anchor,
        "loss": loss,
        "state": state,
        "reason": "the loss became NaN in epoch 3 of fold 2" if failed else None,
        "parameters": {
            "delta": round(c, 6),
            "learning_rate": 10 ** rng.uniform(-4, -1.5),
            "layers": rng.randint(1, 3),
            "units": rng.choice([16, 32, 64]),
            "dropout": rng.random() / 2,
            "optimizer": "adam",
            "batch_size": 32,
        },
        "delta": None
        if loss in {"MSE", "MAE"}
        else {"target": c * SIGMA, "standardised": c * SIGMA / TARGET_SD, "sigma": c},
        "delta_unit": "SIGMA",
        "signature": "5a1f",
        "values": {} if failed or state in {"WAITING", "RUNNING"} else {"MAE": value, "RMSE": value * 1.52},
        "engine": {
            "rung": "PACK",
            "slots": 40,
            "device": "CPU:0",
            "compile_seconds": 3.1,
            "train_seconds": 5.2,
            "tensorflow": "2.21.0",
        },
        "excluded": False,
        "created_at": "2026-11-24T12:00:00Z",
        "ended_at": None if state in {"WAITING", "RUNNING"} else "2026-11-24T12:03:00Z",
    }


class FixtureSweep:
    """An invented sweep that can be moved on by one trial."""

    def __init__(self, name: str, count: int, state: str, *, confirmed: bool = False, error: str | None = None) -> None:
        self.rng = random.Random(name)
        self.id, self.name, self.state, self.confirmed, self.error = name, f"{name}-delta", state, confirmed, error
        self.planned = max(count, 40) if state == "RUNNING" else count
        self.trials: list[dict[str, Any]] = []
        self.events: list[tuple[int, str]] = []
        self.posted: list[str] = []
        if count:
            for anchor in ("MSE", "MAE", "1.345 SIGMA", "1 TARGET"):
                self.trials.append(trial(len(self.trials), self.rng, anchor))
        for _ in range(count):
            draw = self.rng.random()
            self.add("PRUNED" if draw < 0.25 else "FAILED" if draw < 0.28 else "COMPLETE")
        if state == "FAILED":
            for item in self.trials:
                item.update(state="FAILED", values={}, reason="the loss became NaN in epoch 1 of fold 0")

    def add(self, state: str = "COMPLETE") -> None:
        self.trials.append(trial(len(self.trials), self.rng, state=state))
        self.emit("TRIALS_ENDED")

    def emit(self, kind: str) -> None:
        self.events.append((len(self.events) + 1, kind))

    def scored(self) -> list[dict[str, Any]]:
        return [t for t in self.trials if t["values"]]

    def best(self) -> dict[str, Any] | None:
        own = [t for t in self.scored() if not t["anchor"] and t["state"] == "COMPLETE"]
        return min(own, key=lambda t: t["values"]["MAE"]) if own else None

    def status(self) -> str:
        return "NONE" if self.best() is None else "CONFIRMED" if self.confirmed else "PROVISIONAL"

    def verdict(self) -> dict[str, str]:
        if self.best() is None:
            return {
                "kind": "NOT_CONFIRMED",
                "sentence": "No trial has been completed yet, so nothing can be said of any delta.",
            }
        if self.confirmed:
            return {
                "kind": "ROBUST_LOSS_BETTER",
                "sentence": "A delta near 1.4 sigma beats the MSE limit by 9.6 % "
                "(95 % interval 4.1 to 15.1 %); it cannot be told from the default of 1.345 sigma, which is "
                "recommended. Deltas from 0.7 to 2.1 sigma are as good.",
            }
        return {
            "kind": "NOT_CONFIRMED",
            "sentence": "Provisional: the search ranks a delta of about 1.4 sigma "
            "first; no finalist has been confirmed on fresh seeds yet.",
        }

    def sweep(self) -> dict[str, Any]:
        own = [t for t in self.trials if not t["anchor"]]
        count = {s: sum(t["state"] == s for t in own) for s in ("COMPLETE", "FAILED", "PRUNED")}
        ended = self.state in {"SUCCEEDED", "FAILED", "CANCELLED"}
        fraction = 1.0 if self.state == "SUCCEEDED" else sum(count.values()) / max(self.planned, 1) * 0.8
        return {
            "id": self.id,
            "name": self.name,
            "description": "",
            "labels": {"team": "pricing"},
            "priority": 50,
            "state": self.state,
            "end_reason": {"SUCCEEDED": "BUDGET", "FAILED": "TOO_MANY_FAILURES"}.get(self.state),
            "error": self.error,
            "spec": {
                "dataset": {"name": "boston-housing", "version": 1},
                "objective": {"metric": "MAE"},
                "seed": 42,
                "sampler": {"name": "TPE"},
                "budget": {"max_trials": self.planned, "max_duration": "PT1H"},
            },
            "counters": {
                "trials_planned": len(own),
                "trials_complete": count["COMPLETE"],
                "trials_failed": count["FAILED"],
                "trials_pruned": count["PRUNED"],
                "anchors": len(self.trials) - len(own),
                "runs_planned": 5 * len(self.trials),
                "runs_complete": 5 * len(self.scored()),
                "runs_failed": 5 * count["FAILED"],
            },
            "generation": 1,
            "progress": {
                "fraction": fraction,
                "phase": "DONE" if ended else "SEARCH",
                "runs_done": 5 * len(self.scored()),
                "runs_expected": 5 * (self.planned + 4) + 60,
            },
            "created_at": "2026-11-24T11:59:00Z",
            "started_at": None if self.state == "QUEUED" else "2026-11-24T12:00:00Z",
            "ended_at": "2026-11-24T12:41:09Z" if ended else None,
            "links": {"self": f"/v1/sweeps/{self.id}"},
        }

    def item(self) -> dict[str, Any]:
        whole, best = self.sweep(), self.best()
        del whole["spec"]
        short = best and {
            "delta_target": best["delta"]["target"],
            "delta_sigma": best["delta"]["sigma"],
            "status": self.status(),
            "verdict_kind": self.verdict()["kind"],
        }
        return whole | {"dataset": "boston-housing", "best": short}

    def best_delta(self) -> dict[str, Any]:
        best, anchors = self.best(), [t for t in self.scored() if t["anchor"]]
        gains = (
            [
                {
                    "anchor": a["anchor"],
                    "trial": a["number"],
                    "value": a["values"]["MAE"],
                    "gain": (g := a["values"]["MAE"] - best["values"]["MAE"]),
                    "gain_percent": 100 * g / a["values"]["MAE"],
                    "interval": [g - 0.09, g + 0.09],
                    "t": g / 0.045,
                    "p_value": 0.01,
                    "p_holm": 0.04,
                }
                for a in anchors
            ]
            if best
            else []
        )
        whole = best and best["delta"]
        return {
            "sweep": self.id,
            "state": self.state,
            "status": self.status(),
            "delta": whole,
            "sigma": SIGMA,
            "sigma_method": "HUBER_IRLS",
            "trial": best and best["number"],
            "parameters": best and best["parameters"],
            "objective": {
                "metric": "MAE",
                "direction": "MINIMIZE",
                "value": best and best["values"]["MAE"],
                "standard_error": 0.041 if best else None,
            },
            "equivalent": {
                "low": {"target": 2.1, "sigma": 0.71},
                "high": {"target": 6.2, "sigma": 2.1},
                "sentence": "Deltas from 2.1 to 6.2 (0.71 to 2.1 sigma) cannot be told from the best.",
            }
            if best
            else None,
            "gains": gains,
            "recommended": {
                "delta": {"target": 3.954, "standardised": 0.43, "sigma": 1.345},
                "default": True,
                "sentence": "Use the default of 1.345 sigma (3.95): no tuned delta is better by more than noise.",
            },
            "verdict": self.verdict(),
            "apparent_gain": 0.103 if best else None,
            "confirmed_gain": 0.021 if self.confirmed else None,
            "at_bound": None,
            "suggested_range": None,
            "warnings": ["16 target values stand at 50.0: the target is probably censored there."] if best else [],
        }

    def response(self) -> dict[str, Any]:
        own = [t for t in self.trials if not t["anchor"] and t["state"] == "COMPLETE"]
        best, values = self.best(), [t["values"].get("MAE") for t in own]
        anchors = [t for t in self.scored() if t["anchor"]]
        grid = [SIGMA * 0.02 * 500 ** (i / (GRID - 1)) for i in range(GRID)] if best else []
        middle = [curve(x / SIGMA) + 0.03 for x in grid]
        low, high = min(grid, default=None), max(grid, default=None)
        return {
            "sweep": self.id,
            "metric": "MAE",
            "direction": "MINIMIZE",
            "sigma": SIGMA,
            "target_name": "medv",
            "delta_unit": "SIGMA",
            "points": {
                "number": [t["number"] for t in own],
                "delta": [t["delta"]["target"] for t in own],
                "value": values,
                "low": [v and v - 0.05 for v in values],
                "high": [v and v + 0.05 for v in values],
                "state": [t["state"] for t in own],
            },
            "anchors": [
                {
                    "label": a["anchor"],
                    "trial": a["number"],
                    "delta": a["delta"] and a["delta"]["target"],
                    "value": a["values"]["MAE"],
                    "low": a["values"]["MAE"] - 0.04,
                    "high": a["values"]["MAE"] + 0.04,
                }
                for a in anchors
            ],
            "band": {
                "delta": grid,
                "median": middle,
                "low": [m - 0.05 for m in middle],
                "high": [m + 0.07 for m in middle],
            },
            "best": best
            and {
                "trial": best["number"],
                "delta": best["delta"]["target"],
                "value": best["values"]["MAE"],
                "low": best["values"]["MAE"] - 0.04,
                "high": best["values"]["MAE"] + 0.04,
            },
            "equivalent": {"low": 2.1, "high": 6.2} if best else None,
            "range": {"low": low or 0.02 * SIGMA, "high": high or 10 * SIGMA},
            "verdict": self.verdict(),
        }


def invented() -> list[FixtureSweep]:
    """One sweep in each state worth looking at."""
    return [
        FixtureSweep("running", 20, "RUNNING"),
        FixtureSweep("confirmed", 120, "SUCCEEDED", confirmed=True),
        FixtureSweep(
            "failed",
            13,
            "FAILED",
            error="13 trials failed, more than max_failed_trials = 12; the last: the loss became NaN in epoch 1.",
        ),
        FixtureSweep("queued", 0, "QUEUED"),
        FixtureSweep("large", 5000, "SUCCEEDED", confirmed=True),
    ]
