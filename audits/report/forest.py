"""Forest plot: every adversary in every arm, what it reached and what it could have shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..verdict import Row
from . import formats, svg

TOP = 30
BOTTOM = 44


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A linear axis.

    Attributes:
        low: Value at the left end.
        high: Value at the right end.
        left: Coordinate of the left end.
        right: Coordinate of the right end.
    """

    low: float
    high: float
    left: float
    right: float

    def at(self, value: float) -> float:
        """Coordinate of a value, clipped to the axis."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + part * (self.right - self.left)

    def ticks(self) -> tuple[float, ...]:
        """Four to eight round values."""
        raw = (self.high - self.low) / 7
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return tuple(i * step for i in range(first, last + 1))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things go.

    Attributes:
        width: Of the drawing.
        pitch: Height of a row.
        left: Of the axis.
        right: Of the axis.
        stacked: Labels above the bars (narrow pages) instead of beside them.
    """

    width: float
    pitch: float
    left: float
    right: float
    stacked: bool


WIDE = Layout(width=880, pitch=25, left=226, right=700, stacked=False)
NARROW = Layout(width=380, pitch=44, left=10, right=370, stacked=True)


def forest(rows: Sequence[Row], *, limit: float | None, name: str, layout: Layout = WIDE) -> str:
    """Draw the rows in the order given; empty without rows.

    Args:
        rows: At least one of them with a measured estimate.
        limit: Estimate up to which the claim holds.
        name: Unique within the page.
        layout: Wide or narrow.
    """
    if not rows:
        return ""
    scale = _scale(rows, limit, layout)
    bottom = TOP + layout.pitch * len(rows)
    first = rows[0]
    children = _frame(scale, limit, bottom, layout)
    for number, row in enumerate(rows):
        children += _row(row, TOP + layout.pitch * number, scale, layout)
    children += axis(scale, bottom, f"{svg.cut(first.metric, 40)} (0: chance)")
    return svg.picture(
        children,
        name=name,
        width=layout.width,
        height=bottom + BOTTOM,
        title=f"Forest plot, {first.metric}: {formats.count(len(rows), 'row')}, worst first",
        description=(
            f"Strongest: {first.adversary}, {first.arm}: {first.metric} "
            f"{formats.signed(first.estimate)} {formats.interval(first.interval)}, adjusted p "
            f"{formats.p_value(first.p_adjusted)}. The table below holds every number."
        ),
        class_="forest narrow" if layout.stacked else "forest wide",
    )


def _scale(rows: Iterable[Row], limit: float | None, layout: Layout) -> Scale:
    values = [0.0, 0.0 if limit is None else limit]
    for row in rows:
        values += [row.estimate, *row.interval, row.ceiling, row.detectable]
    finite = [v for v in values if v is not None and math.isfinite(v)]
    low, high = min(finite), max(finite)
    span = max(high - low, 0.05)
    return Scale(
        low=low - 0.03 * span, high=high + 0.06 * span, left=layout.left, right=layout.right
    )


def _frame(scale: Scale, limit: float | None, bottom: float, layout: Layout) -> list[str]:
    lines = [(scale.at(t), "grid") for t in scale.ticks()] + [(scale.at(0.0), "chance")]
    lines += [] if limit is None else [(scale.at(limit), "limit")]
    spans = _spans(bottom, layout)
    parts = [
        svg.path("".join(f"M{x:.1f} {top:g}V{end:g}" for top, end in spans), style)
        for x, style in lines
    ]
    if limit is not None:
        x, text = scale.at(limit), f"claim: at most {formats.signed(limit)}"
        room = layout.width - x > 7.5 * len(text)
        anchor, shift = ("start", -4) if room else ("end", 4)
        parts.append(svg.line(x, TOP - 5, x, TOP, "limit"))
        parts.append(svg.label(x + shift, TOP - 11, text, "head limit-text", anchor))
    return parts


def _spans(bottom: float, layout: Layout) -> list[tuple[float, float]]:
    """Where vertical lines run: all the way, or beside the bars where labels lie between."""
    if not layout.stacked:
        return [(TOP, bottom)]
    rows = round((bottom - TOP) / layout.pitch)
    return [(TOP + layout.pitch * n + 22, TOP + layout.pitch * n + 41) for n in range(rows)]


def axis(scale: Scale, bottom: float, title: str) -> list[str]:
    """The axis below the bars, with ticks and title."""
    parts = [svg.line(scale.left, bottom, scale.right, bottom, "axis")]
    for tick in scale.ticks():
        text = f"{tick:+.3g}".replace("-", formats.MINUS) if abs(tick) > 1e-12 else "0"
        parts.append(svg.line(scale.at(tick), bottom, scale.at(tick), bottom + 4, "axis"))
        parts.append(svg.label(scale.at(tick), bottom + 17, text, "tick", "middle"))
    middle = (scale.left + scale.right) / 2
    parts.append(svg.label(middle, bottom + 36, title, "head", "middle"))
    return parts


def _row(row: Row, top: float, scale: Scale, layout: Layout) -> list[str]:
    y = top + (31 if layout.stacked else layout.pitch / 2)
    parts = [ceiling_mark(row.ceiling, y, scale), *_texts(row, top, y, layout)]
    parts += _interval(row, y, scale)
    if row.detectable is not None and math.isfinite(row.detectable):
        x = scale.at(row.detectable)
        parts.append(svg.line(x, y - 7, x, y + 7, "detectable"))
    if row.estimate is not None and math.isfinite(row.estimate):
        parts.append(_point(scale.at(row.estimate), y, refutes=row.refutes))
    return parts


def _texts(row: Row, top: float, y: float, layout: Layout) -> list[str]:
    value = f"{formats.signed(row.estimate)} {formats.interval(row.interval)}"
    base = top + 17 if layout.stacked else y + 4
    x = 4 if layout.stacked else 0
    end = layout.width - 4 if layout.stacked else layout.width
    style = "value refuting" if row.refutes else "value"
    room = 34 if layout.stacked else 35
    name = svg.cut(row.adversary, max(8, room - 3 - min(len(row.arm), 14)))
    arm = svg.element("tspan", text=svg.cut(row.arm, 14), class_="arm", dx=7)
    whole = svg.element("title", text=f"{row.adversary}, {row.arm}")
    named = svg.element("tspan", text=name)
    return [
        svg.element("text", whole, named, arm, x=x, y=base, class_="name"),
        svg.label(end, base, value, style, "end"),
    ]


def ceiling_mark(ceiling: float | None, y: float, scale: Scale) -> str:
    """The hatched zone of what these games could not have shown; empty where there is none."""
    if ceiling is None or not math.isfinite(ceiling):
        return ""
    x = scale.at(ceiling)
    shape = svg.element(
        "g",
        svg.element("title", text=f"ceiling {formats.signed(ceiling)}"),
        svg.hatching(x, y - 8, max(scale.right - x, 0.0), 16),
    )
    return shape + svg.line(x, y - 8, x, y + 8, "ceiling")


def _interval(row: Row, y: float, scale: Scale) -> list[str]:
    low, high = row.interval
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return []
    style = "interval refuting" if row.refutes else "interval"
    parts = [svg.line(scale.at(low), y, scale.at(high), y, style)]
    for value, sign in ((low, 1), (high, -1)):
        x = scale.at(value)
        if math.isinf(value):
            parts.append(svg.path(f"M{x + 6 * sign:g} {y - 4:g}L{x:g} {y:g}l{6 * sign} 4", style))
        else:
            parts.append(svg.line(x, y - 4, x, y + 4, style))
    return parts


def _point(x: float, y: float, *, refutes: bool) -> str:
    if refutes:
        return svg.path(f"M{x:.2f} {y - 6:.2f}l6 6l-6 6l-6 -6z", "point refuting")
    return svg.element("circle", cx=x, cy=y, r=4.5, class_="point")
