r"""A run as LaTeX: tables, figures, numbers, references, and a document that holds them all.

`latentleak report RUN --format latex` writes the folder `latex/`. A paper takes one line for its
preamble, `\input{latex/latentleak}`, and any of the tables and figures after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..cells import Cell, load_cells
from . import formats
from .bibliography import bibtex, names, used
from .curves import curves
from .epsilon import bars
from .latex_figures import curve_figure, epsilon_figure, forest_figure
from .latex_numbers import key, to_numbers
from .latex_tables import Terms, findings_table, matrix, rows_table
from .latex_text import escape, slug
from .page import Page
from .read import load_run

PREAMBLE = Path(__file__).parent / "templates" / "latentleak.tex"
MAIN = "latex/report.tex"


def to_latex(folder: Path, page: Page) -> dict[str, str]:
    """Every file of the folder, by its path in the run folder."""
    config = load_run(folder).get("config", {})
    seed = str(config.get("seed", "not recorded"))
    alpha = formats.level(config["alpha"]) if "alpha" in config else "?"
    terms = Terms(alpha=alpha, seed=seed)
    cells = load_cells(folder)
    parts = dict(_parts(folder, page, cells, terms))
    files = {f"latex/{name}.tex": text for name, text in parts.items()}
    preamble = PREAMBLE.read_text(encoding="utf-8")
    files["latex/latentleak.tex"] = preamble + to_numbers(page, seed)
    files["latex/references.bib"] = bibtex(used(names(page, cells)))
    files[MAIN] = _document(page, parts)
    return files


def _parts(
    folder: Path, page: Page, cells: tuple[Cell, ...], terms: Terms
) -> Iterator[tuple[str, str]]:
    if not page.cards:
        return
    yield "table-verdicts", matrix(page.cards, cells, terms)
    if drawn := epsilon_figure(bars(page.cards), terms):
        yield "figure-epsilon", drawn
    for scenario in dict.fromkeys(card.finding.scenario for card in page.cards):
        cards = [card for card in page.cards if card.finding.scenario == scenario]
        yield f"table-{slug(scenario)}", findings_table(scenario, cards, terms)
        yield f"table-{slug(scenario)}-rows", rows_table(scenario, cards, terms)
    yield from _figures(folder, page, terms)


def _figures(folder: Path, page: Page, terms: Terms) -> Iterator[tuple[str, str]]:
    from .latex_roc import roc_figures

    for card in page.cards:
        name = slug(card.finding.id)
        if drawn := forest_figure(card, terms):
            yield f"figure-forest-{name}", drawn
        for place, curve in enumerate(curves(card.finding.measures), start=1):
            label = f"curve-{name}-{place}"
            yield f"figure-{label}", curve_figure(card, curve, terms, label)
        for label, drawn in roc_figures(folder, card, terms):
            yield f"figure-{label}", drawn


def _document(page: Page, parts: Mapping[str, str]) -> str:
    floats = [f"\\input{{{name}}}" for name in parts if name.startswith(("table", "figure"))]
    body = [line for n, each in enumerate(floats) for line in _flushed(n, each)]
    return "\n".join(
        [
            "\\documentclass{article}",
            "\\input{latentleak}",
            "\\title{Privacy audit of text-to-image diffusion}",
            "\\author{LatentLeak}",
            "\\date{}",
            "\\begin{document}",
            "\\maketitle",
            f"\\noindent\\textbf{{{escape(page.headline)}.}} {escape(page.subtitle)}",
            *(f"\\par\\noindent\\textbf{{Warning:}} {escape(p)}" for p in page.problems),
            "\\section*{Threat model}",
            *map(_threat, _threats(page)),
            "\\section*{Findings}",
            *map(_claim, (card.finding.id for card in page.claims)),
            *body,
            "\\clearpage",
            "\\section*{How to repeat it}",
            "\\noindent\\LatentLeakCommand",
            "\\nocite{*}",
            "\\bibliographystyle{plain}",
            "\\bibliography{references}",
            "\\end{document}",
            "",
        ]
    )


def _flushed(number_: int, line: str) -> list[str]:
    """LaTeX holds 18 floats back at most."""
    return [line, "\\clearpage"] if number_ % 12 == 11 else [line]


def _threats(page: Page) -> list[tuple[str, str, str]]:
    return [
        (t.question, t.who, formats.joined([name for name, _ in t.knows])) for t in page.threats
    ]


def _threat(threat: tuple[str, str, str]) -> str:
    question, who, knows = map(escape, threat)
    return f"\\paragraph{{{question}}} {who} Known besides: {knows or 'nothing'}."


def _claim(finding: str) -> str:
    name = f"\\LatentLeakValue{{{key(finding)}}}"
    return (
        f"\\paragraph{{{escape(finding)}}} {name}{{claim}}: {name}{{reason}}. "
        f"Strongest: {name}{{strongest}}; ceiling {name}{{ceiling}}, "
        f"$n = {name}{{n}}$, $\\alpha = {name}{{alpha}}$."
    )
