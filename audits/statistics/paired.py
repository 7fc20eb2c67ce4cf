"""Did success change between two runs? Exact one-sided tests, game by game or of two samples."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _validate
from .intervals import binomial_p_value
from .permutation import paired_test, two_sample_test


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A change of success; each p-value is valid at every level.

    Attributes:
        test: Which test.
        paired: Whether the games of both runs are the same.
        n: Games of the later run.
        before: Mean outcome.
        after: Mean outcome.
        rose: p-value of "success did not rise".
        fell: p-value of "success did not fall".
        up: Games whose outcome rose; None without pairs.
        down: Games whose outcome fell; None without pairs.
    """

    test: str
    paired: bool
    n: int
    before: float
    after: float
    rose: float
    fell: float
    up: int | None = None
    down: int | None = None


def paired_shift(before: ArrayLike, after: ArrayLike, *, rng: np.random.Generator) -> Shift:
    """Compare outcomes of the same games.

    Games won or lost: McNemar's exact test. Given that `d` games changed sides, the number that
    were won only afterwards is Bin(d, 1/2) if the attack became neither better nor worse. Other
    outcomes: signs of the differences are flipped, see `permutation.paired_test`. Where nothing
    differs both p-values are 1.

    Args:
        before: Outcome of each game, higher being worse for the defence; shape `(n,)`.
        after: The same games, shape `(n,)`.
        rng: Used only where signings are drawn.

    Raises:
        ValueError: The shapes differ, or a value is not finite.

    References:
        McNemar (1947), Psychometrika 12(2), 153-157.

    >>> shift = paired_shift([0, 0, 0, 1], [1, 1, 1, 1], rng=np.random.default_rng(0))
    >>> shift.up, shift.down, shift.rose
    (3, 0, 0.125)
    """
    x, y = _validate.vector(before, name="before"), _validate.vector(after, name="after")
    if x.shape != y.shape:
        raise ValueError(
            f"after has shape {y.shape}, must be {x.shape} like before; give the same games"
        )
    up, down = int((y > x).sum()), int((y < x).sum())
    if up + down == 0:
        name, rose, fell = "no game differs", 1.0, 1.0
    elif _binary(x, y):
        name = "McNemar, exact"
        rose = binomial_p_value(up, up + down, p=0.5)
        fell = binomial_p_value(down, up + down, p=0.5)
    else:
        flipped = paired_test(y - x, rng=rng)
        name, rose, fell = "sign flips", flipped.greater, flipped.less
    found = _shift(name, x, y, rose, fell)
    return replace(found, paired=True, up=up, down=down)


def unpaired_shift(before: ArrayLike, after: ArrayLike, *, rng: np.random.Generator) -> Shift:
    """Compare outcomes of games that have nothing to do with each other.

    Games won or lost: Fisher's exact test. Other outcomes: a permutation test of the difference
    of means, see `permutation.two_sample_test`.

    Args:
        before: Outcome of each game, higher being worse for the defence; shape `(n,)`.
        after: Other games, shape `(m,)`.
        rng: Used only where splits are drawn.

    Raises:
        ValueError: A value is not finite, or there is none.

    References:
        Fisher (1935), The Design of Experiments, Section 21.1.

    >>> shift = unpaired_shift([0, 0, 0], [1, 1, 1], rng=np.random.default_rng(0))
    >>> round(shift.rose, 4)  # one table of 20
    0.05
    """
    x, y = _validate.vector(before, name="before"), _validate.vector(after, name="after")
    if _binary(x, y):
        name, (rose, fell) = "Fisher, exact", _fisher(x, y)
    else:
        split = two_sample_test(y, x, rng=rng)
        name, rose, fell = "permutation of both samples", split.greater, split.less
    return _shift(name, x, y, rose, fell)


def games_to_tell(alpha: float) -> int:
    """Games that must change sides, all in one direction, for a paired test to see it.

    >>> games_to_tell(0.01)  # 2 ** -7 < 0.01
    7
    """
    _validate.inside_unit(alpha=alpha)
    return math.ceil(-math.log2(alpha))


def _fisher(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    from scipy.stats import hypergeom

    won = int(y.sum())
    law = hypergeom(x.size + y.size, int(x.sum()) + won, y.size)
    return min(1.0, float(law.sf(won - 1))), min(1.0, float(law.cdf(won)))


def _binary(*vectors: NDArray[np.float64]) -> bool:
    return all(bool(np.isin(each, (0.0, 1.0)).all()) for each in vectors)


def _shift(
    test: str, before: NDArray[np.float64], after: NDArray[np.float64], rose: float, fell: float
) -> Shift:
    return Shift(
        test=test,
        paired=False,
        n=after.size,
        before=float(before.mean()),
        after=float(after.mean()),
        rose=rose,
        fell=fell,
    )
