"""From rows and controls to a verdict: what audits of hiding have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .case import Case
from .verdict import Control, Finding, Row, Verdict

RESOLUTION = {"quick": 0.25, "full": 0.05}
"""Largest `detectable` with which a profile may say NOT_REFUTED, beyond what is allowed."""

RETRIEVAL = 0.9
"""Success on the undefended pipeline that shows an adversary to work."""


def judged(
    case: Case,
    rows: tuple[Row, ...],
    plain: Sequence[Row],
    measures: tuple[Mapping[str, Any], ...],
    *,
    alpha: float,
    resolution: float,
    covered: str,
    works: float = RETRIEVAL,
    further: Sequence[Control] = (),
) -> Finding:
    """The finding that rows and controls support.

    Args:
        case: What is audited.
        rows: Of the claim, after Holm.
        plain: The same adversaries on the undefended pipeline.
        measures: Beside the verdict.
        alpha: This claim's level.
        resolution: Largest `detectable` that supports NOT_REFUTED.
        covered: What an exact argument says in place of games; empty without one.
        works: Success on the undefended pipeline that shows an adversary to work.
        further: Controls beyond swapped views and the undefended pipeline.
    """
    controls = (*_controls(rows, plain, works), *further)
    honest = [row for row in rows if row.swapped["holds"]]
    strongest = min(honest or rows, key=_strength, default=None)
    detectable = max((row.detectable for row in rows), default=None)
    verdict, reason = _verdict(strongest, controls, detectable, resolution, covered)
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
    covered: str,
) -> tuple[Verdict, str]:
    if strongest is None or detectable is None:
        return Verdict.INCONCLUSIVE, "no adversary of this run reads anything that is sent"
    if strongest.refutes and strongest.swapped["holds"]:
        return Verdict.REFUTED, f"{_said(strongest)}; Holm-adjusted p = {strongest.p_adjusted:.2g}"
    failed = [control.name for control in controls if not control.holds]
    if failed:
        return Verdict.INCONCLUSIVE, f"controls that do not hold: {', '.join(failed)}"
    found = f"find {detectable:.3f} beyond the claim"
    if math.isinf(detectable):
        found = "are too few to find anything beyond the claim"
    if covered:
        return Verdict.NOT_REFUTED, f"{covered}; games alone {found}"
    if detectable > resolution:
        return Verdict.INCONCLUSIVE, (
            f"these games {found} with probability 0.9; the profile asks for {resolution:g}: play "
            "more games"
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


def _controls(rows: Sequence[Row], plain: Sequence[Row], works: float) -> tuple[Control, ...]:
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
        best = max(won, key=rate)
        controls.append(
            Control(
                name="undefended pipeline",
                expected=f"an adversary is right in at least {works:.0%} of games",
                observed=f"{best.adversary}: {rate(best):.0%} of {best.n} games",
                holds=rate(best) >= works,
            )
        )
    return tuple(controls)


def rate(row: Row) -> float:
    """Share of games won."""
    return (row.wins or 0) / row.n
