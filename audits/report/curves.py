"""Leakage curves: one panel an adversary, on common axes, with floor, claim and ceiling.

A measure that has the key `along`, a pair of what varies and its value, is a point of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import formats, svg
from .forest import Scale

HEIGHT = 116
"""Of a panel's axes."""

HEAD = 40
FOOT = 56
LOWEST = -0.5
"""Estimates below are drawn at the lower edge: worse than having seen nothing."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things go.

    Attributes:
        width: Of the drawing.
        columns: Panels beside each other.
        style: Of the drawing.
    """

    width: float
    columns: int
    style: str


WIDE = Layout(width=880, columns=4, style="forest wide")
NARROW = Layout(width=380, columns=2, style="forest narrow")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measured value.

    Attributes:
        x: Where.
        y: Estimate.
        low: Lower end of its interval.
        high: Upper end.
    """

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One measure along something, for several adversaries.

    Attributes:
        measure: Name.
        along: What varies.
        floor: Value of whoever saw nothing.
        ceiling: Value of the undefended pipeline.
        series: Adversary to points, in order of x.
    """

    measure: str
    along: str
    floor: float
    ceiling: float
    series: Mapping[str, tuple[Point, ...]]


def curves(measures: Sequence[Mapping[str, Any]]) -> tuple[Curve, ...]:
    """The curves among a finding's measures, of two points and more."""
    groups: dict[tuple[str, str, float, float], dict[str, list[Point]]] = {}
    for record in measures:
        if "along" not in record or not math.isfinite(float(record["estimate"])):
            continue
        label, x = record["along"]
        ends = (float(record.get("floor", 0)), float(record.get("ceiling", 1)))
        ends_of = record.get("interval") or (None, None)
        low, high = (math.nan if end is None else float(end) for end in ends_of)
        point = Point(x=float(x), y=float(record["estimate"]), low=low, high=high)
        series = groups.setdefault((str(record["name"]), str(label), *ends), {})
        series.setdefault(str(record.get("adversary", "")), []).append(point)
    return tuple(_curves(groups))


def _curves(
    groups: Mapping[tuple[str, str, float, float], Mapping[str, list[Point]]],
) -> Iterator[Curve]:
    for (name, label, floor, ceiling), found in groups.items():
        series = {
            who: tuple(sorted(points, key=lambda p: p.x))
            for who, points in found.items()
            if len({p.x for p in points}) > 1
        }
        if series:
            yield Curve(measure=name, along=label, floor=floor, ceiling=ceiling, series=series)


def curve_figure(curve: Curve, *, limit: float | None, name: str, layout: Layout = WIDE) -> str:
    """Draw a curve.

    Args:
        curve: What is drawn.
        limit: Value up to which the claim holds; None draws no line.
        name: Unique within the page.
        layout: Wide or narrow.
    """
    columns = min(layout.columns, max(len(curve.series), 2))
    pitch, rows = layout.width / columns, -(-len(curve.series) // columns)
    values = sorted({p.x for points in curve.series.values() for p in points})
    span = values[-1] - values[0]
    children = []
    for number, (who, points) in enumerate(curve.series.items()):
        left, top = (number % columns) * pitch, (number // columns) * (HEAD + HEIGHT + FOOT)
        x = Scale(
            low=values[0] - 0.08 * span,
            high=values[-1] + 0.08 * span,
            left=left + 38,
            right=left + pitch - 10,
        )
        y = Scale(
            low=min(LOWEST, curve.floor) if _negative(curve) else curve.floor - 0.05,
            high=curve.ceiling * 1.08,
            left=top + HEAD + HEIGHT,
            right=top + HEAD,
        )
        children += _panel(curve, limit, x, y, values)
        children.append(svg.label(x.left, top + HEAD - 14, svg.cut(who, 24), "name"))
        children += _points(points, x, y)
    spoken = "; ".join(
        f"{who}: " + ", ".join(f"{formats.share(p.y)} at {p.x:.3g}" for p in points)
        for who, points in curve.series.items()
    )
    return svg.picture(
        children,
        name=name,
        width=layout.width,
        height=rows * (HEAD + HEIGHT + FOOT),
        title=f"{curve.measure} against {curve.along}",
        description=spoken,
        class_=layout.style,
    )


def highest(points: Sequence[Point]) -> tuple[Point, ...]:
    """The best at each place, which the trace joins: of several coalitions of a size, say."""
    return tuple({p.x: p for p in sorted(points, key=lambda p: (p.x, p.y))}.values())


def _negative(curve: Curve) -> bool:
    return any(p.low < curve.floor - 0.05 for points in curve.series.values() for p in points)


def _panel(
    curve: Curve, limit: float | None, x: Scale, y: Scale, values: Sequence[float]
) -> list[str]:
    lines = [(curve.floor, "chance"), (curve.ceiling, "ceiling")]
    lines += [] if limit is None else [(limit, "limit")]
    parts = [svg.line(x.left, y.at(v), x.right, y.at(v), style) for v, style in lines]
    parts += [
        svg.label(x.left - 5, y.at(v) + 4, f"{v:g}", "tick", "end")
        for v in (curve.floor, curve.ceiling)
    ]
    parts.append(svg.line(x.left, y.left, x.right, y.left, "axis"))
    taken = -math.inf
    for value in values:
        parts.append(svg.line(x.at(value), y.left, x.at(value), y.left + 4, "axis"))
        if x.at(value) - taken > 30:
            parts.append(svg.label(x.at(value), y.left + 17, f"{value:.2g}", "tick", "middle"))
            taken = x.at(value)
    middle = (x.left + x.right) / 2
    parts.append(svg.label(middle, y.left + 35, svg.cut(curve.along, 30), "head", "middle"))
    return parts


def _points(points: Sequence[Point], x: Scale, y: Scale) -> list[str]:
    trace = "L".join(f"{x.at(p.x):.1f} {y.at(p.y):.1f}" for p in highest(points))
    parts = [svg.path(f"M{trace}", "trace")]
    for point in points:
        a, b = x.at(point.x), y.at(point.y)
        if not (math.isnan(point.low) or math.isnan(point.high)):
            parts.append(svg.line(a, y.at(point.low), a, y.at(point.high), "interval"))
        title = f"{point.y:.3f} [{point.low:.3f}, {point.high:.3f}] at {point.x:.3g}"
        mark = svg.element("title", text=title)
        parts.append(svg.element("circle", mark, cx=a, cy=b, r=3.5, class_="point"))
    return parts
