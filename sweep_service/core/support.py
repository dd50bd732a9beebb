"""What the spec may say and this version does not run yet: refused by name, never ignored."""

from __future__ import annotations

from sweep_service.core.spec import SweepSpec

Finding = tuple[tuple[str | int, ...], str]


def unsupported(spec: SweepSpec) -> list[Finding]:
    """Places and sentences, one for each thing that is not supported yet."""
    findings: list[Finding] = []

    def refuse(condition: bool, place: tuple[str | int, ...], what: str, instead: str) -> None:
        if condition:
            findings.append((place, f"{what} is not supported yet; {instead}"))

    refuse(
        spec.dataset.task != "REGRESSION",
        ("dataset", "task"),
        f"the task {spec.dataset.task}",
        "use REGRESSION",
    )
    refuse(isinstance(spec.dataset.target, list), ("dataset", "target"), "a list of targets", "name one column")
    refuse(
        spec.loss.kind != "HUBER",
        ("loss", "kind"),
        f"the loss {spec.loss.kind!r}",
        "use HUBER (MSE and MAE are trained beside it as anchors)",
    )
    refuse(
        spec.loss.reduction != "SUM_OVER_BATCH_SIZE",
        ("loss", "reduction"),
        f"the reduction {spec.loss.reduction}",
        "use SUM_OVER_BATCH_SIZE",
    )
    refuse(
        spec.final is not None,
        ("final",),
        "the refit, the locked test and the export",
        "leave `final` out or set it to null",
    )
    refuse(
        spec.anchors == "FULL",
        ("anchors",),
        "FULL",
        'list the anchors, such as "MSE" or {"delta": 0.5, "unit": "SIGMA"}',
    )
    refuse(not spec.sampler.synchronous, ("sampler", "synchronous"), "asynchronous sampling", "use true")
    refuse(
        spec.budget.max_trial_duration is not None,
        ("budget", "max_trial_duration"),
        "a time limit for one trial",
        "use max_duration or max_epochs",
    )
    refuse(
        spec.budget.stop_after_no_improvement is not None,
        ("budget", "stop_after_no_improvement"),
        "stopping without improvement",
        "use max_trials or max_duration",
    )
    refuse(
        spec.budget.target_value is not None,
        ("budget", "target_value"),
        "stopping at a value",
        "use max_trials or max_duration",
    )
    refuse(
        spec.warm_start is not None and bool(spec.warm_start.from_),
        ("warm_start", "from"),
        "a warm start",
        "leave it out",
    )
    refuse(bool(spec.enqueue), ("enqueue",), "enqueueing trials", "use anchors for fixed deltas")
    refuse(bool(spec.webhooks), ("webhooks",), "webhooks", "poll GET /v1/sweeps/{id} or best-delta?wait=30")
    return findings
