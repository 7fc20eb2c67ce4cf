"""Hold the audits of epsilon against broken copies of the aggregated release and honest ones.

Each game of `dp_games` plays both worlds of its canary through `Mechanism.release` at full
dimension, puts what the curator publishes on the wire, and scores what was decoded from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom

from ...defenses.codec import Array, decode_arrays, encode
from ...defenses.seeds import stream
from ...defenses.wire import CURATOR, PUBLIC, Message
from ...scenarios.contract import Progress, silent
from ..dp_epsilon import ASSUMPTION_LEVEL, Bound
from ..statistics import Interval, at_most
from ..statistics import clopper_pearson as interval_of
from .dp_games import GAMES, Game

if TYPE_CHECKING:
    from rich.table import Table

FAILURE = 1e-6
"""Probability that a game of a working audit comes out as not expected."""

SHORT = {"gaussian_likelihood_ratio": "LR", "clopper_pearson": "CP", "gdp": "GDP"}
"""Methods as the table names them."""

CAPTION = (
    "LR: gaussian_likelihood_ratio, CP: clopper_pearson, GDP: gdp. n releases in either world of "
    "an audit; bound: median lower bound on epsilon; refuted: audits, with the 95 % interval of "
    "their share."
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What repeated audits of one mechanism said.

    Attributes:
        name: Of the game.
        effect: What the mistake does; empty for an honest mechanism.
        claimed: Epsilon of the claim.
        delta: Of the claim.
        neighbours: Relation that the two data sets have.
        n: Releases in either world in one audit.
        method: The bound.
        bound: Lower bound on epsilon, median over the audits.
        ceiling: What a perfect attack would have shown with so many releases.
        alpha: Level of each audit.
        audits: How many, on streams of their own.
        refutations: Audits whose bound is above the claim and may be believed.
        interval: Of the share of refutations, 95 %.
        broken: Whether the mechanism is.
        expected: Fewest (broken) or most (honest) refutations of a working audit, but for
            probability 1e-6.
    """

    name: str
    effect: str
    claimed: float
    delta: float
    neighbours: str
    n: int
    method: str
    bound: float
    ceiling: float
    alpha: float
    audits: int
    refutations: int
    interval: Interval
    broken: bool
    expected: int

    @property
    def refuted(self) -> bool:
        """Whether most audits refute the claim."""
        return 2 * self.refutations > self.audits

    @property
    def as_expected(self) -> bool:
        """Whether the audit does what it must."""
        if self.broken:
            return self.refutations >= self.expected
        return self.refutations <= self.expected

    def to_dict(self) -> dict[str, Any]:
        """JSON form; unbounded is "inf"."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: "inf" if v == math.inf else v for k, v in values.items()}
        plain["interval"] = list(self.interval)
        return plain | {"refuted": self.refuted, "as_expected": self.as_expected}


def check(
    *,
    seed: int = 0,
    alpha: float = 0.05,
    audits: int = 100,
    games: Sequence[Game] = GAMES,
    progress: Progress = silent,
) -> tuple[Check, ...]:
    """Audit every game's claim `audits` times.

    A broken copy that is refuted too rarely, or an honest mechanism that is too often, makes the
    audit itself suspect.

    Args:
        seed: Of every random stream.
        alpha: Level of each audit.
        audits: Repetitions, for the rates.
        games: What is audited.
        progress: Shows how far it is.
    """
    checks = []
    for done, game in enumerate(games):
        progress("audits of epsilon", done, len(games))
        checks.append(
            _check(game, list(bounds(game, seed=seed, alpha=alpha, audits=audits)), alpha)
        )
    progress("audits of epsilon", len(games), len(games))
    return tuple(checks)


def bounds(game: Game, *, seed: int, alpha: float, audits: int) -> Iterator[Bound]:
    """Play and bound one game, `audits` times."""
    certificate, score = game.certificate, game.score
    shape = (game.games, certificate.releases, game.canary.dimension)
    worlds = [
        game.mechanism.release(
            records, stream(seed, "selfcheck", game.name, world), trials=audits * game.games
        ).reshape(audits, -1)
        for world, records in enumerate(game.canary.worlds(game.mechanism))
    ]
    for number in range(audits):
        seen = [read(publish(world[number].reshape(shape))) for world in worlds]
        scores_in, scores_out = (score(vectors, game.canary, certificate) for vectors in seen)
        yield game.method(game, scores_in, scores_out, alpha)


def refutes(bound: Bound, epsilon: float) -> bool:
    """Whether a bound refutes a claim: above it, and its assumptions not themselves refuted."""
    assumed = [p for p in (bound.normality, bound.equal_variance) if p is not None]
    believed = bound.guarantee and min(assumed, default=1.0) >= ASSUMPTION_LEVEL
    return believed and bound.epsilon > epsilon


def publish(vectors: Array) -> Message:
    """What leaves the curator: the vectors of all games of one world of an audit."""
    import torch

    payload = encode({"vectors": torch.from_numpy(np.ascontiguousarray(vectors))})
    return Message(number=0, sender=CURATOR, receiver=PUBLIC, kind="release", payload=payload)


def read(message: Message) -> Array:
    """All that a score gets to see."""
    return decode_arrays(message.payload)["vectors"]


def _check(game: Game, found: Sequence[Bound], alpha: float) -> Check:
    claim, audits = game.claim, len(found)
    refutations = sum(refutes(bound, claim.epsilon) for bound in found)
    if game.broken:
        expected = int(binom.ppf(FAILURE, audits, game.power))
    else:
        expected = at_most(audits, alpha, failure=FAILURE)
    return Check(
        name=game.name,
        effect=game.effect,
        claimed=claim.epsilon,
        delta=claim.delta,
        neighbours=claim.neighbours.value,
        n=game.games,
        method=found[0].method,
        bound=median(bound.epsilon for bound in found),
        ceiling=median(bound.ceiling for bound in found),
        alpha=alpha,
        audits=audits,
        refutations=refutations,
        interval=interval_of(refutations, audits, alpha=0.05),
        broken=game.broken,
        expected=expected,
    )


def table(checks: Sequence[Check]) -> Table:
    """For a terminal of 80 columns; what is not as expected is red."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 1, 0, 0), caption=CAPTION, caption_justify="left")
    shown.add_column("mechanism", no_wrap=True)
    for head in ("by", "n", "claim", "bound", "ceiling", "refuted", "interval", "must"):
        shown.add_column(head, no_wrap=True, justify="right")
    for each in checks:
        low, high = each.interval
        shown.add_row(
            each.name,
            SHORT[each.method],
            str(each.n),
            f"{each.claimed:g}",
            f"{each.bound:.{2 if each.bound < 100 else 0}f}",
            f"{each.ceiling:.2f}",
            str(each.refutations),
            f"{low:.2f}-{high:.2f}",
            f"{'>=' if each.broken else '<='} {each.expected}",
            style="" if each.as_expected else "bold red",
        )
    return shown
