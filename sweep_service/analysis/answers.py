"""The answers that users ask for, as JSON values: the best delta, and the response to delta.

Everything is computed from trials and runs alone, so an answer can be had at any moment of a sweep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sweep_service.analysis.equivalence import Equivalent, equivalent_deltas
from sweep_service.analysis.evidence import Evidence, gather
from sweep_service.analysis.response import band
from sweep_service.analysis.verdict import DEFAULT_ANCHOR, Verdict, against_anchors, judge, recommend
from sweep_service.core.objective import direction
from sweep_service.core.parameters import delta_unit
from sweep_service.core.run import Purpose, Run
from sweep_service.core.search_space import FloatRange
from sweep_service.core.spec import SweepSpec
from sweep_service.core.sweep import Sweep
from sweep_service.core.trial import Trial, TrialState

NOTHING_YET = "No trial is complete: there is nothing to say."
MAX_DELTA = 1e12


def best_delta(
    sweep: Sweep, trials: Sequence[Trial], runs: Sequence[Run], data: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The best delta, how much is known of it, and what to do.

    Args:
        sweep: whose spec says what is better.
        trials: all of them.
        runs: all of them, curves not needed.
        data: the `data` report of the first PLAN; None before it.
    """
    spec = SweepSpec.model_validate(sweep.spec)
    metric = spec.objective.metric
    answer: dict[str, Any] = {
        "sweep": sweep.id,
        "state": sweep.state.value,
        "status": "NONE",
        "delta": None,
        "sigma": data["sigma"] if data else None,
        "sigma_method": data["sigma_method"] if data else None,
        "trial": None,
        "parameters": None,
        "objective": {"metric": metric, "direction": direction(metric), "value": None, "standard_error": None},
        "equivalent": None,
        "gains": [],
        "recommended": None,
        "verdict": {"kind": "NOT_CONFIRMED", "sentence": NOTHING_YET},
        "apparent_gain": None,
        "confirmed_gain": None,
        "at_bound": None,
        "suggested_range": None,
        "warnings": [],
    }
    if data is None:
        return answer
    evidence = gather(spec, trials, runs, data)
    ranked = evidence.ranked(anchors=False)
    if not ranked:
        return answer
    best = ranked[0]
    search = evidence if evidence.purpose is Purpose.SEARCH else Evidence(spec, trials, runs, data, Purpose.SEARCH)
    equivalent = equivalent_deltas(search, evidence, best)
    against = against_anchors(evidence, best)
    bound, wider = at_bound(spec, evidence.trials[best])
    found = evidence.delta(best)
    answer |= {
        "status": "CONFIRMED" if evidence.purpose is Purpose.CONFIRM else "PROVISIONAL",
        "delta": found.as_dict() if found else None,
        "trial": best,
        "parameters": dict(evidence.trials[best].parameters),
        "objective": answer["objective"]
        | {"value": evidence.mean(best), "standard_error": _finite(evidence.standard_error(best))},
        "equivalent": _equivalent_json(equivalent),
        "gains": [
            {
                "anchor": a.anchor,
                "trial": a.trial,
                "value": a.value,
                "gain": a.comparison.gain,
                "gain_percent": _finite(100 * a.comparison.gain / abs(a.value)) if a.value else None,
                "interval": [a.comparison.low, a.comparison.high] if a.comparison.pairs > 1 else None,
                "t": _finite(a.comparison.t),
                "p_value": _finite(a.comparison.p_value),
                # Nothing is adjusted in a search, whose trials are too many to adjust for.
                "p_holm": _finite(a.p_holm) if evidence.purpose is Purpose.CONFIRM else None,
            }
            for a in against
        ],
        "recommended": recommend(evidence, best, against),
        "verdict": _verdict_json(judge(evidence, best, equivalent.sentence if equivalent else "")),
        "apparent_gain": _gain_over_default(search),
        "confirmed_gain": _gain_over_default(evidence) if evidence.purpose is Purpose.CONFIRM else None,
        "at_bound": bound,
        "suggested_range": wider,
        "warnings": _warnings(bound, wider, trials, data),
    }
    return answer


def delta_response(
    sweep: Sweep, trials: Sequence[Trial], runs: Sequence[Run], data: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The objective over delta, column by column, in target units, from the search runs."""
    spec = SweepSpec.model_validate(sweep.spec)
    answer: dict[str, Any] = {
        "sweep": sweep.id,
        "metric": spec.objective.metric,
        "direction": direction(spec.objective.metric),
        "sigma": data["sigma"] if data else None,
        "target_name": data["target_name"] if data else None,
        "delta_unit": delta_unit(spec),
        "points": {"number": [], "delta": [], "value": [], "low": [], "high": [], "state": []},
        "anchors": [],
        "band": {"delta": [], "median": [], "low": [], "high": []},
        "best": None,
        "equivalent": None,
        "range": None,
        "verdict": {"kind": "NOT_CONFIRMED", "sentence": NOTHING_YET},
    }
    if data is None:
        return answer
    search = Evidence(spec, trials, runs, data, Purpose.SEARCH)
    numbers = sorted(n for n in search.ranked(anchors=False) if search.delta(n) is not None)
    deltas = [d.target for n in numbers if (d := search.delta(n)) is not None]
    answer["points"] = {
        "number": numbers,
        "delta": deltas,
        "value": [search.mean(n) for n in numbers],
        "low": [_edge(search, n, -1) for n in numbers],
        "high": [_edge(search, n, +1) for n in numbers],
        "state": [search.trials[n].state.value for n in numbers],
    }
    answer["range"] = _range(spec, search)
    answer["band"] = band(np.array(deltas), np.array(answer["points"]["value"]))
    _add_pruned(answer["points"], search)
    evidence = gather(spec, trials, runs, data)
    answer["anchors"] = [
        {
            "label": label,
            "trial": n,
            "delta": d.target if (d := evidence.delta(n)) else None,
            "value": evidence.mean(n),
            "low": _edge(evidence, n, -1),
            "high": _edge(evidence, n, +1),
        }
        for label, n in evidence.anchors().items()
    ]
    found = best_delta(sweep, trials, runs, data)
    answer["verdict"] = found["verdict"]
    if found["delta"] is not None:
        best = found["trial"]
        answer["best"] = {
            "trial": best,
            "delta": found["delta"]["target"],
            "value": evidence.mean(best),
            "low": _edge(evidence, best, -1),
            "high": _edge(evidence, best, +1),
        }
    if found["equivalent"] is not None:
        answer["equivalent"] = {k: found["equivalent"][k]["target"] for k in ("low", "high")}
    return answer


def _add_pruned(points: dict[str, list[Any]], search: Evidence) -> None:
    """Pruned trials are shown where they left; they enter neither the median nor any comparison."""
    for number, trial in sorted(search.trials.items()):
        value = trial.values.get(search.metric)
        delta = search.delta(number)
        if trial.state is not TrialState.PRUNED or trial.anchor is not None or value is None or delta is None:
            continue
        for name, cell in {"number": number, "delta": delta.target, "value": value, "low": None, "high": None}.items():
            points[name].append(cell)
        points["state"].append(trial.state.value)


def at_bound(spec: SweepSpec, trial: Trial) -> tuple[str | None, dict[str, Any] | None]:
    """Whether a trial's delta lies within 2 % of its range's logarithm from an end, and the wider range (R4)."""
    wanted = spec.parameters.get("delta")
    value = trial.parameters.get("delta")
    if not isinstance(wanted, FloatRange) or value is None:
        return None, None
    forward = math.log if wanted.log else float
    share = (forward(value) - forward(wanted.low)) / (forward(wanted.high) - forward(wanted.low))
    wide = {"low": wanted.low, "high": wanted.high, "unit": wanted.unit}
    if share < 0.02:
        return "LOW", wide | {"low": wanted.low / 10}
    if share > 0.98:
        return "HIGH", wide | {"high": min(wanted.high * 10, MAX_DELTA)}
    return None, None


def _gain_over_default(evidence: Evidence) -> float | None:
    """Gain of the best trial over the anchor 1.345 sigma, or over MSE where that one is absent (R13)."""
    ranked, anchors = evidence.ranked(anchors=False), evidence.anchors()
    reference = anchors.get(DEFAULT_ANCHOR, anchors.get("MSE"))
    if not ranked or reference is None:
        return None
    return _finite(evidence.sign * (evidence.mean(ranked[0]) - evidence.mean(reference)))


def _warnings(
    bound: str | None, wider: Mapping[str, Any] | None, trials: Sequence[Trial], data: Mapping[str, Any]
) -> list[str]:
    found = []
    if data.get("sigma_statistic", "MAD") != "MAD":
        found.append(
            "More than half of the target's rows lie on a fit without error (many equal values?), so that the usual "
            f"scale vanishes: {data['sigma_sentence']}"
        )
    if bound is not None and wider is not None:
        end = "lower" if bound == "LOW" else "upper"
        found.append(
            f"The best delta lies on the {end} end of its range: search {wider['low']:g} to {wider['high']:g} "
            f"({wider['unit']}) to be sure."
        )
    failed = sum(1 for t in trials if t.state is TrialState.FAILED)
    if failed:
        found.append(f"{failed} of {len(trials)} trials failed; their reasons stand with them.")
    return found


def _range(spec: SweepSpec, evidence: Evidence) -> dict[str, float] | None:
    wanted = spec.parameters.get("delta")
    if not isinstance(wanted, FloatRange):
        return None
    unit = wanted.unit or "SIGMA"
    return {"low": evidence.delta_of(wanted.low, unit).target, "high": evidence.delta_of(wanted.high, unit).target}


def _edge(evidence: Evidence, number: int, side: int) -> float | None:
    return _finite(evidence.mean(number) + side * evidence.standard_error(number))


def _equivalent_json(found: Equivalent | None) -> dict[str, Any] | None:
    if found is None:
        return None
    low = {"target": found.low.target, "sigma": found.low.sigma}
    high = {"target": found.high.target, "sigma": found.high.sigma}
    return {"low": low, "high": high, "sentence": found.sentence}


def _verdict_json(verdict: Verdict) -> dict[str, str]:
    return {"kind": verdict.kind, "sentence": verdict.sentence.strip()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
