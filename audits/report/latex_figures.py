"""Vector figures for a paper, drawn by pgfplots: forest plots, epsilon bars, curves.

The drawings take the paper's own fonts. Styles are named in the preamble, so that a paper changes
them in one place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..verdict import Row
from . import formats
from .cards import Card
from .curves import Curve, highest
from .epsilon import Bar
from .latex_tables import Terms, strongest
from .latex_text import escape, number, slug


def figure(body: str, caption: str, name: str) -> str:
    """A float around a drawing; `caption` is a whole command."""
    return "\n".join(
        [
            "\\begin{figure}[htbp]",
            "\\centering",
            body,
            caption,
            f"\\label{{fig:latentleak-{name}}}",
            "\\end{figure}",
            "",
        ]
    )


def forest_figure(card: Card, terms: Terms) -> str:
    """One finding: every adversary's best arm in the finding's own metric; empty without rows."""
    metric = card.finding.metric
    rows = [line.row for line in strongest(card.lines) if line.row.metric == metric]
    rows = [row for row in rows if _known(row.estimate)]
    if not rows:
        return ""
    values = [0.0, card.limit or 0.0]
    values += [v for row in rows for v in (row.estimate, *row.interval, row.detectable)]
    low, high = _span(values)
    parts = [_line(0.0, len(rows), "LatentLeak chance")]
    parts += [] if card.limit is None else [_line(card.limit, len(rows), "LatentLeak limit")]
    for refutes, style in ((False, "LatentLeak held"), (True, "LatentLeak refuting")):
        shown = [(n, row) for n, row in enumerate(rows, start=1) if row.refutes is refutes]
        parts += [_intervals(shown, style, low, high)] if shown else []
    names = [f"{row.adversary}, {row.arm}" for row in rows]
    drawn = _axis(
        "LatentLeak forest",
        {
            **{"xmin": f"{low:.6g}", "xmax": f"{high:.6g}", "ymin": "0.5"},
            **{"ymax": f"{len(rows) + 0.5:g}", "height": f"{1.35 + 0.36 * len(rows):.2f}cm"},
            "ytick": f"{{1,...,{len(rows)}}}",
            "yticklabels": "{" + ",".join(f"{{{escape(name)}}}" for name in names) + "}",
            "xlabel": f"{{{escape(metric)}}}",
        },
        parts,
    )
    limit = "" if card.limit is None else f"; dashed: claimed at most {number(f'{card.limit:g}')}"
    text = (
        f"{escape(card.finding.id)}: {escape(card.label.lower())}. Every adversary in the arm in "
        f"which it did best, with intervals that hold at once{limit}; diamond: refutes."
    )
    caption = terms.caption(text, (row.n for row in rows))
    return figure(drawn, caption, f"forest-{slug(card.finding.id)}")


def epsilon_figure(bars: Sequence[Bar], terms: Terms) -> str:
    """Every release: epsilon that is claimed, measured, and could have been measured."""
    if not bars:
        return ""
    finite = [b.row.ceiling for b in bars if _known(b.row.ceiling) and math.isfinite(b.row.ceiling)]
    high = 1.05 * max([1.5 * b.claimed for b in bars] + [min(finite, default=0.0)])
    styles = (
        ("LatentLeak ceiling", [(b.row.ceiling, n) for n, b in enumerate(bars, start=1)]),
        ("LatentLeak claim", [(b.claimed, n) for n, b in enumerate(bars, start=1)]),
        ("LatentLeak bound", [(b.row.estimate, n) for n, b in enumerate(bars, start=1)]),
    )
    parts = [
        f"\\addplot[{style}] coordinates {{{_points(points, high)}}};" for style, points in styles
    ]
    names = [f"{b.card.name}{'' if b.card.is_claim else ' (control)'}, {_method(b)}" for b in bars]
    drawn = _axis(
        "LatentLeak forest",
        {
            **{"xmin": "0", "xmax": f"{high:.6g}", "ymin": "0.5"},
            **{"ymax": f"{len(bars) + 0.5:g}", "height": f"{1.35 + 0.36 * len(bars):.2f}cm"},
            "ytick": f"{{1,...,{len(bars)}}}",
            "yticklabels": "{" + ",".join(f"{{{escape(name)}}}" for name in names) + "}",
            "xlabel": "{$\\epsilon$}",
        },
        parts,
    )
    text = (
        "Epsilon of each release: filled, the lower bound that the games give; vertical line, the "
        "claim; open, the ceiling, which no attack could have passed with as many games. A mark "
        "at the right edge lies beyond it."
    )
    caption = terms.caption(text, (b.row.n for b in bars))
    return figure(drawn, caption, "epsilon")


def curve_figure(card: Card, curve: Curve, terms: Terms, name: str) -> str:
    """One measure along something, one series an adversary."""
    ends = [p.x for points in curve.series.values() for p in points]
    parts = [
        f"\\addplot[{style}] coordinates {{({min(ends):.6g},{v:.6g}) ({max(ends):.6g},{v:.6g})}};"
        for style, v in (("LatentLeak chance", curve.floor), ("LatentLeak limit", curve.ceiling))
    ]
    for who, points in curve.series.items():
        bars = [
            (
                p.x,
                p.y,
                *(0.0 if math.isnan(d) else max(d, 0.0) for d in (p.y - p.low, p.high - p.y)),
            )
            for p in highest(points)
        ]
        table = " ".join(f"{x:.6g} {y:.6g} {a:.6g} {b:.6g}\\\\" for x, y, a, b in bars)
        parts.append(
            "\\addplot+[LatentLeak series] table[x index=0,y index=1,y error minus index=2,"
            f"y error plus index=3,row sep=\\\\] {{{table}}};"
        )
        parts.append(f"\\addlegendentry{{{escape(who or curve.measure)}}}")
    labels = {"xlabel": f"{{{escape(curve.along)}}}", "ylabel": f"{{{escape(curve.measure)}}}"}
    drawn = _axis("LatentLeak curve", labels, parts)
    text = (
        f"{escape(card.finding.id)}: {escape(curve.measure)} against {escape(curve.along)}. "
        f"Dotted: an attacker who saw nothing; dashed: the undefended pipeline."
    )
    if any(len(highest(points)) < len(points) for points in curve.series.values()):
        text += " Of several at one place, the best is drawn."
    games = [int(m["n"]) for m in card.finding.measures if m.get("name") == curve.measure]
    return figure(drawn, terms.caption(text, games), name)


def _axis(style: str, options: dict[str, str], parts: Iterable[str]) -> str:
    chosen = ",\n  ".join(f"{key}={value}" for key, value in options.items())
    return "\n".join(
        [
            "\\begin{tikzpicture}",
            f"\\begin{{axis}}[{style},\n  {chosen}]",
            *parts,
            "\\end{axis}",
            "\\end{tikzpicture}",
        ]
    )


def _line(x: float, rows: int, style: str) -> str:
    return f"\\addplot[{style}] coordinates {{({x:.6g},0.5) ({x:.6g},{rows + 0.5:g})}};"


def _intervals(rows: Sequence[tuple[int, Row]], style: str, low: float, high: float) -> str:
    lines = []
    for n, row in rows:
        ends = (row.estimate if not _known(end) else end for end in row.interval)
        left, right = (min(max(end, low), high) for end in ends)
        minus, plus = row.estimate - left, right - row.estimate
        lines.append(f"{row.estimate:.6g} {n} {max(minus, 0.0):.6g} {max(plus, 0.0):.6g}\\\\")
    return (
        f"\\addplot[{style}] table[x index=0,y index=1,x error minus index=2,"
        f"x error plus index=3,row sep=\\\\] {{{' '.join(lines)}}};"
    )


def _points(points: Iterable[tuple[float, int]], high: float) -> str:
    kept = [(min(x, high), n) for x, n in points if _known(x)]
    return " ".join(f"({x:.6g},{n})" for x, n in kept)


def _span(values: Iterable[float | None]) -> tuple[float, float]:
    finite = [v for v in values if v is not None and math.isfinite(v)]
    low, high = min(finite), max(finite)
    margin = 0.06 * max(high - low, 0.05)
    return low - margin, high + margin


def _method(bar: Bar) -> str:
    return bar.row.metric.partition("(")[2].rstrip(")") or formats.short(bar.row.metric)


def _known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
