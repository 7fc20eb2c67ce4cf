"""The verdict on what a training claims: an area, a rate, or an epsilon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...defenses.claims import MembershipArea, MembershipRate, TrainingPrivacy
from ...scenarios.contract import Trials
from ...scenarios.trainings import BASELINE
from ..case import Case
from ..dp_epsilon.rows import above_chance
from ..judging import RESOLUTION, RETRIEVAL, judged
from ..verdict import Control, Finding, Row, Verdict
from .measures import measures_of
from .rows import CONTROL_ALPHA, Look, area_rows, epsilon_rows, looks_of, permuted, rate_rows

FOUND = 0.5
"""Share of an overfitted training's members that an attack which works finds at a low FPR."""

MATCHED = "no-model baseline"
"""The control without which nothing that an attack finds says anything of the model."""

ONCE = "every sample once"
"""The control without which pairs of samples are not so many games."""

BELIEVED = {
    MATCHED: "members differ from the others without any model",
    ONCE: "samples are scored several times, which is no more evidence than once",
}
"""Controls without which nothing is refuted, and what is the matter where they miss."""


def audit(case: Case, *, alpha: float, profile: str, seed: int) -> Finding:
    """Confront a claim with every attack in every arm.

    REFUTED if a row refutes it after Holm, its swapped-view control is at the prior, no sample is
    scored twice, and the baseline that never queries the model is at chance: or members differ from
    others by themselves, and the attack may have found that. NOT_REFUTED needs every control, and
    `detectable` at most the profile's resolution.

    Args:
        case: What is audited.
        alpha: This claim's share of the run's alpha.
        profile: `quick` or `full`, sets the resolution.
        seed: Of pairings and permutations.

    Raises:
        TypeError: If the claim is of another type.
    """
    rows = _rows(case, case.trials, alpha=alpha, seed=seed)
    plain = _rows(case, case.reference, alpha=alpha, seed=seed)
    found = judged(
        case,
        rows,
        plain,
        measures_of(case, alpha=alpha, seed=seed),
        alpha=alpha,
        resolution=RESOLUTION[profile],
        covered="",
        works=_works(case),
        further=(*_reference(rows, plain, _works(case)), *_controls(case.trials, seed)),
    )
    if not rows:
        reason = "no arm has an attack and enough samples that were not trained on"
        return replace(found, reason=reason)
    missed = [BELIEVED[c.name] for c in found.controls if c.name in BELIEVED and not c.holds]
    if found.verdict is Verdict.REFUTED and missed:
        reason = f"{found.reason}; but {', and '.join(missed)}"
        return replace(found, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return found


def _rows(case: Case, trials: Sequence[Trials], *, alpha: float, seed: int) -> tuple[Row, ...]:
    claim, looks = case.claim, looks_of(trials)
    if isinstance(claim, MembershipArea):
        return area_rows(looks, claim, alpha=alpha, seed=seed)
    if isinstance(claim, MembershipRate):
        return rate_rows(looks, claim, alpha=alpha)
    if isinstance(claim, TrainingPrivacy):
        return epsilon_rows(looks, claim, alpha=alpha, seed=seed)
    raise TypeError(f"claim={claim} must be MembershipArea, MembershipRate or TrainingPrivacy")


def _works(case: Case) -> float:
    return FOUND if isinstance(case.claim, MembershipRate) else RETRIEVAL


def _reference(rows: Sequence[Row], plain: Sequence[Row], works: float) -> tuple[Control, ...]:
    """Attacks that nobody saw succeed say nothing where they fail."""
    if plain or not rows:
        return ()
    control = Control(
        name="undefended pipeline",
        expected=f"an adversary is right in at least {works:.0%} of games",
        observed="not measured: no arm of it has enough samples that were not trained on",
        holds=False,
    )
    return (control,)


def _controls(trials: Sequence[Trials], seed: int) -> tuple[Control, ...]:
    looks = looks_of(trials)
    baseline = [Look(trials=each, adversary=BASELINE) for each in trials if BASELINE in each.scores]
    found = [_at_chance("permuted labels", [permuted(look, seed) for look in looks])]
    if baseline:
        found.append(_at_chance(MATCHED, baseline))
    counted = {each.arm: each.facts["repeated"] for each in trials if "repeated" in each.facts}
    if counted:
        found.append(_once(counted))
    return tuple(found)


def _once(counted: Mapping[str, int]) -> Control:
    repeated = [f"{count} in {arm}" for arm, count in counted.items() if count]
    return Control(
        name=ONCE,
        expected="no sample is another one once more",
        observed="repeated: " + ", ".join(repeated) if repeated else "none is",
        holds=not repeated,
    )


def _at_chance(name: str, looks: Sequence[Look]) -> Control:
    level = CONTROL_ALPHA / max(1, len(looks))
    p_values = {f"{k.adversary} ({k.trials.arm})": above_chance(*k.sides) for k in looks}
    above = [who for who, p in p_values.items() if p <= level]
    least: Any = min(p_values.values(), default=1.0)
    return Control(
        name=name,
        expected="at chance in every arm",
        observed="above chance: " + ", ".join(above) if above else f"smallest p {least:.2g}",
        holds=not above,
    )
