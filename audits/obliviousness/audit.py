"""The verdict on an obliviousness claim (ObCLIP, Theorem 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...defenses.claims import Obliviousness
from ...scenarios.contract import Trials
from ..case import Case
from ..verdict import Control, Finding, Row, Verdict
from .measures import measures
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
    arms = _covered(case.trials, claim)
    rows = rows_of(arms, slack=claim.slack, alpha=alpha, seed=seed)
    controls = _controls(case, claim, rows, alpha, seed)
    outside = [each for each in case.trials if each.facts.get("outside")]
    measured = measures(
        arms, outside if claim.prior == "uniform" else (), rows, alpha=alpha, seed=seed
    )
    resolution = RESOLUTION[profile]
    detectable = _worst_detectable(rows)
    honest = [row for row in rows if row.swapped["holds"]]
    strongest = min(honest or rows, key=_strength)
    verdict, reason = _verdict(strongest, controls, detectable, resolution)
    if claim.prior != "uniform":
        reason += f"; {_prior_alone(measured)}"
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
        measures=measured,
        controls=controls,
    )


def _covered(trials: Sequence[Trials], claim: Obliviousness) -> list[Trials]:
    """The arms that a claim speaks of, controls left out."""
    arms = [
        each
        for each in trials
        if not (each.facts.get("control_of") or each.facts.get("outside"))
        and each.facts.get("prior", "uniform") == claim.prior
    ]
    if not arms:
        raise ValueError(
            f"claim={claim} is about a {claim.prior} prior, which no arm was played on"
        )
    return arms


def _prior_alone(measured: Sequence[Mapping[str, Any]]) -> str:
    """By how much the prior fails the claim without help from the protocol."""
    (most,) = [m for m in measured if m["name"] == "advantage over the best prior guess"][:1]
    return (
        f"the best guess without any view wins {most['best prior guess']:.3f} of these games and "
        f"1/N is {most['one in N']:.3f}, so that the prior alone gives an advantage of "
        f"{most['best prior guess'] - most['one in N']:.3f}; the views add "
        f"{most['estimate']:+.3f}, at most {most['interval'][1]:+.3f}"
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
    case: Case, claim: Obliviousness, rows: Sequence[Row], alpha: float, seed: int
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
    if claim.prior == "uniform":
        controls += _rekeyed(case, seed)
    if case.reference:
        arms = _covered(case.reference, claim)
        plain = rows_of(arms, slack=claim.slack, alpha=alpha, seed=seed)
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


def _rate(row: Row) -> float:
    return (row.wins or 0) / row.n
