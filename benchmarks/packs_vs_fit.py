"""Packs against Optuna + `model.fit` on the same work, interleaved: `python benchmarks/packs_vs_fit.py --job tutorial`.

Both sides do the same trials: the same rows, network, batch size, epochs, validation every epoch, and deltas, learning
rates and seeds drawn by Optuna from the same ranges. The packed side is two processes with one thread each, compiling
counted; the other side is the loop that people write: `study.optimize` around `compile` and `fit` with their defaults,
which has both cores to itself. Start-up (importing TensorFlow) is left out on both sides.

`fit` takes minutes a trial, so a round runs it for a few epochs and the time of a trial is taken from the slope between
two lengths; one whole trial is really run at the end (`--whole`) and printed beside what the slope says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Job:
    """One kind of work. `layers`: widths; `mixed`: (widths, trials) parts that together are all trials."""

    rows: int
    validation: int
    features: int
    folds: int
    batch: int
    epochs: int
    parts: tuple[tuple[tuple[int, ...], float], ...]


MIXED = tuple((widths, 1 / 9) for width in (16, 32, 64) for widths in ((width,), (width,) * 2, (width,) * 3))
JOBS = {
    # The tutorial's job: 404 rows, 20 % of them held out, 13 features, 16-8-1, one row a batch.
    "tutorial": Job(404, 81, 13, 1, 1, 250, (((16, 8), 1.0),)),
    "batch32": Job(404, 81, 13, 1, 32, 250, (((16, 8), 1.0),)),
    "batch128": Job(404, 81, 13, 1, 128, 250, (((16, 8), 1.0),)),
    "mixed": Job(404, 81, 13, 5, 32, 100, MIXED),
}


def make_data(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Friedman's first function with noise, standardised: (rows, features) and (rows, 1)."""
    random = np.random.default_rng(0)
    x = random.uniform(size=(job.rows, job.features))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = y + random.standard_normal(job.rows)
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean()) / y.std()
    return x.astype(np.float32), y[:, None].astype(np.float32)


def settings(count: int) -> list[tuple[float, float]]:
    """(delta, learning rate) of each trial."""
    random = np.random.default_rng(1)
    deltas = np.exp(random.uniform(np.log(0.02), np.log(10), count))
    return list(zip(deltas, np.exp(random.uniform(np.log(3e-4), np.log(1e-2), count)), strict=True))


def run_packs(job: Job, share: int, shares: int, trials: int, cache: str | None) -> dict[str, float]:
    """One of the packed side's processes: its share of the trials, compiling counted."""
    from pathlib import Path

    from sweep_service.training.compile_cache import CompileCache
    from sweep_service.training.device import configure_process

    configure_process(threads=1, compile_cache=CompileCache(Path(cache)) if cache else None)
    from sweep_service.training.pack import Architecture, FoldData, Member
    from sweep_service.training.trainer import PackTrainer

    x, y = make_data(job)
    order = np.random.default_rng(2).permutation(job.rows)
    held = [order[i * job.validation : (i + 1) * job.validation] for i in range(job.folds)]
    folds = [FoldData(x, y, None, np.setdiff1d(np.arange(job.rows), h), h) for h in held]
    every = settings(trials)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    compiled = done = 0.0
    packs = 0
    for widths, members in cut(job, every, share, shares):
        values = {"layers": len(widths), "units": list(widths), "activation": "relu", "dropout": False}
        a = Architecture("mlp", values, "adam", nesterov=False, batch_size=job.batch, inputs=job.features, outputs=1)
        # 16 trials of 5 folds fill 80 members: K as the service would choose it
        slots = next(k for k in (8, 16, 24, 32, 40, 48, 64, 96, 128) if k >= min(128, len(members)))
        trainer = PackTrainer(a, slots)
        for first in range(0, len(members), slots):
            part = [
                Member(fold, seed, bound=delta, scale=1.0, step_scale=max(1.0, 1 / delta), learning_rate=rate)
                for fold, seed, (delta, rate) in members[first : first + slots]
            ]
            outcome = trainer.train(part, folds, job.epochs, on_chunk=lambda _chunk: set())
            compiled += outcome.compile_seconds
            done += len(part)
            packs += 1
    return {"seconds": time.perf_counter() - started, "compile": compiled, "members": done, "packs": packs}


def cut(job: Job, every: list[Any], share: int, shares: int) -> list[tuple[tuple[int, ...], list[Any]]]:
    """The members of one process: (widths, [(fold, seed, setting)]); parts go round, one part alone is halved."""
    found, first = [], 0.0
    for number, (widths, part) in enumerate(job.parts):
        mine = every[round(first * len(every)) : round((first + part) * len(every))]
        first += part
        if len(job.parts) == 1:
            mine = mine[share::shares]
        elif number % shares != share:
            continue
        found.append((widths, [(fold, 7 + fold, setting) for setting in mine for fold in range(job.folds)]))
    return found


def run_fit(job: Job, epochs: int) -> dict[str, float]:
    """Optuna + fit with the defaults: seconds of one run (one fold) of the middle architecture."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    x, y = make_data(job)
    held = np.random.default_rng(2).permutation(job.rows)[: job.validation]
    kept = np.setdiff1d(np.arange(job.rows), held)
    widths = job.parts[len(job.parts) // 2][0]

    def objective(trial: optuna.Trial) -> float:
        delta = trial.suggest_float("delta", 0.02, 10, log=True)
        rate = trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True)
        keras.utils.set_random_seed(trial.number)
        model = keras.Sequential([keras.Input((job.features,)), *(keras.layers.Dense(w, "relu") for w in widths)])
        model.add(keras.layers.Dense(1))
        model.compile(keras.optimizers.Adam(rate), keras.losses.Huber(delta), metrics=["mae"])
        history = model.fit(
            x[kept], y[kept], batch_size=job.batch, epochs=epochs, validation_data=(x[held], y[held]), verbose=0
        )
        return float(min(history.history["val_mae"]))

    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0)).optimize(objective, n_trials=1)
    return {"seconds": time.perf_counter() - started}


def start(*arguments: str) -> subprocess.Popen[str]:
    """A child that has loaded everything and waits for the word."""
    command = [sys.executable, __file__, *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    while child.stdout.readline().strip() != "ready":
        if child.poll() is not None:
            raise SystemExit(f"{command} ended before it was ready")
    return child


def together(*children: subprocess.Popen[str]) -> tuple[float, list[dict[str, float]]]:
    """Give the word to all at once; wall seconds until the last is done, and what each says."""
    started = time.perf_counter()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [json.loads(child.communicate()[0].strip().splitlines()[-1]) for child in children]
    return time.perf_counter() - started, answers


def packed_seconds(name: str, trials: int, processes: int) -> tuple[float, list[dict[str, float]]]:
    """Wall seconds of the packed side, the slower process' own clock (leaving a process is not work)."""
    common = ("--job", name, "--trials", str(trials), "--shares", str(processes))
    _, answers = together(*(start(*common, "--side", "packs", "--share", str(i)) for i in range(processes)))
    return max(a["seconds"] for a in answers), answers


def fit_seconds(name: str, epochs: int) -> float:
    """Seconds of one fit of so many epochs, compiling counted."""
    _, (answer,) = together(start("--job", name, "--side", "fit", "--epochs", str(epochs)))
    return answer["seconds"]


def compare(name: str, trials: int, rounds: int, processes: int, whole: bool) -> None:
    """Rounds of both sides in turn, then the table's row."""
    job = JOBS[name]
    runs = trials * job.folds
    short, long = max(1, round(job.epochs * 0.01)), max(4, round(job.epochs * 0.06))
    ratios, packed, fitted = [], [], []
    for number in range(rounds):
        seconds, answers = packed_seconds(name, trials, processes)
        few, many = fit_seconds(name, short), fit_seconds(name, long)
        one = few + (many - few) / (long - short) * (job.epochs - short)
        packed.append(seconds)
        fitted.append(one)
        ratios.append(one * runs / seconds)
        compiling = sum(a["compile"] for a in answers) / len(answers)
        print(
            f"round {number + 1}: packed {seconds:.2f} s for {runs} runs (of it compiling {compiling:.2f} s), fit "
            f"{one:.1f} s a run, ratio {ratios[-1]:.0f}",
            flush=True,
        )
    print(f"{name}: {trials} trials x {job.folds} folds, batch {job.batch}, {job.epochs} epochs, {processes} processes")
    print(
        f"  packed median {statistics.median(packed):.2f} s, {statistics.median(packed) / runs * 1000:.1f} ms a run; "
        f"fit median {statistics.median(fitted):.1f} s a run; ratio median {statistics.median(ratios):.0f} "
        f"({min(ratios):.0f}-{max(ratios):.0f})"
    )
    if whole:
        print(f"  one whole fit, really run: {fit_seconds(name, job.epochs):.1f} s")
    print(f"  {platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=JOBS, default="tutorial")
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="run one whole fit at the end")
    for hidden in ("--side", "--cache"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--share", "--shares", "--epochs"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.side == "packs":
        print(json.dumps(run_packs(JOBS[o.job], o.share, o.shares, o.trials, o.cache)))
    elif o.side == "fit":
        print(json.dumps(run_fit(JOBS[o.job], o.epochs)))
    else:
        compare(o.job, o.trials, o.rounds, o.processes, o.whole)


if __name__ == "__main__":
    main()
