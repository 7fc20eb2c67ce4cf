"""Tables for a paper: the matrix of verdicts, the findings of a scenario, every adversary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..cells import Cell, CellStatus
from ..verdict import Finding, Row, Verdict
from . import formats, words
from .bibliography import cited, defense_of
from .cards import Card, Line
from .latex_text import escape, number, slug
from .order import worst

NOT_PLAYED = "--"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What every caption says.

    Attributes:
        alpha: Of the run.
        seed: Of the run.
    """

    alpha: str
    seed: str

    def caption(self, text: str, games: Iterable[int]) -> str:
        """A caption with n, alpha and seed; `text` is LaTeX."""
        counts = sorted(set(games))
        n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        told = f"$n$: {number(n)} games. " if counts else ""
        level = f"$\\alpha = {self.alpha}$ over all claims of the run"
        return f"\\caption{{{text} {told}{level}; seed {escape(self.seed)}.}}"


def matrix(cards: Sequence[Card], cells: Sequence[Cell], terms: Terms) -> str:
    """Defences against scenarios; several claims are as bad as the worst of them."""
    scenarios = _distinct([c.finding.scenario for c in cards] + [c.scenario for c in cells])
    defenses = _distinct([defense_of(c.finding.id) for c in cards] + [c.defense for c in cells])
    lines = [
        f"{_named(defense)} & "
        + " & ".join(_entry(defense, scenario, cards, cells) for scenario in scenarios)
        for defense in defenses
    ]
    text = (
        "Verdicts. Of several claims the worst counts, with the number of those that are refuted; "
        f"{NOT_PLAYED}: not played. In italics: controls. Not refuted does not mean secure."
    )
    head = ["defense", *map(escape, scenarios)]
    return _table(
        head, "l" * len(head), lines, terms.caption(text, (c.finding.n for c in cards)), "verdicts"
    )


def _entry(defense: str, scenario: str, cards: Sequence[Card], cells: Sequence[Cell]) -> str:
    own = [c for c in cards if c.finding.scenario == scenario]
    own = [c for c in own if defense_of(c.finding.id) == defense]
    claims = [c for c in own if c.is_claim]
    shown = claims or own
    verdict = worst(c.finding.verdict for c in shown)
    if verdict is None:
        return _unmeasured([c for c in cells if (c.scenario, c.defense) == (scenario, defense)])
    refuted = sum(c.finding.verdict is Verdict.REFUTED for c in shown)
    count = f" ({refuted} of {len(shown)})" if len(shown) > 1 else ""
    style = r"\emph" if not claims else r"\textbf" if verdict is Verdict.REFUTED else ""
    return f"{style}{{{words.LABELS[verdict].lower()}}}{count}"


def _unmeasured(cells: Sequence[Cell]) -> str:
    found = {cell.status for cell in cells}
    if CellStatus.FAILED in found:
        return "failed"
    return "not applicable" if CellStatus.NOT_APPLICABLE in found else NOT_PLAYED


def findings_table(scenario: str, cards: Sequence[Card], terms: Terms) -> str:
    """The findings of one scenario, each with its strongest adversary."""
    lines = [_finding(card) for card in cards]
    text = (
        f"{escape(cards[0].finding.question)} Each finding with its strongest adversary; "
        "$p$ after Holm; ``detectable'': the smallest effect found with probability 0.9."
    )
    head = ["defense, claim", "verdict", "adversary, arm", "$n$", "estimate", "$p$", "detectable"]
    caption = terms.caption(text, (c.finding.n for c in cards))
    return _table(head, "lllrlll", lines, caption, slug(scenario))


def _finding(card: Card) -> str:
    """Two lines: the second holds the claim, the arm and the interval."""
    f = card.finding
    label = words.LABELS[f.verdict].lower()
    row = leading(card)
    first = (
        _named(defense_of(f.id)) + ("" if card.is_claim else " (control)"),
        f"\\textbf{{{label}}}" if f.verdict is Verdict.REFUTED else label,
        NOT_PLAYED if row is None else _cite(f"adversary:{row.adversary}", row.adversary),
        number(f"{f.n:,}"),
        number(formats.signed(f.estimate)),
        NOT_PLAYED if row is None else number(formats.p_value(row.p_adjusted)),
        number(card.detectable),
    )
    span = "" if f.interval is None else number(formats.interval(f.interval))
    second = (f"\\quad {escape(_claim(f))}", "", "" if row is None else escape(row.arm), "", span)
    return " & ".join(first) + " \\\\ " + " & ".join((*second, "", ""))


def rows_table(scenario: str, cards: Sequence[Card], terms: Terms) -> str:
    """Every adversary at its best arm, for an appendix; it breaks over pages."""
    body = []
    for card in cards:
        label = words.LABELS[card.finding.verdict].lower()
        body += ["\\midrule", f"\\multicolumn{{5}}{{l}}{{{escape(card.finding.id)}: {label}}} \\\\"]
        body += [_row(line) for line in strongest(card.lines)]
    text = (
        f"Every adversary of {escape(scenario)}, in the arm in which it did best. Intervals hold "
        "for all rows of a finding at once."
    )
    games = (line.row.n for card in cards for line in card.lines)
    return "\n".join(
        [
            "{\\footnotesize",
            "\\begin{longtable}{@{}lrlll@{}}",
            terms.caption(text, games) + f"\\label{{tab:latentleak-{slug(scenario)}-rows}}\\\\",
            *(head := ("\\toprule", "adversary, arm & $n$ & estimate & interval & $p$ \\\\")),
            "\\endfirsthead",
            *head,
            "\\endhead",
            *body,
            "\\bottomrule",
            "\\end{longtable}}",
            "",
        ]
    )


def leading(card: Card) -> Row | None:
    """The row that a finding took its estimate from; else the worst, or None without rows."""
    f, rows = card.finding, [line.row for line in card.lines]
    wanted = (f.metric, f.estimate, f.interval, f.n)
    found = [row for row in rows if (row.metric, row.estimate, row.interval, row.n) == wanted]
    return next(iter([*found, *rows]), None)


def strongest(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Of each adversary and metric the worst row, worst first."""
    found: dict[tuple[str, str], Line] = {}
    for line in lines:
        found.setdefault((line.row.adversary, line.row.metric), line)
    return tuple(found.values())


def _row(line: Line) -> str:
    row = line.row
    cells = (
        _adversary(line),
        number(f"{row.n:,}"),
        number(formats.signed(row.estimate)),
        number(formats.interval(row.interval)),
        number(formats.p_value(row.p_adjusted)),
    )
    return " & ".join(cells) + " \\\\"


def _claim(finding: Finding) -> str:
    """The claim's label where the id has one, else its type in words."""
    label = "/".join(finding.id.split("/")[2:])
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(finding.claim.get("type", ""))).lower()
    return label or kind


def _adversary(line: Line) -> str:
    return f"{_cite(f'adversary:{line.row.adversary}', line.row.adversary)}, {escape(line.row.arm)}"


def _named(defense: str) -> str:
    return _cite(f"defense:{defense}", defense)


def _cite(name: str, text: str) -> str:
    """With the paper that it comes from; the report cites all others at its end."""
    keys = cited(name)
    return f"{escape(text)}~\\cite{{{keys[0]}}}" if keys else escape(text)


def _table(head: Sequence[str], columns: str, lines: Sequence[str], caption: str, name: str) -> str:
    return "\n".join(
        [
            "\\begin{table}[htbp]",
            "\\centering\\small",
            caption,
            f"\\label{{tab:latentleak-{name}}}\\par\\smallskip",
            f"\\LatentLeakFit{{\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            "\\toprule",
            " & ".join(head) + " \\\\",
            "\\midrule",
            *(f"{line} \\\\" for line in lines),
            "\\bottomrule",
            "\\end{tabular}}",
            "\\end{table}",
            "",
        ]
    )


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
