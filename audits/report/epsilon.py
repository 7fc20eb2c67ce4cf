"""The epsilon figure: for every differentially private release, claim, bound and ceiling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..verdict import Row
from . import formats, svg
from .cards import Card
from .forest import BOTTOM, TOP, Layout, Scale, axis, ceiling_mark

WIDE = Layout(width=880, pitch=30, left=330, right=740, stacked=False)
NARROW = Layout(width=380, pitch=50, left=10, right=370, stacked=True)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One measured bound beside its claim.

    Attributes:
        card: The finding.
        row: Its strongest row of one metric.
        claimed: Epsilon that is promised.
    """

    card: Card
    row: Row
    claimed: float


def bars(cards: Sequence[Card]) -> tuple[Bar, ...]:
    """The strongest row of each metric of every finding about differential privacy."""
    return tuple(_bars(cards))


def _bars(cards: Sequence[Card]) -> Iterator[Bar]:
    for card in cards:
        if card.finding.claim.get("type") != "DifferentialPrivacy" or card.limit is None:
            continue
        for _, lines in card.groups:
            yield Bar(card=card, row=lines[0].row, claimed=card.limit)


def epsilon_figure(cards: Sequence[Card], *, name: str, layout: Layout = WIDE) -> str:
    """Draw one bar a bound on a common axis of epsilon; empty without such findings.

    Args:
        cards: Of the page; those about other claims are left out.
        name: Unique within the page.
        layout: Wide or narrow.
    """
    shown = bars(cards)
    if not shown:
        return ""
    scale = _scale(shown, layout)
    bottom = TOP + layout.pitch * len(shown)
    children = [svg.line(scale.at(0.0), TOP, scale.at(0.0), bottom, "chance")]
    for number, bar in enumerate(shown):
        children += _bar(bar, TOP + layout.pitch * number, scale, layout)
    children += axis(scale, bottom, "epsilon")
    spoken = "; ".join(
        f"{b.card.name}: claimed {b.claimed:g}, {b.row.metric} {formats.share(b.row.estimate)}, "
        f"ceiling {formats.share(b.row.ceiling)}"
        for b in shown
    )
    return svg.picture(
        children,
        name=name,
        width=layout.width,
        height=bottom + BOTTOM,
        title="Epsilon: what is claimed, what was measured, what could have been measured",
        description=spoken,
        class_="forest narrow" if layout.stacked else "forest wide",
    )


def _scale(shown: Sequence[Bar], layout: Layout) -> Scale:
    """To twice the largest claim, and so far that the nearest ceilings show."""
    ceilings = [c for b in shown if (c := b.row.ceiling) is not None and math.isfinite(c)]
    high = max([2 * b.claimed for b in shown] + [1.25 * c for c in sorted(ceilings)[:1]])
    return Scale(low=0.0, high=max(high, 0.1), left=layout.left, right=layout.right)


def _bar(bar: Bar, top: float, scale: Scale, layout: Layout) -> list[str]:
    y = top + (36 if layout.stacked else layout.pitch / 2)
    row, found = bar.row, bar.row.estimate
    style = "interval refuting" if row.refutes else "interval"
    parts = [ceiling_mark(row.ceiling, y, scale), *_texts(bar, top, y, layout)]
    if found is not None and not math.isnan(found):
        end = scale.at(found)
        parts.append(svg.line(scale.at(0.0), y, end, y, f"{style} bar"))
        tip = f"M{end - 6:.1f} {y - 5:g}L{end:.1f} {y:g}L{end - 6:.1f} {y + 5:g}"
        beyond = found > scale.high
        parts.append(svg.path(tip, style) if beyond else svg.line(end, y - 5, end, y + 5, style))
    x = scale.at(bar.claimed)
    parts.append(svg.line(x, y - 10, x, y + 10, "limit"))
    return parts


def _texts(bar: Bar, top: float, y: float, layout: Layout) -> list[str]:
    value = f"{formats.share(bar.row.estimate)} of {bar.claimed:g}"
    role = "" if bar.card.is_claim else " (control)"
    base = top + 17 if layout.stacked else y + 4
    style = "value refuting" if bar.row.refutes else "value"
    name = svg.element("tspan", text=svg.cut(f"{bar.card.name}{role}", 26))
    method = bar.row.metric.partition("(")[2].rstrip(")") or bar.row.metric
    how = svg.element("tspan", text=svg.cut(method, 26), class_="arm", dx=7)
    left, right = (4, layout.width - 4) if layout.stacked else (0, layout.width)
    return [
        svg.element("text", name, how, x=left, y=base, class_="name"),
        svg.label(right, base, value, style, "end"),
    ]
