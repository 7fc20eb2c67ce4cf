"""ROC curves on log-log axes for a paper, from the scores in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..statistics import clopper_pearson
from .cards import Card
from .latex_figures import figure
from .latex_tables import Terms
from .latex_text import escape, slug
from .membership import TOGETHER, Sides, best_first, scores_by_arm
from .roc import LEAST, STEPS, at, curve_of

Floats = npt.NDArray[np.float64]


def roc_figures(folder: Path, card: Card, terms: Terms) -> Iterator[tuple[str, str]]:
    """Names and drawings: one an arm in which members stand against non-members."""
    for arm, sides in scores_by_arm(folder, card.finding):
        name = f"roc-{slug(card.finding.id)}-{slug(arm)}"
        yield name, _figure(card, arm, sides, terms, name)


def _figure(card: Card, arm: str, every: Sides, terms: Terms, name: str) -> str:
    sides = {who: every[who] for who in best_first(every)[:TOGETHER]}
    parts = [
        f"\\addplot[LatentLeak chance] coordinates {{({LEAST:g},{LEAST:g}) (1,1)}};",
    ]
    first = next(iter(sides))
    parts += _band(*sides[first], card.finding.alpha)
    for who, (inside, outside) in sides.items():
        fpr, tpr = curve_of(inside, outside)
        rates = _grid(len(outside))
        points = " ".join(f"({x:.4g},{max(at(fpr, tpr, x), LEAST):.4g})" for x in rates)
        parts.append(f"\\addplot+[LatentLeak roc] coordinates {{{points}}};")
        parts.append(f"\\addlegendentry{{{escape(who)}}}")
    body = [
        "\\begin{tikzpicture}",
        "\\begin{loglogaxis}[LatentLeak rates]",
        *parts,
        "\\end{loglogaxis}",
        "\\end{tikzpicture}",
    ]
    games = [sum(map(len, pair)) for pair in sides.values()]
    smallest = min(10 / max(min(len(outside) for _, outside in sides.values()), 1), 1.0)
    text = (
        f"{escape(card.finding.id)}, {escape(arm)}: true- against false-positive rate. Gray: "
        f"pointwise Clopper--Pearson band of {escape(first)} at $\\alpha = "
        f"{card.finding.alpha:.3g}$; false-positive rates below {smallest:.2g} are beyond these "
        "games."
    )
    if len(every) > len(sides):
        text += f" The best {len(sides)} of {len(every)} attacks."
    return figure("\n".join(body), terms.caption(text, games), name)


def _grid(negatives: int) -> Floats:
    """Where a curve is drawn: not below what the games resolve."""
    return np.geomspace(max(1 / max(negatives, 1), LEAST), 1, STEPS)


def _band(inside: Floats, outside: Floats, alpha: float) -> list[str]:
    curve, members = curve_of(inside, outside), len(inside)
    upper, lower = [], []
    for rate in _grid(len(outside)):
        low, high = clopper_pearson(round(at(*curve, float(rate)) * members), members, alpha=alpha)
        upper.append(f"({rate:.4g},{max(high, LEAST):.4g})")
        lower.append(f"({rate:.4g},{max(low, LEAST):.4g})")
    shape = " ".join([*upper, *reversed(lower)])
    return [f"\\addplot[LatentLeak band] coordinates {{{shape}}} -- cycle;"]
