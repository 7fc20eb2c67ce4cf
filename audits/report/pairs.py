"""The verdict matrix: defences by questions, worst on top, and what each place of it opens to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cells import Cell, CellStatus
from ..verdict import Finding, Verdict
from . import words
from .cards import Card
from .commands import alone, whole
from .grid import SYMBOLS, Grid, grid
from .order import BADNESS, worst
from .threats import Threat, threat

FAILED = "FAILED"
CONTROL_RANK = 9
"""Controls come after claims, whatever their verdict."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One defence in one scenario.

    Attributes:
        number: Place in the page, from 1.
        scenario: Id.
        defense: Id.
        cards: Its findings, worst first.
        threat: Their threat model; None without a finding.
        grid: Adversaries by coalitions.
        failed: Why cells could not be measured, each reason once.
        commands: What repeats it, with what it does.
    """

    number: int
    scenario: str
    defense: str
    cards: tuple[Card, ...]
    threat: Threat | None
    grid: Grid
    failed: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        """Identifier within the page."""
        return f"pair-{self.number}"

    @property
    def name(self) -> str:
        """The defence as its findings name it."""
        return self.cards[0].name if self.cards else self.defense

    @property
    def is_claim(self) -> bool:
        """Whether it counts towards the outcome of the run."""
        return not self.cards or any(card.is_claim for card in self.cards)

    @property
    def counted(self) -> tuple[Card, ...]:
        """Claims, or the controls of a pair that has no claim."""
        return tuple(c for c in self.cards if c.is_claim) or self.cards

    @property
    def verdict(self) -> Verdict | None:
        """The worst."""
        return worst(card.finding.verdict for card in self.counted)

    @property
    def tone(self) -> str:
        """The verdict as a style."""
        if self.verdict is Verdict.REFUTED or not self.failed:
            return self.counted[0].tone if self.counted else "failed"
        return "failed"

    @property
    def label(self) -> str:
        """The verdict in words."""
        return FAILED if self.tone == "failed" else words.LABELS[self.counted[0].finding.verdict]

    @property
    def quiet(self) -> bool:
        """Whether it is a control that came out as expected."""
        surprising = any(card.finding.surprising for card in self.cards)
        return not self.is_claim and not surprising and not self.failed

    @property
    def told(self) -> str:
        """What the verdict is about: secrets that leak, or how many claims hold out."""
        verdict = self.verdict
        if verdict is None:
            return "no finding"
        same = [c for c in self.counted if c.finding.verdict is verdict]
        about = dict.fromkeys(words.short(c.finding.claim) for c in same)
        return ", ".join(about)

    @property
    def to(self) -> str:
        """Who learns what leaks."""
        return words.party(self.cards[0].coalition) if self.cards else ""

    @property
    def rank(self) -> tuple[int, int, str, str]:
        """Worst first."""
        badness = CONTROL_RANK
        if self.is_claim:
            badness = 1 if self.tone == "failed" else 2 * BADNESS[self.verdict or Verdict.REFUTED]
        refuted = sum(c.finding.verdict is Verdict.REFUTED for c in self.counted)
        return badness, -refuted, self.scenario, self.defense


@dataclass(frozen=True, kw_only=True)
class Line:
    """One defence of the matrix.

    Attributes:
        defense: Id.
        name: As its findings name it.
        places: One a question: what was played, or why nothing was.
    """

    defense: str
    name: str
    places: tuple[Pair | str, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The matrix.

    Attributes:
        questions: Scenarios with what each asks.
        lines: Defences, the worst first.
        pairs: Everything that was played, the worst first.
    """

    questions: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    pairs: tuple[Pair, ...]

    @property
    def cells(self) -> int:
        """How many there are."""
        return sum(count for _, count in self.counts)

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many cells have which status, the worst first."""
        statuses = [
            status for pair in self.pairs for line in pair.grid.lines for status in line.statuses
        ]
        return tuple((name, statuses.count(name)) for name in SYMBOLS if name in statuses)


def overview(cards: Sequence[Card], cells: Sequence[Cell], run: Mapping[str, Any]) -> Overview:
    """Sort findings and cells into the matrix; findings without cells stand for themselves."""
    groups: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        groups.setdefault(place(card.finding), []).append(card)
    kept = list(cells) or list(_cells(cards))
    for cell in kept:
        if cell.adversary is not None:
            groups.setdefault((cell.scenario, cell.defense), [])
    found = [_pair(0, *place, group, kept, run) for place, group in groups.items()]
    ranked = sorted(found, key=lambda pair: pair.rank)
    pairs = tuple(
        _pair(number, each.scenario, each.defense, each.cards, kept, run)
        for number, each in enumerate(ranked, start=1)
    )
    asked = {card.finding.scenario: card.finding.question for card in cards}
    scenarios = dict.fromkeys(pair.scenario for pair in pairs)
    defenses = dict.fromkeys(pair.defense for pair in pairs)
    return Overview(
        questions=tuple((name, asked.get(name, name)) for name in scenarios),
        lines=tuple(_line(each, tuple(scenarios), pairs, kept) for each in defenses),
        pairs=pairs,
    )


def place(finding: Finding) -> tuple[str, str]:
    """Ids of its scenario and of its defence."""
    scenario, _, rest = finding.id.partition("/")
    return scenario, rest.partition("/")[0] or str(finding.defense.get("name", scenario))


def _cells(cards: Iterable[Card]) -> Iterable[Cell]:
    """The cells that rows of findings prove to have been measured."""
    found: dict[tuple[str, str, str, tuple[str, ...]], list[Finding]] = {}
    for card in cards:
        usual = tuple(map(str, card.finding.threat_model.get("coalition", ())))
        for row in card.finding.rows:
            who = tuple(map(str, row.games.get("coalition", usual)))
            key = (*place(card.finding), row.adversary, who)
            findings = found.setdefault(key, [])
            if card.finding not in findings:
                findings.append(card.finding)
    for (scenario, defense, adversary, coalition), findings in found.items():
        undecided = all(f.verdict is Verdict.INCONCLUSIVE for f in findings)
        yield Cell(
            scenario=scenario,
            defense=defense,
            adversary=adversary,
            coalition=coalition,
            status=CellStatus.INCONCLUSIVE if undecided else CellStatus.MEASURED,
            reason=(findings[0].reason or "not said") if undecided else "",
            findings=tuple(f.id for f in findings),
        )


def _pair(
    number: int,
    scenario: str,
    defense: str,
    cards: Sequence[Card],
    cells: Sequence[Cell],
    run: Mapping[str, Any],
) -> Pair:
    own = [
        cell
        for cell in cells
        if (cell.scenario, cell.defense) == (scenario, defense) and cell.adversary is not None
    ]
    reasons = dict.fromkeys(c.reason for c in own if c.status is CellStatus.FAILED)
    commands = [whole(run), alone(run, scenario, defense, cards)]
    return Pair(
        number=number,
        scenario=scenario,
        defense=defense,
        cards=tuple(cards),
        threat=threat(cards) if cards else None,
        grid=grid(own, [card.finding for card in cards]),
        failed=tuple(reasons),
        commands=tuple(each for each in commands if each is not None),
    )


def _line(
    defense: str, scenarios: Sequence[str], pairs: Sequence[Pair], cells: Sequence[Cell]
) -> Line:
    own = {pair.scenario: pair for pair in pairs if pair.defense == defense}
    absent = {c.scenario: c.reason for c in cells if c.defense == defense and c.adversary is None}
    places = tuple(own.get(name) or absent.get(name, "not part of this run") for name in scenarios)
    return Line(defense=defense, name=next(iter(own.values())).name, places=places)
