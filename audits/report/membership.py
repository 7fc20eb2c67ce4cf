"""ROC curves of the attacks on a trained model, from the scores in the run folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..verdict import Finding

if TYPE_CHECKING:  # a page without such curves loads neither NumPy nor SciPy
    import numpy as np
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"
Sides: TypeAlias = Mapping[str, tuple["Floats", "Floats"]]
"""Attack to scores of members and of others."""

TOGETHER = 6
"""Curves of one drawing: as many as there are ways to dash a line."""


def scores_by_arm(folder: Path, finding: Finding) -> tuple[tuple[str, Sides], ...]:
    """What a page draws of a finding about areas; nothing for other claims."""
    if finding.claim.get("type") != "MembershipArea":
        return ()
    prefix = "-".join(finding.id.split("/")[:2])
    arms = dict.fromkeys(row.arm for row in finding.rows)
    found = ((arm, scores_of(folder / "trials", prefix, arm)) for arm in arms)
    return tuple((arm, sides) for arm, sides in found if sides)


def roc_figures(sides: Sides, *, alpha: float, name: str) -> Iterator[str]:
    """Drawings of a few curves each, the attacks that find most at an FPR of 1 % first.

    Args:
        sides: Of one arm.
        alpha: Of the band.
        name: Unique within the page.
    """
    import numpy as np

    from .roc import at, curve_of, roc_figure

    def found(who: str) -> tuple[float, float]:
        fpr, tpr = curve_of(*sides[who])
        return at(fpr, tpr, 0.01), float(np.trapezoid(tpr, fpr))

    order = sorted(sides, key=found, reverse=True)
    for start in range(0, len(order), TOGETHER):
        part = {who: sides[who] for who in order[start : start + TOGETHER]}
        yield roc_figure(part, alpha=alpha, name=f"{name}-{start}")


def scores_of(trials: Path, prefix: str, arm: str) -> dict[str, tuple[Floats, Floats]]:
    """Scores of members and non-members by adversary; empty where an arm asks something else.

    A file that is not what the run wrote is not read.
    """
    import numpy as np

    for path in sorted(trials.glob(f"{prefix}-*.json")):
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        arrays = path.with_suffix(".npz")
        if stored.get("arm") != arm or not arrays.is_file():
            continue
        if hashlib.sha256(arrays.read_bytes()).hexdigest() != stored.get("sha256"):
            continue
        with np.load(arrays, allow_pickle=False) as found:
            return _sides(dict(found))
    return {}


def _sides(arrays: dict[str, Any]) -> dict[str, tuple[Floats, Floats]]:
    used = arrays["truth"] == 1
    scores = {k.removeprefix("scores/"): v for k, v in arrays.items() if k.startswith("scores/")}
    return {
        who: (table[used, 0], table[~used, 0])
        for who, table in scores.items()
        if table.shape[1] == 1
    }
