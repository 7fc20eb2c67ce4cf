"""The verdicts on what PPIDM claims: hidden from some servers, work that leaves, fidelity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import partial

from ...defenses.claims import Fidelity, Hidden, Offload
from ...defenses.ppidm.protocol import Ppidm
from ...scenarios.contract import Trials
from .. import hiding
from ..case import Case
from ..judging import RESOLUTION, RETRIEVAL, judged, rate
from ..verdict import Control, Finding, Verdict
from . import argument, coalitions, coupling
from .fidelity import Median, games_needed, median
from .measures import measures_of
from .offload import reaches, stable_diffusion_macs

COVERED = (
    "whatever the prompt, these servers see uniform shares: their views coincide under masks "
    "translated, and no test tells the masks from uniform"
)
"""What the exact argument says."""


def audit(case: Case, *, alpha: float, profile: str, seed: int) -> Finding:
    """Confront a claim with every coalition of its size, with a count, or with the PSNR of games.

    Hidden: as for every defence that hides, over the arms of the claim's coalition. In mode `ring`
    the test of shares is one more row: a promise to show uniform residues is broken if they are
    not, whoever gains from it. Offload is exact. Fidelity is REFUTED if the interval of the median
    lies below the claim, NOT_REFUTED if it lies at or above, else INCONCLUSIVE.

    Args:
        case: What is audited.
        alpha: This claim's share of the run's alpha.
        profile: `quick` or `full`, sets the resolution.
        seed: Seed of the draws that break ties.

    Raises:
        TypeError: If the claim is of another type.
    """
    claim, resolution = case.claim, RESOLUTION[profile]
    if isinstance(claim, Hidden):
        return _hidden(case, claim, alpha=alpha, resolution=resolution, seed=seed)
    if isinstance(claim, Offload):
        return _offload(case, claim, alpha=alpha, resolution=resolution)
    if isinstance(claim, Fidelity):
        return _fidelity(case, claim, alpha=alpha, resolution=resolution)
    raise TypeError(f"claim={claim} must be Hidden, Offload or Fidelity")


def _hidden(case: Case, claim: Hidden, *, alpha: float, resolution: float, seed: int) -> Finding:
    shares = argument.named(case.exact, argument.NAME)
    from_many = claim.what.endswith(coalitions.ALL_BUT_ONE)
    further = [partial(argument.uniform_row, shares)] if shares is not None and from_many else []
    rows = hiding.rows_of(
        coalitions.against(case.trials, claim),
        case.reference,
        claim,
        alpha=alpha,
        seed=seed,
        further=further,
    )
    plain = hiding.rows_of(case.reference, case.reference, claim, alpha=alpha, seed=seed)
    coupled = argument.named(case.exact, coupling.NAME)
    proven = shares is not None and coupled is not None and coupled["holds"]
    return judged(
        case,
        rows,
        plain,
        measures_of(case, claim, alpha=alpha, seed=seed),
        alpha=alpha,
        resolution=resolution,
        covered=COVERED if proven else "",
        further=_everyone(case.trials, case.reference, claim, alpha=alpha, seed=seed),
    )


def _everyone(
    trials: Iterable[Trials], reference: Iterable[Trials], claim: Hidden, *, alpha: float, seed: int
) -> tuple[Control, ...]:
    """Do the adversaries read shares at all? With every server's they must."""
    arms = coalitions.everyone(trials)
    rows = hiding.rows_of(arms, list(reference), claim, alpha=alpha, seed=seed)
    won = [row for row in rows if row.wins is not None]
    if not won:
        return ()
    best = max(won, key=rate)
    return (
        Control(
            name="all servers together",
            expected=f"an adversary is right in at least {RETRIEVAL:.0%} of games",
            observed=f"{best.adversary}: {rate(best):.0%} of {best.n} games",
            holds=rate(best) >= RETRIEVAL,
        ),
    )


def _offload(case: Case, claim: Offload, *, alpha: float, resolution: float) -> Finding:
    """Count what servers compute, on the shapes that the claim is about."""
    preset = _preset(case)
    macs = stable_diffusion_macs(preset)
    share, held = macs.served_share, reaches(macs.served_share, claim.share)
    counted = {
        "name": "multiply-accumulates",
        "statement": "of a Stable-Diffusion-1-shaped U-Net pass at 64 x 64, without guidance",
        "total": macs.total,
        "served": macs.served,
        "in the modules named": macs.named,
    }
    own = {
        each.facts["offload_share"]: each.facts.get("preset")
        for each in case.trials
        if "offload_share" in each.facts
    }
    return Finding(
        **{**case.finding_fields(), "exact": (counted,)},
        verdict=Verdict.NOT_REFUTED if held else Verdict.REFUTED,
        reason=(
            f"{preset}: servers compute {share:.1%} of the multiply-accumulates of Stable "
            f"Diffusion 1, in modules that make up {macs.share:.1%}; the claim is "
            f"{claim.share:.0%}, to whole percents"
        ),
        metric="share of multiply-accumulates that servers compute",
        estimate=share,
        interval=(share, share),
        ceiling=None,
        detectable=0.0,
        resolution=resolution,
        alpha=alpha,
        n=0,
        rows=(),
        measures=tuple(
            {
                "name": "share of multiply-accumulates that servers compute, model under test",
                "estimate": each,
                "preset": layers,
                "cost": True,
            }
            for each, layers in own.items()
        ),
    )


def _fidelity(case: Case, claim: Fidelity, *, alpha: float, resolution: float) -> Finding:
    """Bonferroni over arms; one that repeats executions counts once, a measured one not."""
    judged_on = _pictures(each for each in case.trials if not each.facts.get("measured"))
    level = alpha / max(1, len(judged_on))
    every = {**_pictures(case.trials), **judged_on}
    medians = {arm: (median(psnr, alpha=level), len(psnr)) for psnr, arm in every.items()}
    found = {arm: medians[arm] for arm in judged_on.values()}
    worst = min(found.values(), key=lambda each: each[0].estimate, default=None)
    if any(each.interval.high < claim.at_least for each, _ in found.values()):
        verdict = Verdict.REFUTED
    elif found and all(each.interval.low >= claim.at_least for each, _ in found.values()):
        verdict = Verdict.NOT_REFUTED
    else:
        verdict = Verdict.INCONCLUSIVE
    return Finding(
        **{**case.finding_fields(), "exact": ()},
        verdict=verdict,
        reason=_fidelity_reason(claim, worst, level),
        metric=f"median {claim.metric} [dB]",
        estimate=None if worst is None else worst[0].estimate,
        interval=None if worst is None else worst[0].interval,
        ceiling=None,
        detectable=None if worst is None else 0.0,
        resolution=resolution,
        alpha=alpha,
        n=0 if worst is None else worst[1],
        rows=(),
        measures=tuple(
            {
                "name": f"median {claim.metric}",
                "arm": arm,
                "unit": "dB",
                "estimate": each.estimate,
                "interval": list(each.interval),
                "n": n,
            }
            for arm, (each, n) in medians.items()
        ),
    )


def _pictures(trials: Iterable[Trials]) -> dict[tuple[float, ...], str]:
    """PSNR of all games to the first arm that shows them."""
    found: dict[tuple[float, ...], str] = {}
    for each in trials:
        if psnr := each.facts.get("psnr"):
            found.setdefault(tuple(psnr), each.arm)
    return found


def _fidelity_reason(claim: Fidelity, worst: tuple[Median, int] | None, level: float) -> str:
    if worst is None:
        return "no arm has pictures to compare"
    found, n = worst
    if not found.interval.bounded:
        return f"{n} games bound no median; {games_needed(level)} do"
    low, high = found.interval
    return (
        f"half of all pictures reach {found.estimate:.1f} dB [{low:.1f}, {high:.1f}] or more, n = "
        f"{n}; the claim is {claim.at_least:g} dB"
    )


def _preset(case: Case) -> str:
    """Which layers the defence sends away."""
    default = next(field.default for field in fields(Ppidm) if field.name == "preset")
    return str(case.defense.get("fields", {}).get("preset", default))
