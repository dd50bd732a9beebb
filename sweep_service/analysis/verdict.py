"""Two separate answers (SCIENCE R12): what to use (a decision), and what may be said (a claim)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from sweep_service.analysis.evidence import Comparison, Evidence
from sweep_service.core.objective import MAXIMIZED
from sweep_service.core.run import Purpose
from sweep_service.numerics.significance import holm

DEFAULT_C = 1.345
DEFAULT_ANCHOR = "1.345 SIGMA"
LIMITS = (DEFAULT_ANCHOR, "MSE", "MAE")
LEVEL = 0.05

Kind = Literal["TUNED_DELTA_BETTER", "ROBUST_LOSS_BETTER", "NO_DETECTABLE_EFFECT", "NOT_CONFIRMED"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence allows to be said of the best delta."""

    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Against:
    """One sampled trial against one anchor; `p_holm` is adjusted over all finalists, nan with a single pair."""

    anchor: str
    trial: int
    value: float
    comparison: Comparison
    p_holm: float

    @property
    def beaten(self) -> bool:
        """Whether the trial is told to be better than the anchor, at 5 %."""
        return self.comparison.gain > 0 and self.p_holm < LEVEL


def against_anchors(evidence: Evidence, number: int) -> list[Against]:
    """One trial against each anchor, on the same folds.

    Holm's adjustment is over all sampled trials of the confirmation: the best was chosen among them. In a
    search there are too many to adjust for; the apparent p is given as it is and no claim is made of it.
    """
    others = evidence.ranked(anchors=False) if evidence.purpose is Purpose.CONFIRM else [number]
    return [_against(evidence, label, anchor, others)[number] for label, anchor in evidence.anchors().items()]


def _against(evidence: Evidence, label: str, anchor: int, numbers: Sequence[int]) -> dict[int, Against]:
    tests = {n: evidence.compare(n, anchor) for n in numbers}
    known = all(c.pairs > 1 for c in tests.values())
    adjusted = holm([c.p_value for c in tests.values()]) if known else [math.nan] * len(tests)
    value = evidence.mean(anchor)
    return {n: Against(label, anchor, value, c, p) for (n, c), p in zip(tests.items(), adjusted, strict=True)}


def judge(evidence: Evidence, best: int, interval: str) -> Verdict:
    """The claim, over all finalists. `interval` says in words which deltas cannot be told from the best."""
    unconfirmed = _why_no_claim(evidence, best)
    if unconfirmed is not None:
        return Verdict("NOT_CONFIRMED", f"{unconfirmed} {interval}".strip())
    anchors = evidence.anchors()
    finalists = evidence.ranked(anchors=False)
    table = {label: _against(evidence, label, anchors[label], finalists) for label in LIMITS if label in anchors}
    if len(table) == len(LIMITS):
        winner = next((n for n in finalists if all(row[n].beaten for row in table.values())), None)
        if winner is not None:
            return _tuned(evidence, winner, best, [row[winner] for row in table.values()], interval)
    # The finalists first, as the table of gains tells their p; then the anchors' own deltas, in a family with them.
    beaten = {n: row.comparison for n, row in table["MSE"].items() if row.beaten}
    found = max(beaten.items(), key=lambda item: item[1].gain, default=None) or _beats_mse(evidence, anchors["MSE"])
    if found is not None:
        return _robust(evidence, found, table, interval)
    return _nothing(evidence, table["MSE"][best], interval)


def _why_no_claim(evidence: Evidence, best: int) -> str | None:
    if evidence.purpose is not Purpose.CONFIRM:
        if evidence.spec.confirm is None:
            return "Not confirmed: confirm is switched off, and the search's own runs chose the best delta."
        return "Not confirmed on fresh seeds: the best delta so far is provisional."
    if evidence.values[best].size < 2:
        return "Not confirmed: one set of held-out rows gives one comparison, and a claim takes at least two folds."
    if "MSE" not in evidence.anchors():
        return "Not confirmed: no MSE anchor was trained to the end, so that there is nothing to compare with."
    return None


def _tuned(evidence: Evidence, winner: int, best: int, rows: Sequence[Against], interval: str) -> Verdict:
    gains = ", ".join(f"{_amount(evidence, a.comparison.gain, a.value)} over {name(a.anchor)}" for a in rows)
    which = "The tuned delta"
    delta = evidence.delta(winner)
    if winner != best and delta is not None:
        which = f"A tuned delta, {delta.target:.3g} of trial {winner},"
    sentence = f"{which} is better: {gains} ({evidence.metric}, each at 5 % after Holm over the finalists). {interval}"
    return Verdict("TUNED_DELTA_BETTER", sentence.strip())


def _robust(
    evidence: Evidence, winner: tuple[int, Comparison], table: dict[str, dict[int, Against]], interval: str
) -> Verdict:
    """Some delta beats the MSE limit, and no finalist beats all that it must."""
    number, comparison = winner
    mse = evidence.mean(evidence.anchors()["MSE"])
    ends = (DEFAULT_ANCHOR, "MAE")
    not_beaten = [name(e) for e in ends if e in table and not any(a.beaten for a in table[e].values())]
    missing = [name(e) for e in ends if e not in table]
    rest = [f"is not told to be better than {' or '.join(not_beaten)}"] if not_beaten else []
    rest += [f"was not compared with {' and '.join(missing)}"] if missing else []
    but = " and ".join(rest) or "does not beat MSE, MAE and 1.345 sigma at once"
    delta = evidence.delta(number)
    at = f"delta {delta.target:.3g}, " if delta is not None else ""
    sentence = (
        f"A robust loss is better than MSE ({at}{_amount(evidence, comparison.gain, mse)} in {evidence.metric}), but "
        f"the tuned delta {but}: as far as can be told, the default of 1.345 sigma is as good. {interval}"
    )
    return Verdict("ROBUST_LOSS_BETTER", sentence.strip())


def _nothing(evidence: Evidence, mse: Against, interval: str) -> Verdict:
    degrees = mse.comparison.pairs - 1
    resolution = float(stdtrit(degrees, 1 - LEVEL / 2)) * mse.comparison.standard_error
    sentence = (
        f"No detectable effect: no delta can be told to be better than plain MSE on this data (resolution about "
        f"\u00b1{_amount(evidence, resolution, mse.value)} of {evidence.metric}). {interval}"
    )
    return Verdict("NO_DETECTABLE_EFFECT", sentence.strip())


def _beats_mse(evidence: Evidence, mse: int) -> tuple[int, Comparison] | None:
    """The best of the deltas, tuned or anchored, that beat the MSE limit; Holm over all that were asked."""
    huber = [*evidence.ranked(anchors=False), *(n for n in evidence.anchors().values() if evidence.delta(n))]
    tests = {n: evidence.compare(n, mse) for n in huber}
    adjusted = holm([c.p_value for c in tests.values()])
    better = {n: c for (n, c), p in zip(tests.items(), adjusted, strict=True) if p < LEVEL and c.gain > 0}
    return max(better.items(), key=lambda item: item[1].gain, default=None)


def recommend(evidence: Evidence, best: int, against: Sequence[Against]) -> dict[str, object]:
    """The decision: leave 1.345 sigma only where the corrected t of the best exceeds 1 (R12)."""
    default = evidence.delta_of(DEFAULT_C, "SIGMA")
    found = evidence.delta(best)
    reference = next((a for a in against if a.anchor == DEFAULT_ANCHOR), None)
    if found is not None and evidence.purpose is Purpose.CONFIRM and reference is not None:
        t = reference.comparison.t
        if t > 1:
            sentence = (
                f"Use the tuned delta: against 1.345 sigma its corrected t is {t:.2f}, above 1 "
                "(a decision rule, not a claim of significance)."
            )
            return {"delta": found.as_dict(), "default": False, "sentence": sentence}
    return {"delta": default.as_dict(), "default": True, "sentence": _why_default(evidence, reference)}


def _why_default(evidence: Evidence, reference: Against | None) -> str:
    if evidence.purpose is not Purpose.CONFIRM:
        return "Use 1.345 sigma for now: the tuned delta is not confirmed on fresh seeds."
    if reference is None:
        return "Keep 1.345 sigma: it was not trained as an anchor, so that nothing shows the tuned delta to be better."
    if reference.comparison.pairs < 2:
        return "Keep 1.345 sigma: one set of held-out rows does not show the tuned delta to be better."
    t = reference.comparison.t
    return f"Keep 1.345 sigma: the tuned delta does no better on fresh seeds (corrected t {t:.2f}, not above 1)."


def _amount(evidence: Evidence, difference: float, value: float) -> str:
    """A difference as a share of the anchor's value; of R2, itself a share, as it is."""
    if evidence.metric in MAXIMIZED or value == 0:
        return f"{difference:.3g}"
    return f"{100 * difference / abs(value):.1f} %"


def name(label: str) -> str:
    """An anchor's label in words."""
    return label.replace("SIGMA", "sigma").replace("TARGET", "in target units")
