"""Are shares uniform and independent? Bets on single residues, exact for every n.

The null hypothesis is what perfect sharing promises: whatever the input, the shares of any n - 1
servers are independent and uniform over Z_2^k. Each test maps residues, or pairs of them, to 256
cells that are equally likely under it. Cells that hold more than their part of the even entries
are chosen; a bet on each odd entry is won if its cell was chosen. Even and odd entries being
independent, wins are Binomial(n, chosen / 256): no large-sample argument is needed. Won bets less
chance bound, from below, the total variation between such an entry and a uniform one.

| test | entries, for every server | what it finds |
|---|---|---|
| high, low bits | top and lowest 8 bits of a share | input in the clear, missing reduction |
| sum of all but one | the same of n - 1 servers' sum | masks that cancel |
| two servers | 4 bits of each of two servers' shares at one place (n >= 3) | a mask given twice |
| two steps | of one share at steps 0 and 1, 2 and 3, ...; at the first and last | masks reused |
| two branches | of one share in both branches of guidance | masks reused |
| two layers | of one share in layers that follow each other and are alike | masks reused |

Pairs are disjoint within a test, so that they are independent. With n = 2 the two shares add up to
the input, and only tests of single servers apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..statistics import binomial_p_value
from .shares import At, Residues, Shares

Cells = npt.NDArray[np.uint8]
CELLS = 256


@dataclass(frozen=True, kw_only=True)
class Bet:
    """One test.

    Attributes:
        name: What is tested.
        wins: Bets won.
        n: Bets.
        chosen: Cells that were bet on.
    """

    name: str
    wins: int
    n: int
    chosen: int

    @property
    def chance(self) -> float:
        """Probability to win a bet on a uniform entry."""
        return self.chosen / CELLS

    @property
    def p_value(self) -> float:
        """P[Binomial(n, chance) >= wins]."""
        return binomial_p_value(self.wins, self.n, p=self.chance)


def bets(shares: Shares) -> tuple[Bet, ...]:
    """Every test of one execution; one with fewer than two entries is left out."""
    found = (_bet(name, cells) for name, cells in _tests(shares))
    return tuple(each for each in found if each is not None)


def range_bet(shares: Shares) -> Bet:
    """Numbers outside the ring, which a residue never is: one is enough.

    Kept apart from the chances: under the null hypothesis it is never won.
    """
    return Bet(name="numbers outside Z_2^k", wins=int(shares.outside > 0), n=1, chosen=0)


def _bet(name: str, cells: Cells) -> Bet | None:
    learned, played = cells[::2], cells[1::2]
    if not len(played):
        return None
    counts = np.bincount(learned, minlength=CELLS)
    chosen = counts > len(learned) / CELLS
    return Bet(name=name, wins=int(chosen[played].sum()), n=len(played), chosen=int(chosen.sum()))


def _tests(shares: Shares) -> Iterator[tuple[str, Cells]]:
    k = shares.k
    for server in shares.servers:
        own = shares.residues[server]
        yield from _single(server, [own[at] for at in shares.places], k)
        for what, pairs in _pairs(shares):
            met = [(own[a], own[b]) for a, b in pairs if b in own]
            yield from _joint(f"{server}, {what}", met, k)
    if len(shares.servers) == 2:
        return
    for server in shares.servers:
        yield from _single(f"sum of all but {server}", list(_rest(shares, server)), k)
    for one, two in combinations(shares.servers, 2):
        both = [(shares.residues[one][at], shares.residues[two][at]) for at in shares.places]
        yield from _joint(f"{one} and {two}", both, k)


def _rest(shares: Shares, left_out: str) -> Iterator[Residues]:
    """The sum of all other servers' shares at each place, mod 2^k."""
    members = [own for party, own in shares.residues.items() if party != left_out]
    for at in shares.places:
        total = members[0][at]
        for own in members[1:]:
            total = total + own[at]
        yield total & np.uint64((1 << shares.k) - 1)


def _pairs(shares: Shares) -> Iterator[tuple[str, list[tuple[At, At]]]]:
    """Pairs of places of one server, no place twice in a list."""
    places = shares.places
    steps = sorted({at.step for at in places})
    yield "two steps", _steps(places, dict(zip(steps[::2], steps[1::2], strict=False)))
    if len(steps) > 2:
        yield "first and last step", _steps(places, {steps[0]: steps[-1]})
    yield "two branches", [(at, at._replace(branch=1)) for at in places if at.branch == 0]
    yield "two layers", list(_layers(shares))


def _steps(places: Sequence[At], later: Mapping[int, int]) -> list[tuple[At, At]]:
    return [(at, at._replace(step=later[at.step])) for at in places if at.step in later]


def _layers(shares: Shares) -> Iterator[tuple[At, At]]:
    """Layers that follow each other and whose inputs are of one size, two by two."""
    own = next(iter(shares.residues.values()))
    order = sorted(own, key=lambda at: (at.step, at.piece, at.branch, at.layer))
    waiting: At | None = None
    for at in order:
        if waiting is not None and _alike(waiting, at) and len(own[waiting]) == len(own[at]):
            yield waiting, at
            waiting = None
        else:
            waiting = at


def _alike(one: At, two: At) -> bool:
    return one._replace(layer="") == two._replace(layer="")


def _single(name: str, residues: Iterable[Residues], k: int) -> Iterator[tuple[str, Cells]]:
    values = np.concatenate(list(residues))
    yield f"{name}, high bits", (values >> np.uint64(k - 8)).astype(np.uint8)
    yield f"{name}, low bits", (values & np.uint64(255)).astype(np.uint8)


def _joint(
    name: str, pairs: Iterable[tuple[Residues, Residues]], k: int
) -> Iterator[tuple[str, Cells]]:
    """Four bits of each; nothing where there are no pairs, such as without guidance."""
    both = list(pairs)
    if not both:
        return
    one, two = (np.concatenate([pair[i] for pair in both]) for i in (0, 1))
    for part, shift in (("high", k - 4), ("low", 0)):
        first, second = ((v >> np.uint64(shift)) & np.uint64(15) for v in (one, two))
        yield f"{name}, {part} bits", (first * np.uint64(16) + second).astype(np.uint8)
