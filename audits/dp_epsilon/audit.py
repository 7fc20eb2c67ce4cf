"""The verdict on a claim of (epsilon, delta)-differential privacy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...defenses.claims import DifferentialPrivacy
from ...defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu
from ...defenses.seeds import stream
from ...scenarios.contract import Trials
from ..case import Case
from ..statistics import auc_delong, clopper_pearson, guesses
from ..verdict import Control, Finding, Row, Verdict
from .rows import CONTROL_ALPHA, OPTIMUM, above_chance, looks_of, rows_of, sides

RESOLUTION = {"quick": 0.25, "full": 0.05}
"""Largest `detectable` with which a profile may say NOT_REFUTED, in advantage."""

AUC = 0.95
"""AUC on the release without noise that shows an adversary to work."""


def audit(case: Case, *, alpha: float, profile: str, seed: int) -> Finding:
    """Confront the claim with every adversary in every arm.

    REFUTED if a row refutes it after Holm and its swapped-view control is at the prior.
    NOT_REFUTED needs every control to hold and the likelihood ratio, which no other adversary can
    beat, to find an excess advantage of at most the profile's resolution. INCONCLUSIVE otherwise.
    Groups of several records are measured, not judged: the claim is about one.

    Args:
        case: What is audited.
        alpha: This claim's share of the run's alpha.
        profile: `quick` or `full`, sets the resolution.
        seed: Of the draws that break ties.
    """
    claim = case.claim
    if not isinstance(claim, DifferentialPrivacy):
        raise TypeError(f"claim={claim} must be of type DifferentialPrivacy")
    looks = looks_of([each for each in case.trials if _judged(each)])
    rows = rows_of(looks, claim, alpha=alpha)
    controls = _controls(case, rows)
    level = alpha / len(looks)
    detectable = min(
        (look.detectable(claim, level)[1] for look in looks if look.adversary == OPTIMUM),
        default=math.inf,
    )
    resolution = RESOLUTION[profile]
    honest = [row for row in rows if row.swapped["holds"]]
    strongest = min(honest or rows, key=lambda row: (row.p_adjusted, -row.estimate))
    verdict, reason = _verdict(strongest, claim, controls, detectable, resolution)
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
        measures=_measures(case.trials, claim, alpha=alpha, seed=seed),
        controls=controls,
    )


def _judged(trials: Trials) -> bool:
    """Membership of one record; groups, retrieval and re-keyed games are no test of the claim."""
    return (
        not trials.facts.get("control_of")
        and int(trials.facts.get("group", 1)) == 1
        and int(trials.counts.max()) == 2
        and bool(trials.scores)
    )


def _verdict(
    strongest: Row,
    claim: DifferentialPrivacy,
    controls: Sequence[Control],
    detectable: float,
    resolution: float,
) -> tuple[Verdict, str]:
    where = f"{strongest.adversary} ({strongest.arm})"
    if strongest.refutes and strongest.swapped["holds"]:
        return Verdict.REFUTED, (
            f"{where} shows epsilon of at least {strongest.estimate:.3g} at delta {claim.delta:g} "
            f"in {strongest.n} games, where {claim.epsilon:g} is claimed; Holm-adjusted "
            f"p = {strongest.p_adjusted:.2g}"
        )
    failed = [control.name for control in controls if not control.holds]
    if failed:
        return Verdict.INCONCLUSIVE, f"controls that do not hold: {', '.join(failed)}"
    if detectable > resolution:
        return Verdict.INCONCLUSIVE, (
            f"these games find an advantage of {detectable:.3f} beyond the claim with probability "
            f"0.9; the profile asks for {resolution:g}: play more games"
        )
    return Verdict.NOT_REFUTED, (
        f"no adversary shows more than epsilon {strongest.estimate:.3g}; an advantage of "
        f"{detectable:.3f} beyond what {claim.epsilon:g} allows would have been found with "
        "probability 0.9"
    )


def _controls(case: Case, rows: Sequence[Row]) -> tuple[Control, ...]:
    cheating = sorted({row.adversary for row in rows if not row.swapped["holds"]})
    controls = [
        Control(
            name="swapped views",
            expected="every adversary at chance on the views of other games",
            observed="above chance: " + ", ".join(cheating) if cheating else "at chance",
            holds=not cheating,
        ),
        *_rekeyed(case.trials),
    ]
    best = [
        (auc_delong(*sides(each, each.scores[name]), alpha=0.05).estimate, len(each.truth), name)
        for each in case.reference
        if _judged(each)
        for name in each.scores
    ]
    if best:
        area, games, name = max(best)
        controls.append(
            Control(
                name="release without noise",
                expected=f"an adversary tells the worlds apart with an AUC of at least {AUC}",
                observed=f"{name}: {area:.3f} in {games} games",
                holds=area >= AUC,
            )
        )
    return tuple(controls)


def _rekeyed(trials: Sequence[Trials]) -> list[Control]:
    """No counts are printed: these games differ from run to run, and the finding must not."""
    arms = {each.arm: each for each in trials}
    controls = []
    for again in trials:
        if name := again.facts.get("control_of"):
            first, second = arms[name], again
            differing = [who for who in again.scores if _differs(first, second, who)]
            controls.append(
                Control(
                    name="re-keyed games",
                    expected="the same scores with truth and coins from the operating system",
                    observed="differs: " + ", ".join(differing) if differing else "the same",
                    holds=not differing,
                )
            )
    return controls


def _differs(first: Trials, second: Trials, who: str) -> bool:
    pairs = zip(sides(first, first.scores[who]), sides(second, second.scores[who]), strict=True)
    level = CONTROL_ALPHA / (4 * len(first.scores))
    return any(min(above_chance(one, two), above_chance(two, one)) <= level for one, two in pairs)


def _measures(
    trials: Sequence[Trials], claim: DifferentialPrivacy, *, alpha: float, seed: int
) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for each in trials:
        if each.facts.get("control_of"):
            continue
        for name in each.scores:
            if int(each.counts.max()) > 2:
                found.append(_retrieval(each, name, alpha=alpha, seed=seed))
            else:
                found.append(_area(each, name, alpha=alpha))
        if int(each.facts.get("group", 1)) > 1:
            found += _group(each, claim, alpha=alpha)
    return tuple(found)


def _area(trials: Trials, name: str, *, alpha: float) -> dict[str, Any]:
    area = auc_delong(*sides(trials, trials.scores[name]), alpha=alpha)
    return {
        "name": "AUC",
        "arm": trials.arm,
        "adversary": name,
        "estimate": area.estimate,
        "interval": list(area.interval),
        "n": len(trials.truth),
    }


def _retrieval(trials: Trials, name: str, *, alpha: float, seed: int) -> dict[str, Any]:
    n, most = len(trials.truth), int(trials.counts.max())
    rng = stream(seed, "judge", trials.arm, name, "ties")
    picks = guesses(trials.scores[name], rng=rng, candidates=trials.counts)
    won = int((picks == trials.truth).sum())
    return {
        "name": f"retrieval among {most}",
        "arm": trials.arm,
        "adversary": name,
        "estimate": won / n,
        "interval": list(clopper_pearson(won, n, alpha=alpha)),
        "n": n,
        "chance": 1 / most,
    }


def _group(trials: Trials, claim: DifferentialPrivacy, *, alpha: float) -> list[dict[str, Any]]:
    """Epsilon of several records of one person, beside what the claim implies for them."""
    size = int(trials.facts["group"])
    rows = rows_of(looks_of([trials]), claim, alpha=alpha)
    implied = gaussian_epsilon(size * gaussian_mu(claim.epsilon, claim.delta), claim.delta)
    return [
        {
            "name": f"epsilon of {size} records",
            "arm": row.arm,
            "adversary": row.adversary,
            "estimate": row.estimate,
            "interval": list(row.interval),
            "n": row.n,
            "bound": row.metric,
            "implied by the claim if Gaussian": implied,
        }
        for row in rows
    ]
