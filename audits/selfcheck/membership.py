"""Hold the audit of membership against trainings that leak, that do not, and samples that mislead.

Every game goes through `membership.audit` as a run's do: rows of each attack in each arm, controls,
Holm, the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...defenses.seeds import stream
from ...scenarios.contract import Progress, silent
from ..case import Case
from ..membership.audit import audit
from ..statistics import Interval, at_most
from ..statistics import clopper_pearson as interval_of
from ..verdict import Finding, Role, Verdict
from .membership_games import BROKEN, GAMES, MISLED, Game

if TYPE_CHECKING:
    from rich.table import Table

FAILURE = 1e-6
"""Probability that a game of a working audit comes out as not expected."""

CONTROLS = 1e-3
"""Bound on the probability that a control misses where it must hold: ten, at 1e-4 each."""

CAPTION = (
    "refuted, and the 95 % interval of its share; spared: NOT_REFUTED; the rest is inconclusive, "
    "as all must be that mislead."
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What repeated audits of one training said.

    Attributes:
        name: Of the game.
        kind: `broken`, `misled`, `honest` or `null`.
        effect: What the mistake does; empty where there is none.
        claim: In words.
        alpha: Level of each audit.
        audits: How many, on streams of their own.
        refuted: Audits that refute the claim.
        spared: Audits that say NOT_REFUTED.
    """

    name: str
    kind: str
    effect: str
    claim: str
    alpha: float
    audits: int
    refuted: int
    spared: int

    @property
    def interval(self) -> Interval:
        """Of the share that is refuted: exact, 95 %."""
        return interval_of(self.refuted, self.audits, alpha=0.05)

    @property
    def as_expected(self) -> bool:
        """Whether the audit does what it must; no mistake here is subtle.

        What is honest may be refuted at level alpha, and is inconclusive only where a control
        misses by chance.
        """
        if self.kind == BROKEN:
            return self.refuted == self.audits
        if self.kind == MISLED:
            return self.refuted == self.spared == 0
        unsure = self.audits - self.refuted - self.spared
        return self.refuted <= at_most(
            self.audits, self.alpha, failure=FAILURE
        ) and unsure <= at_most(self.audits, CONTROLS, failure=FAILURE)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"interval": list(self.interval), "as_expected": self.as_expected}


def check(
    *,
    seed: int = 0,
    alpha: float = 0.05,
    audits: int = 100,
    games: Sequence[Game] = GAMES,
    progress: Progress = silent,
) -> tuple[Check, ...]:
    """Audit every game's claim `audits` times.

    A training that leaks and is not refuted, or anything else that is, makes the audit itself
    suspect.

    Args:
        seed: Of every random stream.
        alpha: Level of each audit.
        audits: Repetitions, for the rates.
        games: What is audited.
        progress: Shows how far it is.
    """
    checks = []
    for done, game in enumerate(games):
        progress("audits of membership", done, len(games))
        found = [each.verdict for each in findings(game, seed=seed, alpha=alpha, audits=audits)]
        checks.append(
            Check(
                name=game.name,
                kind=game.kind,
                effect=game.effect,
                claim=str(game.claim),
                alpha=alpha,
                audits=audits,
                refuted=found.count(Verdict.REFUTED),
                spared=found.count(Verdict.NOT_REFUTED),
            )
        )
    progress("audits of membership", len(games), len(games))
    return tuple(checks)


def findings(game: Game, *, seed: int, alpha: float, audits: int) -> Iterator[Finding]:
    """Draw and audit one game, `audits` times."""
    for number in range(audits):
        rng = stream(seed, "selfcheck", "membership", game.name, number)
        case = Case(
            id=f"selfcheck/{game.name}",
            scenario="selfcheck",
            question="Are samples found that a model was trained on?",
            defense={"name": game.name},
            claim=game.claim,
            role=Role.CONTROL,
            trials=game.sampling.draw(rng),
            reference=game.reference.draw(rng),
            threat_model={},
        )
        yield audit(case, alpha=alpha, profile="quick", seed=int(rng.integers(2**62)))


def table(checks: Sequence[Check]) -> Table:
    """For a terminal of 80 columns; what is not as expected is red."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 1, 0, 0), caption=CAPTION, caption_justify="left")
    for head in ("training", "kind"):
        shown.add_column(head, no_wrap=True)
    for head in ("refuted", "interval", "spared", "inconclusive"):
        shown.add_column(head, no_wrap=True, justify="right")
    for each in checks:
        low, high = each.interval
        shown.add_row(
            each.name,
            each.kind,
            f"{each.refuted} of {each.audits}",
            f"{low:.2f}-{high:.2f}",
            str(each.spared),
            str(each.audits - each.refuted - each.spared),
            style="" if each.as_expected else "bold red",
        )
    return shown
