"""The report as one HTML page that loads nothing: style, drawings and pictures are inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..verdict import Verdict
from . import drawings, words
from .cards import ROW_HEAD
from .costs import COUNTED
from .drawings import Drawing
from .grid import SYMBOLS, TONES
from .page import Page
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

    def joined(drawn: Iterable[Drawing]) -> Markup:
        return Markup("".join(each.svg for each in drawn))  # escaped in svg.element

    template = environment.get_template("report.html.j2")
    return template.render(
        page=page,
        style=Markup(style()),
        forest=lambda card: joined(drawings.forests(card)),
        curves=lambda card: joined(drawings.leakage(card)),
        rates=lambda card: tuple((each.title, joined([each])) for each in drawings.rates(card)),
        flow=lambda pair: joined(drawings.flows(pair)),
        epsilon=lambda: joined(drawings.epsilons(page)),
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
