"""ROC curves on log-log axes: what an attack finds while it accuses almost nobody falsely."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..statistics import clopper_pearson
from ..statistics.roc import failures_last
from . import svg

Floats = npt.NDArray[np.float64]

LEAST = 1e-4
"""Smallest rate on the axes."""

WIDTH, HEIGHT = 440.0, 430.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 424.0, 34.0, 372.0
STEPS = 80
"""Points at which the band is drawn."""

DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
"""Curves differ by their dashes too, not by colour alone."""


def curve_of(members: npt.ArrayLike, non_members: npt.ArrayLike) -> tuple[Floats, Floats]:
    """False- and true-positive rate above every threshold, from (0, 0) to (1, 1)."""
    positive, negative = failures_last(members, non_members)
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    found = [
        1 - np.searchsorted(np.sort(s), thresholds, "right") / len(s) for s in (negative, positive)
    ]
    fpr, tpr = (np.concatenate([side, [1.0]]) for side in found)
    return fpr, tpr


def roc_figure(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    alpha: float,
    name: str,
    limit: Callable[[float], float] | None = None,
) -> str:
    """Draw curves, the pointwise Clopper-Pearson band of the first, and what n resolves.

    Args:
        curves: Attack to scores of members and of non-members.
        alpha: Of the band.
        name: Unique within the page.
        limit: Largest true-positive rate that a claim allows, by false-positive rate.
    """
    drawn = {who: curve_of(*scores) for who, scores in curves.items()}
    sizes = [np.size(outside) for _, outside in curves.values()]
    smallest = min(10 / max(min(sizes), 1), 1.0)
    children = _frame(smallest)
    first = next(iter(curves))
    children.append(_band(drawn[first], np.size(curves[first][0]), alpha))
    for number, (who, (fpr, tpr)) in enumerate(drawn.items()):
        children.append(_trace(fpr, tpr, DASHES[number % len(DASHES)]))
        children += _key(number, who)
    if limit is not None:
        children += _limit(limit, len(drawn))
    spoken = "; ".join(
        f"{who}: TPR {at(fpr, tpr, 0.01):.3g} at FPR 1 %" for who, (fpr, tpr) in drawn.items()
    )
    return svg.picture(
        children,
        name=name,
        width=WIDTH,
        height=HEIGHT + 18 * (len(drawn) + (limit is not None)),
        title="ROC on log-log axes",
        description=f"{spoken}. {_spoken(limit)}FPR below {smallest:.2g} is beyond these games.",
        class_="roc",
    )


def _spoken(limit: Callable[[float], float] | None) -> str:
    return f"The claim allows {limit(0.01):.3g} at FPR 1 %. " if limit is not None else ""


def at(fpr: Floats, tpr: Floats, allowed: float) -> float:
    """Largest true-positive rate among points with a false-positive rate of at most `allowed`."""
    return float(tpr[fpr <= allowed].max(initial=0.0))


def _x(rate: float) -> float:
    return LEFT + (RIGHT - LEFT) * _part(rate)


def _y(rate: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * _part(rate)


def _part(rate: float) -> float:
    return 1 - math.log(max(rate, LEAST)) / math.log(LEAST)


def _frame(smallest: float) -> list[str]:
    parts = [svg.hatching(LEFT, TOP, max(_x(smallest) - LEFT, 0.0), BOTTOM - TOP)]
    for power in range(round(math.log10(LEAST)), 1):
        rate, text = 10.0**power, f"{10.0**power:g}"
        parts.append(svg.line(_x(rate), TOP, _x(rate), BOTTOM, "grid"))
        parts.append(svg.line(LEFT, _y(rate), RIGHT, _y(rate), "grid"))
        parts.append(svg.label(_x(rate), BOTTOM + 16, text, "tick", "middle"))
        parts.append(svg.label(LEFT - 6, _y(rate) + 4, text, "tick", "end"))
    parts.append(svg.line(_x(LEAST), _y(LEAST), _x(1), _y(1), "chance"))
    parts.append(
        svg.label((LEFT + RIGHT) / 2, BOTTOM + 34, "false-positive rate", "head", "middle")
    )
    parts.append(svg.label(LEFT - 50, TOP - 14, "true-positive rate", "head"))
    return parts


def _trace(fpr: Floats, tpr: Floats, dashes: str) -> str:
    corners = [f"M{_x(LEAST):.1f} {_y(at(fpr, tpr, LEAST)):.1f}"]
    shown = fpr > LEAST
    for a, b in zip(*_thinned(fpr[shown], tpr[shown]), strict=True):
        corners.append(f"H{_x(a):.1f}V{_y(b):.1f}")
    return svg.element(
        "path", d="".join(corners), class_="interval", stroke_dasharray=dashes or None
    )


def _thinned(fpr: Floats, tpr: Floats) -> tuple[Floats, Floats]:
    """The last point of each pixel: millions of scores make a small drawing."""
    parts = 1 - np.log(np.maximum(fpr, LEAST)) / math.log(LEAST)
    pixels = np.rint(2 * (LEFT + (RIGHT - LEFT) * parts))
    last = np.append(pixels[1:] != pixels[:-1], True)[: len(fpr)]
    return fpr[last], tpr[last]


def _band(curve: tuple[Floats, Floats], members: int, alpha: float) -> str:
    upper, lower = [], []
    for rate in np.geomspace(LEAST, 1, STEPS):
        hits = round(at(*curve, float(rate)) * members)
        low, high = clopper_pearson(hits, members, alpha=alpha)
        upper.append(f"{_x(rate):.1f} {_y(high):.1f}")
        lower.append(f"{_x(rate):.1f} {_y(low):.1f}")
    return svg.path(f"M{'L'.join([*upper, *reversed(lower)])}Z", "band")


def _limit(limit: Callable[[float], float], number: int) -> Sequence[str]:
    rates = [float(rate) for rate in np.geomspace(LEAST, 1, STEPS)]
    corners = "L".join(f"{_x(rate):.1f} {_y(limit(rate)):.1f}" for rate in rates)
    y = BOTTOM + 56 + 18 * number
    return (
        svg.path(f"M{corners}", "limit"),
        svg.element("path", d=f"M{LEFT:g} {y:g}h34", class_="limit"),
        svg.label(LEFT + 42, y + 4, "most that the claim allows", "name limit-text"),
    )


def _key(number: int, who: str) -> Sequence[str]:
    y = BOTTOM + 56 + 18 * number
    dashes = DASHES[number % len(DASHES)] or None
    line = svg.element("path", d=f"M{LEFT:g} {y:g}h34", class_="interval", stroke_dasharray=dashes)
    return (line, svg.label(LEFT + 42, y + 4, svg.cut(who, 48), "name"))
