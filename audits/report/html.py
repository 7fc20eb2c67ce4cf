"""The report as one HTML page that loads nothing: style, drawings and pictures are inside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ..verdict import Verdict
from . import words
from .cards import ROW_HEAD, Card
from .costs import COUNTED
from .curves import NARROW as NARROW_CURVES
from .curves import WIDE as WIDE_CURVES
from .curves import curve_figure, curves
from .epsilon import NARROW as NARROW_EPSILON
from .epsilon import WIDE as WIDE_EPSILON
from .epsilon import epsilon_figure
from .flow import flow
from .forest import NARROW, WIDE, forest
from .grid import SYMBOLS, TONES
from .membership import allowed, roc_figures, scores_by_arm
from .page import Page
from .pairs import Pair
from .read import Artifact

TEMPLATES = Path(__file__).parent / "templates"
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def to_html(page: Page) -> str:
    """Write the page; every text from the run folder is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def drawn_forest(card: Card) -> Markup:
        groups = [[line.row for line in lines] for _, lines in card.groups]
        drawn = [
            forest(rows, limit=card.limit, name=f"{card.anchor}-{number}-{size}", layout=layout)
            for number, rows in enumerate(groups)
            for size, layout in (("wide", WIDE), ("narrow", NARROW))
        ]
        return Markup("".join(drawn))  # every value was escaped in svg.element

    def drawn_curves(card: Card) -> Markup:
        drawn = [
            curve_figure(
                curve,
                limit=card.limit if card.finding.metric == curve.measure else None,
                name=f"{card.anchor}-curve-{number}-{size}",
                layout=layout,
            )
            for number, curve in enumerate(curves(card.finding.measures))
            for size, layout in (("wide", WIDE_CURVES), ("narrow", NARROW_CURVES))
        ]
        return Markup("".join(drawn))

    def drawn_rates(card: Card) -> tuple[tuple[str, Markup], ...]:
        return tuple(
            (f"{arm}, continued" if part else arm, Markup(drawn))
            for number, (arm, sides) in enumerate(scores_by_arm(card.folder, card.finding))
            for part, drawn in enumerate(
                roc_figures(
                    sides,
                    alpha=card.finding.alpha,
                    name=f"{card.anchor}-roc-{number}",
                    limit=allowed(card.finding, arm),
                )
            )
        )

    def drawn_flow(pair: Pair) -> Markup:
        assert pair.threat is not None
        return Markup(flow(pair.cards[0], f"flow-{pair.number}"))

    def drawn_epsilon() -> Markup:
        layouts = (("wide", WIDE_EPSILON), ("narrow", NARROW_EPSILON))
        parts = (
            epsilon_figure(page.cards, name=f"epsilon-{size}", layout=layout)
            for size, layout in layouts
        )
        return Markup("".join(parts))

    template = environment.get_template("report.html.j2")
    return template.render(
        page=page,
        style=Markup(style()),
        forest=drawn_forest,
        curves=drawn_curves,
        rates=drawn_rates,
        flow=drawn_flow,
        epsilon=drawn_epsilon,
        image=image,
        words=_vocabulary(),
        row_head=ROW_HEAD,
        counted=COUNTED,
        verdicts=tuple(Verdict),
        symbols=SYMBOLS,
        tones=TONES,
    )


def style() -> str:
    """The page's style sheet."""
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


def image(artifact: Artifact) -> dict[str, Any] | None:
    """Data URI and size of a PNG or JPEG; None for any other file."""
    data = artifact.data or b""
    kind = next((k for start, k in _SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        return None
    size: dict[str, Any] = {}
    if kind == "image/png" and data[12:16] == b"IHDR":
        size = {
            "width": int.from_bytes(data[16:20], "big"),
            "height": int.from_bytes(data[20:24], "big"),
        }
    uri = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return {"uri": uri, "width": None, "height": None} | size


def _vocabulary() -> dict[str, Any]:
    return {
        "labels": words.LABELS,
        "verdicts": words.VERDICTS,
        "glossary": words.GLOSSARY,
        "sentence": words.sentence,
    }
