"""The verdicts on what HE-Diffusion claims: hidden, indistinguishable, 128 bits."""

from __future__ import annotations

from typing import Any

from ...defenses.claims import Hidden, Indistinguishability, SecurityLevel
from .. import hiding
from ..case import Case
from ..judging import RESOLUTION, judged
from ..verdict import Finding, Verdict
from . import costs, distinguish
from .measures import measures_of
from .parameters import SecurityEntry, security_level

SIMULATED = "simulated view"
"""The exact argument that covers everything but ciphertexts."""

COVERED = (
    "the view can be made up without the secret, ciphertexts and public keys aside, and no "
    "adversary gained from those"
)
"""What it says."""


def audit(case: Case, *, alpha: float, profile: str, seed: int) -> Finding:
    """Confront a claim with every adversary, or a security level with the tables.

    REFUTED if a row refutes it after Holm and its swapped-view control is at the prior.
    NOT_REFUTED needs every control to hold and `detectable` at most the profile's resolution, or
    the exact argument that the view can be simulated. INCONCLUSIVE otherwise.

    Args:
        case: What is audited.
        alpha: This claim's share of the run's alpha.
        profile: `quick` or `full`, sets the resolution.
        seed: Seed of the draws that break ties.

    Raises:
        TypeError: If the claim is of another type.
    """
    claim = case.claim
    if isinstance(claim, SecurityLevel):
        return _level(case, claim, alpha=alpha, resolution=RESOLUTION[profile])
    if isinstance(claim, Hidden):
        rows = hiding.rows_of(case.trials, case.reference, claim, alpha=alpha, seed=seed)
        plain = hiding.rows_of(case.reference, case.reference, claim, alpha=alpha, seed=seed)
    elif isinstance(claim, Indistinguishability):
        rows = distinguish.rows_of(case.trials, claim, alpha=alpha, seed=seed)
        plain = distinguish.rows_of(case.reference, claim, alpha=alpha, seed=seed)
    else:
        raise TypeError(f"claim={claim} must be Hidden, Indistinguishability or SecurityLevel")
    measures = measures_of(case, alpha=alpha, seed=seed)
    simulated = any(e["name"] == SIMULATED and e["holds"] for e in case.exact)
    return judged(
        case,
        rows,
        plain,
        measures,
        alpha=alpha,
        resolution=RESOLUTION[profile],
        covered=COVERED if simulated else "",
    )


def _level(case: Case, claim: SecurityLevel, *, alpha: float, resolution: float) -> Finding:
    """Look the parameters up: exact, no games."""
    entry = _entry(case, claim)
    reached = 0 if entry is None else entry.level
    accepted = reached >= claim.bits
    return Finding(
        **{**case.finding_fields(), "exact": (_looked_up(claim, entry),)},
        verdict=Verdict.NOT_REFUTED if accepted else Verdict.REFUTED,
        reason=_level_reason(entry),
        metric="security level [bits]",
        estimate=float(reached),
        interval=(float(reached), float(reached)),
        ceiling=None,
        detectable=0.0,
        resolution=resolution,
        alpha=alpha,
        n=0,
        rows=(),
        measures=_costs(case),
    )


def _costs(case: Case) -> tuple[dict[str, Any], ...]:
    """Sizes and the price of flooding, of the first arm that encrypts."""
    for each in case.trials:
        if each.facts.get("parameters") is not None:
            return costs.measures_of(each.facts["parameters"], int(each.facts["steps"]))
    return ()


def _entry(case: Case, claim: SecurityLevel) -> SecurityEntry | None:
    """What the claim's table says about the parameters; None if nothing is encrypted.

    Raises:
        ValueError: If no table is of the claim's edition.
    """
    chosen = next((p for t in case.trials if (p := t.facts.get("parameters")) is not None), None)
    if chosen is None:
        return None
    entries = security_level(
        poly_modulus_degree=int(chosen["degree"]),
        coeff_mod_bits=[int(bits) for bits in chosen["modulus_bits"]],
        required=claim.bits,
    )
    for entry in entries:
        if _year(entry.edition) in claim.table:
            return entry
    raise ValueError(f"table={claim.table!r} must be one of the editions 2018 and 2024")


def _year(edition: str) -> str:
    return edition.rpartition(" ")[2]


def _looked_up(claim: SecurityLevel, entry: SecurityEntry | None) -> dict[str, Any]:
    facts = (
        {}
        if entry is None
        else {
            "poly_modulus_degree": entry.poly_modulus_degree,
            "modulus_bits": entry.modulus_bits,
            "limit": entry.limit,
            "margin": entry.margin,
        }
    )
    return {"name": "table look-up", "statement": claim.table, **facts}


def _level_reason(entry: SecurityEntry | None) -> str:
    if entry is None:
        return "nothing is encrypted: 0 bits"
    return (
        f"{entry.edition} allows {entry.limit} bits of modulus at N = "
        f"{entry.poly_modulus_degree} for {entry.required} bits of security; these parameters "
        f"have {entry.modulus_bits}"
    )
