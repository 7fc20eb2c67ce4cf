"""The verdicts on what HE-Diffusion claims: hidden, indistinguishable, 128 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...defenses.claims import Hidden, Indistinguishability, SecurityLevel
from ..case import Case
from ..verdict import Control, Finding, Row, Verdict
from . import distinguish, hidden
from .measures import measures_of
from .parameters import SecurityEntry, security_level

RESOLUTION = {"quick": 0.25, "full": 0.05}
"""Largest `detectable` with which a profile may say NOT_REFUTED, beyond what is allowed."""

RETRIEVAL = 0.9
"""Success on the undefended pipeline that shows an adversary to work."""

SIMULATED = "simulated view"
"""The exact argument that covers everything but ciphertexts."""


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
        rows = hidden.rows_of(case.trials, case.reference, claim, alpha=alpha, seed=seed)
        plain = hidden.rows_of(case.reference, case.reference, claim, alpha=alpha, seed=seed)
    elif isinstance(claim, Indistinguishability):
        rows = distinguish.rows_of(case.trials, claim, alpha=alpha, seed=seed)
        plain = distinguish.rows_of(case.reference, claim, alpha=alpha, seed=seed)
    else:
        raise TypeError(f"claim={claim} must be Hidden, Indistinguishability or SecurityLevel")
    measures = measures_of(case, alpha=alpha, seed=seed)
    return _judged(case, rows, plain, measures, alpha=alpha, resolution=RESOLUTION[profile])


def _judged(
    case: Case,
    rows: tuple[Row, ...],
    plain: Sequence[Row],
    measures: tuple[Mapping[str, Any], ...],
    *,
    alpha: float,
    resolution: float,
) -> Finding:
    controls = _controls(rows, plain)
    honest = [row for row in rows if row.swapped["holds"]]
    strongest = min(honest or rows, key=_strength, default=None)
    detectable = max((row.detectable for row in rows), default=None)
    covered = any(e["name"] == SIMULATED and e["holds"] for e in case.exact)
    verdict, reason = _verdict(strongest, controls, detectable, resolution, covered=covered)
    return Finding(
        **case.finding_fields(),
        verdict=verdict,
        reason=reason,
        metric=strongest.metric if strongest else "not measured",
        estimate=strongest.estimate if strongest else None,
        interval=strongest.interval if strongest else None,
        ceiling=strongest.ceiling if strongest else None,
        detectable=detectable,
        resolution=resolution,
        alpha=alpha,
        n=strongest.n if strongest else 0,
        rows=rows,
        measures=measures,
        controls=controls,
    )


def _strength(row: Row) -> tuple[bool, float, float]:
    """Refuting rows first, then the smallest p-value, then the largest estimate."""
    return not row.refutes, row.p_adjusted, -row.estimate


def _verdict(
    strongest: Row | None,
    controls: Sequence[Control],
    detectable: float | None,
    resolution: float,
    *,
    covered: bool,
) -> tuple[Verdict, str]:
    if strongest is None or detectable is None:
        return Verdict.INCONCLUSIVE, "no adversary of this run reads anything that is sent"
    if strongest.refutes and strongest.swapped["holds"]:
        return Verdict.REFUTED, f"{_said(strongest)}; Holm-adjusted p = {strongest.p_adjusted:.2g}"
    failed = [control.name for control in controls if not control.holds]
    if failed:
        return Verdict.INCONCLUSIVE, f"controls that do not hold: {', '.join(failed)}"
    if covered:
        return Verdict.NOT_REFUTED, (
            "the view can be made up without the secret, ciphertexts and public keys aside, and no "
            f"adversary gained from those; games alone find {detectable:.3f} beyond the claim"
        )
    if detectable > resolution:
        return Verdict.INCONCLUSIVE, (
            f"these games find {detectable:.3f} beyond the claim with probability 0.9; the profile "
            f"asks for {resolution:g}: play more games"
        )
    return Verdict.NOT_REFUTED, (
        f"no adversary shows more than the claim allows; {detectable:.3f} beyond it would have "
        "been found with probability 0.9"
    )


def _said(row: Row) -> str:
    where = f"{row.adversary} ({row.arm})"
    if row.wins is not None:
        return f"{where} won {row.wins} of {row.n} games, where {row.critical} refute the claim"
    low, high = row.interval
    return f"{where} reaches a {row.metric} of {row.estimate:.3f} [{low:.3f}, {high:.3f}]"


def _controls(rows: Sequence[Row], plain: Sequence[Row]) -> tuple[Control, ...]:
    cheating = sorted({row.adversary for row in rows if not row.swapped["holds"]})
    controls = [
        Control(
            name="swapped views",
            expected="every adversary at the prior on the views of other executions",
            observed="above the prior: " + ", ".join(cheating) if cheating else "at the prior",
            holds=not cheating,
        )
    ]
    won = [row for row in plain if row.wins is not None]
    if won:
        best = max(won, key=_rate)
        controls.append(
            Control(
                name="undefended pipeline",
                expected=f"an adversary is right in at least {RETRIEVAL:.0%} of games",
                observed=f"{best.adversary}: {_rate(best):.0%} of {best.n} games",
                holds=_rate(best) >= RETRIEVAL,
            )
        )
    return tuple(controls)


def _rate(row: Row) -> float:
    return (row.wins or 0) / row.n


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
    )


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
