"""The verdict on an obliviousness claim (ObCLIP, Theorem 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...defenses.claims import Obliviousness
from ..case import Case
from ..statistics import held_out_leakage
from ..verdict import Control, Finding, Row, Verdict
from .rows import METRIC, disagreeing, rows_of

RESOLUTION = {"quick": 0.25, "full": 0.05}
"""Largest `detectable` with which a profile may say NOT_REFUTED, in advantage."""

RETRIEVAL = 0.9
"""Success on the undefended pipeline that shows an adversary to work."""


def audit(case: Case, *, alpha: float, profile: str, seed: int) -> Finding:
    """Confront the claim with every adversary in every arm.

    REFUTED if a row refutes it after Holm and its swapped-view control is at the prior.
    NOT_REFUTED needs every control to hold and `detectable` at most the profile's resolution.
    INCONCLUSIVE otherwise.

    Args:
        case: What is audited.
        alpha: This claim's share of the run's alpha.
        profile: `quick` or `full`, sets the resolution.
        seed: Seed of the draws that break ties.
    """
    claim = case.claim
    if not isinstance(claim, Obliviousness):
        raise TypeError(f"claim={claim} must be of type Obliviousness")
    arms = [each for each in case.trials if not each.facts.get("control_of")]
    rows = rows_of(arms, slack=claim.slack, alpha=alpha, seed=seed)
    controls = _controls(case, rows, claim.slack, alpha, seed)
    resolution = RESOLUTION[profile]
    detectable = _worst_detectable(rows)
    honest = [row for row in rows if row.swapped["holds"]]
    strongest = min(honest or rows, key=_strength)
    verdict, reason = _verdict(strongest, controls, detectable, resolution)
    return Finding(
        **case.finding_fields(),
        verdict=verdict,
        reason=reason,
        metric=strongest.metric,
        estimate=strongest.estimate,
        interval=strongest.interval,
        ceiling=strongest.ceiling,
        detectable=detectable,
        resolution=resolution,
        alpha=alpha,
        n=strongest.n,
        rows=rows,
        measures=_measures(rows, alpha),
        controls=controls,
    )


def _verdict(
    strongest: Row,
    controls: Sequence[Control],
    detectable: float,
    resolution: float,
) -> tuple[Verdict, str]:
    where = f"{strongest.adversary} ({strongest.arm})"
    if strongest.refutes and strongest.swapped["holds"]:
        return Verdict.REFUTED, (
            f"{where} won {strongest.wins} of {strongest.n} games, where {strongest.critical} "
            f"refute the claim; Holm-adjusted p = {strongest.p_adjusted:.2g}"
        )
    failed = [control.name for control in controls if not control.holds]
    if failed:
        return Verdict.INCONCLUSIVE, f"controls that do not hold: {', '.join(failed)}"
    if detectable > resolution:
        return Verdict.INCONCLUSIVE, (
            f"these games find an advantage of {detectable:.3f} with probability 0.9; the profile "
            f"asks for {resolution:g}: play more games"
        )
    return Verdict.NOT_REFUTED, (
        f"no adversary beats 1/N + slack; an advantage of {detectable:.3f} would have been found "
        "with probability 0.9"
    )


def _strength(row: Row) -> tuple[bool, bool, float, float]:
    """Refuting rows first, games before derived tests, then the largest leak that is shown."""
    return not row.refutes, row.metric != METRIC, row.p_adjusted, -row.interval[0]


def _worst_detectable(rows: Sequence[Row]) -> float:
    best: dict[str, float] = {}
    for row in rows:
        if row.metric == METRIC:
            best[row.adversary] = min(best.get(row.adversary, float("inf")), row.detectable)
    return max(best.values())


def _controls(
    case: Case, rows: Sequence[Row], slack: float, alpha: float, seed: int
) -> tuple[Control, ...]:
    cheating = sorted({row.adversary for row in rows if not row.swapped["holds"]})
    controls = [
        Control(
            name="swapped views",
            expected="every adversary at the prior on the views of other executions",
            observed="above the prior: " + ", ".join(cheating) if cheating else "at the prior",
            holds=not cheating,
        )
    ]
    controls += _rekeyed(case, seed)
    if case.reference:
        arms = [each for each in case.reference if not each.facts.get("control_of")]
        plain = rows_of(arms, slack=slack, alpha=alpha, seed=seed)
        best = max((r for r in plain if r.metric == METRIC), key=_rate)
        rate = _rate(best)
        controls.append(
            Control(
                name="undefended pipeline",
                expected=f"an adversary names the real prompt in at least {RETRIEVAL:.0%} of games",
                observed=f"{best.adversary}: {rate:.0%} of {best.n} games",
                holds=rate >= RETRIEVAL,
            )
        )
    return tuple(controls)


def _rekeyed(case: Case, seed: int) -> list[Control]:
    """No counts are printed: these games differ from run to run, and the finding must not."""
    arms = {each.arm: each for each in case.trials}
    controls = []
    for again in case.trials:
        if name := again.facts.get("control_of"):
            differing = disagreeing(arms[name], again, seed=seed)
            controls.append(
                Control(
                    name="re-keyed games",
                    expected="the same success with truth and coins from the operating system",
                    observed="differs: " + ", ".join(differing) if differing else "the same",
                    holds=not differing,
                )
            )
    return controls


def _measures(rows: Sequence[Row], alpha: float) -> tuple[dict[str, Any], ...]:
    measured = []
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [row for row in rows if row.arm == arm and row.metric == METRIC]
        level = alpha / len(mine)
        leaks = {
            r.adversary: held_out_leakage(r.wins or 0, r.n, prior=r.chance, alpha=level)
            for r in mine
        }
        name = max(leaks, key=lambda key: leaks[key].lower + 1e-9 * leaks[key].success)
        leak = leaks[name]
        measured.append(
            {
                "name": "min-entropy leakage",
                "unit": "bit",
                "arm": arm,
                "adversary": name,
                "estimate": leak.bits,
                "interval": [leak.lower, leak.upper],
                "ceiling": leak.ceiling,
                "n": leak.n,
            }
        )
    return tuple(measured)


def _rate(row: Row) -> float:
    return (row.wins or 0) / row.n
