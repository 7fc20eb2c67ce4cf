"""ROC curves of attacks on what was used: a training, a release. From scores in the run folder."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..verdict import Finding

if TYPE_CHECKING:  # a page without such curves loads neither NumPy nor SciPy
    import numpy as np
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"
Sides: TypeAlias = Mapping[str, tuple["Floats", "Floats"]]
"""Attack to scores of members and of others."""

CLAIMS = ("MembershipArea", "MembershipRate", "TrainingPrivacy", "DifferentialPrivacy")
"""Types of claims in whose games something was used or was not."""

TOGETHER = 6
"""Curves of one drawing: as many as there are ways to dash a line."""


def scores_by_arm(folder: Path, finding: Finding) -> tuple[tuple[str, Sides], ...]:
    """What a page draws of a finding about membership; nothing for other claims."""
    if finding.claim.get("type") not in CLAIMS:
        return ()
    prefix = "-".join(finding.id.split("/")[:2])
    arms = dict.fromkeys(row.arm for row in finding.rows)
    found = ((arm, scores_of(folder / "trials", prefix, arm)) for arm in arms)
    return tuple((arm, sides) for arm, sides in found if sides)


def allowed(finding: Finding, arm: str) -> Callable[[float], float] | None:
    """The largest TPR at an FPR that a claim of differential privacy leaves to any attack.

    None where the claim is another one, or the two worlds of the arm differ in several records.

    References:
        Kairouz, Oh, Viswanath (2015), Theorem 2.4, https://arxiv.org/abs/1311.0776.
    """
    epsilon, delta = finding.claim.get("epsilon"), finding.claim.get("delta")
    single = any(row.arm == arm and row.games.get("group") == 1 for row in finding.rows)
    if finding.claim.get("type") != "DifferentialPrivacy" or not single:
        return None
    if not isinstance(epsilon, int | float) or not isinstance(delta, int | float):
        return None
    more, less = math.exp(epsilon), math.exp(-epsilon)
    return lambda fpr: max(0.0, min(1.0, more * fpr + delta, 1 - less * (1 - delta - fpr)))


def roc_figures(
    sides: Sides, *, alpha: float, name: str, limit: Callable[[float], float] | None = None
) -> Iterator[str]:
    """Drawings of a few curves each, the attacks that find most at an FPR of 1 % first.

    Args:
        sides: Of one arm.
        alpha: Of the band.
        name: Unique within the page.
        limit: Largest TPR that the claim allows, by FPR.
    """
    from .roc import roc_figure

    order = best_first(sides)
    for start in range(0, len(order), TOGETHER):
        part = {who: sides[who] for who in order[start : start + TOGETHER]}
        yield roc_figure(part, alpha=alpha, name=f"{name}-{start}", limit=limit)


def best_first(sides: Sides) -> list[str]:
    """Attacks by what they find at an FPR of 1 %, then by the area under their curves."""
    import numpy as np

    from .roc import at, curve_of

    def found(who: str) -> tuple[float, float]:
        fpr, tpr = curve_of(*sides[who])
        return at(fpr, tpr, 0.01), float(np.trapezoid(tpr, fpr))

    return sorted(sides, key=found, reverse=True)


def scores_of(trials: Path, prefix: str, arm: str) -> dict[str, tuple[Floats, Floats]]:
    """Scores of members and non-members by adversary; empty where an arm asks something else.

    A file that is not what the run wrote is not read.
    """
    for path in sorted(trials.glob(f"{prefix}-*.json")):
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        arrays = path.with_suffix(".npz")
        if stored.get("arm") != arm or not arrays.is_file():
            continue
        if hashlib.sha256(arrays.read_bytes()).hexdigest() != stored.get("sha256"):
            continue
        import numpy as np

        with np.load(arrays, allow_pickle=False) as found:
            return _sides(dict(found))
    return {}


def _sides(arrays: dict[str, Any]) -> dict[str, tuple[Floats, Floats]]:
    used = arrays["truth"] == 1
    scores = {k.removeprefix("scores/"): v for k, v in arrays.items() if k.startswith("scores/")}
    return {
        who: (table[used, 0], table[~used, 0])
        for who, table in scores.items()
        if table.shape[1] == 1 and 0 < used.sum() < len(used)
    }
