"""The report as Markdown, for a terminal or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..verdict import Verdict
from . import words
from .cards import ROW_HEAD, Card, Line
from .costs import COUNTED, Cost
from .facts import Fact, Grid
from .page import Page
from .threats import Threat

_SPECIAL = re.compile(r"[\\`*|]|(?<!\w)_|_(?!\w)|](?=[(\[:])|!(?=\[)")
_ENTITY = {"<": "&lt;", "&": "&amp;"}
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")


def to_markdown(page: Page) -> str:
    """Write the page; text from the run folder cannot become markup."""
    lines = [*_banner(page), *_threats(page.threats), *_overview(page.cards)]
    for card in page.cards:
        lines += _card(card)
    lines += [*_costs(page.costs), *_reading(), *_run(page)]
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """Text that Markdown and HTML print as it is, on one line.

    >>> escape("<b>")
    '&lt;b>'
    """
    flat = " ".join(text.split())
    plain = _MARKUP.sub(lambda found: _ENTITY[found[0]], flat)
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", plain)


def table(grid: Grid) -> list[str]:
    """A Markdown table."""
    rows = [grid.head, tuple("---" for _ in grid.head), *grid.body]
    escaped = [[cell if cell == "---" else escape(cell) for cell in row] for row in rows]
    return [*(f"| {' | '.join(row)} |" for row in escaped), ""]


def _banner(page: Page) -> list[str]:
    lines = [f"# {escape(page.headline)}", "", escape(page.subtitle), ""]
    for card in page.claims:
        lines.append(f"- **{_badge(card)}** {escape(card.name)}: {escape(card.summary)}")
    if page.controls:
        surprising = [c.name for c in page.controls if c.finding.surprising]
        text = f"missed by {', '.join(surprising)}" if surprising else "as expected"
        lines.append(f"- Controls: {escape(text)}")
    lines += ["", *(f"> **Warning:** {escape(problem)}" for problem in page.problems), ""]
    return lines


def _threats(threats: Iterable[Threat]) -> list[str]:
    lines = ["## Threat model", ""]
    for threat in threats:
        lines += [f"**{escape(threat.question)}** ({escape(threat.scenario)})", ""]
        sees = f"- What they see: {escape('; '.join(threat.sees))}"
        if threat.repeats:
            lines += [sees, "- Everything else as above", ""]
            continue
        lines += [f"- Who is curious: {escape(threat.who)}", sees]
        known = [f"{name} ({meaning})" if meaning else name for name, meaning in threat.knows]
        lines.append(f"- What they know: {escape('; '.join(known) or 'nothing else')}")
        lines.append("- What the claim assumes:")
        lines += [f"  - {escape(name)}: {escape(meaning)}" for name, meaning in threat.assumes]
        lines.append("")
    return lines


def _overview(cards: Sequence[Card]) -> list[str]:
    if not cards:
        return []
    body = tuple(
        (
            _badge(card),
            card.name,
            card.finding.role.value + (f", {card.expectation}" if card.expectation else ""),
            card.strongest,
            card.detectable,
            str(card.finding.n),
        )
        for card in cards
    )
    head = ("verdict", "defence", "role", "strongest adversary", "detectable", "games")
    return ["## Findings, worst first", "", *table(Grid(head=head, body=body))]


def _card(card: Card) -> list[str]:
    finding = card.finding
    lines = [f"### {card.number}. {_badge(card)}: {escape(card.name)}", ""]
    lines += [f"Claim: {escape(str(finding.claim.get('statement', finding.claim)))}", ""]
    lines += [f"{escape(words.sentence(finding.reason))} {escape(card.levels)}", ""]
    if card.expectation:
        lines += [f"Control, {escape(card.expectation)}.", ""]
    if finding.timed:
        lines += ["Timed: real clocks ran, so this finding does not repeat byte for byte.", ""]
    for exact in card.exact:
        covers = "; ".join(f"{f.label} {f.text}" for f in exact.facts)
        text = escape(f"{exact.statement} ({covers})" if covers else exact.statement)
        lines += [f"> **Exact: {escape(exact.title)}.** {text}", ""]
    for metric, group in card.groups:
        body = tuple((_marked(line), *line.cells[1:]) for line in group)
        heading = escape(metric[:1].upper() + metric[1:])
        lines += [f"{heading}:", "", *table(Grid(head=ROW_HEAD, body=body))]
    if card.measures.body:
        lines += ["Further measures:", "", *table(card.measures)]
    if card.controls:
        body = tuple((n, e, o, "yes" if h else "NO") for n, e, o, h in card.controls)
        head = ("control", "expected", "observed", "holds")
        lines += ["Controls:", "", *table(Grid(head=head, body=body))]
    return lines + _artifacts(card)


def _artifacts(card: Card) -> list[str]:
    lines = []
    for artifact in card.artifacts:
        caption, path = escape(artifact.caption or artifact.path), _link(artifact.path)
        if artifact.problem is not None:
            lines.append(f"- {escape(artifact.problem)}")
        elif artifact.path.lower().endswith((".png", ".jpg", ".jpeg")):
            lines.append(f"- ![{caption}](<{path}>)")
        else:
            lines.append(f"- [{caption}](<{path}>)")
    return [*lines, ""] if lines else []


def _costs(costs: Sequence[Cost]) -> list[str]:
    lines = ["## What each defence costs", "", escape(COUNTED), ""] if costs else []
    for cost in costs:
        lines += [f"### {escape(cost.name)} ({escape(cost.defense)})", ""]
        for grid in (cost.executions, cost.further):
            lines += table(grid) if grid.body else []
    return lines


def _reading() -> list[str]:
    lines = ["## How to read this", ""]
    lines += [f"- **{words.LABELS[v]}**: {words.VERDICTS[v]}" for v in Verdict]
    lines += [f"- *{name}*: {meaning}" for name, meaning in words.GLOSSARY.items()]
    return [*lines, ""]


def _run(page: Page) -> list[str]:
    lines = ["## Provenance", "", *_facts(page.run)]
    lines += [f"- alpha of {escape(name)}: {value}" for name, value in page.alphas]
    lines += _facts(page.versions)
    for name, details in page.models:
        listed = "; ".join(f"{f.label} {f.text}" for f in details)
        lines.append(f"- model {escape(name)}: {escape(listed)}")
    return lines


def _facts(facts: Iterable[Fact]) -> list[str]:
    return [f"- {escape(fact.label)}: {escape(fact.full)}" for fact in facts]


def _badge(card: Card) -> str:
    return f"{words.SYMBOLS[card.finding.verdict]} {card.label}"


def _marked(line: Line) -> str:
    return f"◆ {line.cells[0]}" if line.row.refutes else line.cells[0]


def _link(path: str) -> str:
    return path.replace("\\", "/").replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A")
