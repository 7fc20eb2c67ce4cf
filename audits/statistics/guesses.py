"""From scores per candidate to one guess a game: ties, abstentions and failures."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FAILED = -1
"""The guess of a game whose scores cannot be ranked: always wrong."""


def guesses(
    scores: ArrayLike, *, rng: np.random.Generator, candidates: ArrayLike | None = None
) -> NDArray[np.intp]:
    """One guess a game: the candidate with the highest score, ties broken by a fair draw.

    A guess is one candidate. An adversary that abstains gives all candidates the same score and
    is right with probability 1/N, as if it had seen nothing. The draw makes every guess a plain
    success or failure, so that binomial tests stay exact; it knows nothing of the truth.

    | scores of a game            | guess                                  |
    |-----------------------------|----------------------------------------|
    | one highest                 | that candidate                         |
    | several highest             | one of them, uniformly                 |
    | any NaN or +inf             | `FAILED`: the game is played and lost  |
    | -inf                        | lowest score, for impossible candidates|

    Args:
        scores: Shape `(n, c)`; higher means "this candidate".
        rng: Source of the draws, never derived from the truth.
        candidates: Candidates of each game, shape `(n,)`, where fewer than c; the columns beyond
            are padding and ignored.

    Returns:
        Indices of candidates or `FAILED`, shape `(n,)`.

    Raises:
        ValueError: A shape does not fit.

    >>> guesses([[0.1, 0.9], [float("nan"), 1.0]], rng=np.random.default_rng(0)).tolist()
    [1, -1]
    """
    best, failed = _best(scores, candidates)
    draws = np.where(best, rng.random(best.shape), -1.0)
    return np.where(failed, FAILED, draws.argmax(axis=1))


def expected_wins(
    scores: ArrayLike, truth: ArrayLike, *, candidates: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Probability that `guesses` is right in each game: 1/ties if the truth is among the highest.

    Its mean is the success rate without the noise of the draws. For estimates and curves only: a
    binomial test needs whole wins, `guesses(...) == truth`.

    Args:
        scores: As in `guesses`, shape `(n, c)`.
        truth: Index of the real candidate, shape `(n,)`.
        candidates: As in `guesses`.

    Returns:
        Fractions of a win, shape `(n,)`; 0 for a failed game.

    Raises:
        ValueError: A shape does not fit.

    >>> expected_wins([[0.5, 0.5], [0.2, 0.8]], [0, 0]).tolist()
    [0.5, 0.0]
    """
    best, failed = _best(scores, candidates)
    real = np.asarray(truth, dtype=np.intp)
    if real.shape != failed.shape or not ((real >= 0) & (real < best.shape[1])).all():
        raise ValueError(
            f"truth has shape {real.shape}, must be {failed.shape} with values in "
            f"[0, {best.shape[1]}); give the index of the real candidate of each game"
        )
    return np.where(failed, 0.0, best[np.arange(real.size), real] / best.sum(axis=1))


def _best(
    scores: ArrayLike, candidates: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which candidates share the highest score, shape (n, c); which games failed, shape (n,)."""
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(f"scores has shape {table.shape}, must be (games, candidates), not empty")
    n, width = table.shape
    counts = np.full(n, width) if candidates is None else np.asarray(candidates, dtype=np.intp)
    if counts.shape != (n,) or not ((counts >= 1) & (counts <= width)).all():
        raise ValueError(
            f"candidates={counts.tolist()} must be one number in [1, {width}] a game; "
            "pad the scores of every game to the widest"
        )
    real = np.arange(width) < counts[:, None]
    failed = np.any(real & (np.isnan(table) | np.isposinf(table)), axis=1)
    shown = np.where(real & ~failed[:, None], table, -np.inf)
    return real & (shown == shown.max(axis=1, keepdims=True)), failed
