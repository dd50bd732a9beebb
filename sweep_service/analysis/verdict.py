"""Two separate answers (SCIENCE R12): what to use (a decision), and what may be said (a claim)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from sweep_service.analysis.evidence import Comparison, Evidence
from sweep_service.core.run import Purpose
from sweep_service.numerics.significance import holm

DEFAULT_C = 1.345
DEFAULT_ANCHOR = "1.345 SIGMA"
LEVEL = 0.05

Kind = Literal["TUNED_DELTA_BETTER", "ROBUST_LOSS_BETTER", "NO_DETECTABLE_EFFECT", "NOT_CONFIRMED"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence allows to be said of the best delta."""

    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Against:
    """The best trial against one anchor; `p_holm` is adjusted over all finalists."""

    anchor: str
    trial: int
    value: float
    comparison: Comparison
    p_holm: float


def against_anchors(evidence: Evidence, best: int) -> list[Against]:
    """The best trial against each anchor, on the same folds.

    Holm's adjustment is over all sampled trials of the confirmation: the best was chosen among them. In a
    search there are too many to adjust for; the apparent p is given as it is and no claim is made of it.
    """
    found = []
    others = evidence.ranked(anchors=False) if evidence.purpose is Purpose.CONFIRM else [best]
    for label, anchor in evidence.anchors().items():
        tests = {n: evidence.compare(n, anchor) for n in others}
        known = {n: c for n, c in tests.items() if c is not None}
        if best not in known:
            continue
        adjusted = dict(zip(known, holm([c.p_value for c in known.values()]), strict=True))
        found.append(Against(label, anchor, evidence.mean(anchor), known[best], float(adjusted[best])))
    return found


def judge(evidence: Evidence, against: list[Against], interval: str) -> Verdict:
    """The claim. `interval` says in words which deltas cannot be told from the best."""
    by_label = {a.anchor: a for a in against}
    if evidence.purpose is not Purpose.CONFIRM:
        return Verdict(
            "NOT_CONFIRMED", f"Not confirmed on fresh seeds: the best delta so far is provisional. {interval}"
        )
    limits = [by_label.get(label) for label in (DEFAULT_ANCHOR, "MSE", "MAE")]
    mse = by_label.get("MSE")
    if mse is None:
        return Verdict("NOT_CONFIRMED", f"No claim can be made: the MSE anchor was not trained to the end. {interval}")
    if all(a is not None and a.comparison.gain > 0 and a.p_holm < LEVEL for a in limits):
        gains = ", ".join(f"{_percent(a)} over {_name(a.anchor)}" for a in limits if a is not None)
        return Verdict(
            "TUNED_DELTA_BETTER",
            f"The tuned delta is better: {gains} ({evidence.metric}, each at 5 % after Holm). {interval}",
        )
    if _beats_mse(evidence, mse):
        return Verdict(
            "ROBUST_LOSS_BETTER",
            f"A robust loss is better than MSE ({_percent(mse)} in {evidence.metric}), but the tuned delta cannot be "
            f"told from 1.345 sigma or from MAE: the default is enough. {interval}",
        )
    degrees = max(1, mse.comparison.pairs - 1)
    resolution = float(stdtrit(degrees, 1 - LEVEL / 2)) * mse.comparison.standard_error
    share = 100 * resolution / abs(mse.value) if mse.value else float("nan")
    return Verdict(
        "NO_DETECTABLE_EFFECT",
        f"No detectable effect: no delta can be told from plain MSE on this data (resolution about {share:.1f} % "
        f"of {evidence.metric}). {interval}",
    )


def _beats_mse(evidence: Evidence, mse: Against) -> bool:
    """Whether some delta, tuned or anchored, beats the MSE limit; Holm over all that were asked."""
    huber = [*evidence.ranked(anchors=False), *(n for n in evidence.anchors().values() if evidence.delta(n))]
    tests = [c for n in huber if (c := evidence.compare(n, mse.trial)) is not None]
    adjusted = holm([c.p_value for c in tests])
    return any(p < LEVEL and c.gain > 0 for p, c in zip(adjusted, tests, strict=True))


def recommend(evidence: Evidence, best: int, against: list[Against]) -> dict[str, object]:
    """The decision: leave 1.345 sigma only where the corrected t of the best exceeds 1 (R12)."""
    default = evidence.delta_of(DEFAULT_C, "SIGMA")
    found = evidence.delta(best)
    reference = next((a for a in against if a.anchor == DEFAULT_ANCHOR), None)
    if evidence.purpose is not Purpose.CONFIRM:
        sentence = "Use 1.345 sigma for now: the tuned delta is not confirmed on fresh seeds yet."
        return {"delta": default.as_dict(), "default": True, "sentence": sentence}
    if found is not None and reference is None:
        sentence = "Use the tuned delta; the anchor 1.345 sigma was not trained, so nothing is said against it."
        return {"delta": found.as_dict(), "default": False, "sentence": sentence}
    if found is not None and reference is not None and reference.comparison.t > 1:
        sentence = (
            f"Use the tuned delta: against 1.345 sigma its corrected t is {reference.comparison.t:.2f}, above 1 "
            "(a decision rule, not a claim of significance)."
        )
        return {"delta": found.as_dict(), "default": False, "sentence": sentence}
    t = reference.comparison.t if reference is not None else float("nan")
    sentence = f"Keep 1.345 sigma: the tuned delta does no better on fresh seeds (corrected t {t:.2f}, not above 1)."
    return {"delta": default.as_dict(), "default": True, "sentence": sentence}


def _percent(against: Against) -> str:
    return f"{100 * against.comparison.gain / abs(against.value):.1f} %" if against.value else "a gain"


def _name(label: str) -> str:
    return label.replace("SIGMA", "sigma").replace("TARGET", "in target units")
