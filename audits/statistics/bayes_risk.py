"""Black-box estimators of the Bayes risk: nearest neighbors, and plug-in where that is sound."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _validate

CELLS = 2**21
"""Distances held at a time, at most (16 MB)."""


def nearest_neighbors(
    train: ArrayLike, secrets: ArrayLike, test: ArrayLike, *, k: int | None = None
) -> NDArray[np.int64]:
    """Guess the secret of each test view by a vote of its k nearest training views.

    Universally consistent for k = ln n: with enough views its error tends to the Bayes risk, the
    smallest error of any adversary. Views as far as the k-th nearest all vote, so that equal views
    are treated alike; a tied vote goes to the closer voters, then to the smaller label.

    Args:
        train: Views, shape `(n, d)`, all finite.
        secrets: Their secrets, labels >= 0, shape `(n,)`.
        test: Held-out views, shape `(m, d)`; a view that is not finite is guessed -1.
        k: Neighbors; by default `ceil(ln n)`. k = 1 gives the error that `cover_hart_bound` takes.

    Returns:
        Guessed secrets, shape `(m,)`, for `held_out_leakage(int((guess == truth).sum()), m, ...)`.

    Raises:
        ValueError: Shapes do not fit or `k` is not in [1, n].

    References:
        Cherubin, Chatzikokolakis, Palamidessi (2019), F-BLEAU: fast black-box leakage estimation,
        https://arxiv.org/abs/1902.01350.

    >>> nearest_neighbors([[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1], [[0.2], [0.9]]).tolist()
    [0, 1]
    """
    known, labels, fresh = _checked(train, secrets, test)
    near = max(1, math.ceil(math.log(len(known)))) if k is None else k
    _validate.at_least(1, k=near)
    if near > len(known):
        raise ValueError(f"k={near} must be <= n={len(known)}; train on more views")
    from scipy.spatial.distance import cdist  # imported late: half of this package's start-up

    ballots = np.eye(labels.max() + 1)[labels]
    guessed = np.full(len(fresh), -1, dtype=np.int64)
    scored = np.flatnonzero(np.isfinite(fresh).all(axis=1))
    for rows in np.array_split(scored, 1 + scored.size * len(known) // CELLS):
        distance = cdist(fresh[rows], known)
        reach = np.partition(distance, near - 1, axis=1)[:, near - 1 : near]
        voters = distance <= reach
        closeness = np.where(voters, 1 - distance / np.where(reach > 0, reach, 1), 0.0)
        weight = voters + closeness / (len(known) + 1)  # less than one vote in all
        guessed[rows] = (weight @ ballots).argmax(axis=1)
    return guessed


def cover_hart_bound(error: float, *, secrets: int) -> float:
    """Lower bound on the Bayes risk from the error of the 1-nearest-neighbor rule.

    `R* >= (M - 1) / M (1 - sqrt(1 - M / (M - 1) R_NN))` for M equally likely secrets, as the
    number of training views grows; for a finite number it is an estimate, not a bound.

    Args:
        error: Error of `nearest_neighbors(..., k=1)` on held-out views, in [0, 1].
        secrets: M, at least 2.

    Raises:
        ValueError: An argument is out of range.

    References:
        Cover, Hart (1967), IEEE Transactions on Information Theory 13(1), 21-27.

    >>> cover_hart_bound(0.375, secrets=2)
    0.25
    """
    _validate.probability(error=error)
    _validate.at_least(2, secrets=secrets)
    blind = (secrets - 1) / secrets
    return blind * (1 - math.sqrt(max(0.0, 1 - error / blind)))


def plug_in_leakage(secrets: ArrayLike, views: ArrayLike, *, alphabet: int) -> float:
    """Frequentist min-entropy leakage [bits], for channels whose views can be enumerated.

    `log2(sum_y max_x n(x, y) / max_x n(x))` over counts n. The maximum is taken on the very views
    that are judged: on views that are all different each one names its secret, and the estimate
    reads log2 N though nothing leaks. Hence it is refused unless every cell of the channel was
    seen ten times on average. Biased upwards even so; use `held_out_leakage` for a finding.

    Args:
        secrets: Labels, shape `(n,)`.
        views: Numbers of the views in the enumeration, in [0, alphabet), shape `(n,)`.
        alphabet: How many views the channel can show at all.

    Raises:
        ValueError: Shapes differ, a view is not in the enumeration, or there are too few games.

    References:
        Chatzikokolakis, Chothia, Guha (2010), Statistical measurement of information leakage,
        TACAS; Chothia, Kawamoto, Novakovic (2014), LeakWatch.

    >>> plug_in_leakage([0, 1] * 20, [0, 1] * 20, alphabet=2)
    1.0
    """
    x, y = np.unique(np.asarray(secrets), return_inverse=True)[1], np.asarray(views)
    if x.ndim != 1 or x.shape != y.shape or not ((y >= 0) & (y < alphabet)).all():
        raise ValueError(
            f"views has shape {y.shape}, must be {x.shape} with values in [0, {alphabet}); "
            "number the views of an enumerated channel"
        )
    needed = 10 * alphabet * (int(x.max()) + 1)
    if x.size < needed:
        raise ValueError(
            f"n={x.size} games must be >= {needed}, ten a cell; "
            "use nearest_neighbors and held_out_leakage instead"
        )
    return _plug_in(x, y)


def _plug_in(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    view = np.unique(y, return_inverse=True)[1]
    table = np.zeros((x.max() + 1, view.max() + 1))
    np.add.at(table, (x, view), 1)
    return math.log2(table.max(axis=0).sum() / table.sum(axis=1).max())


def _checked(
    train: ArrayLike, secrets: ArrayLike, test: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    known, fresh = np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64)
    labels = np.asarray(secrets, dtype=np.int64)
    if known.ndim != 2 or not known.size or not np.isfinite(known).all():
        raise ValueError(f"train has shape {known.shape}, must be (n, d) and finite; drop failures")
    if fresh.ndim != 2 or fresh.shape[1] != known.shape[1]:
        raise ValueError(
            f"test has shape {fresh.shape}, must be (m, {known.shape[1]}); encode views alike"
        )
    if labels.shape != known.shape[:1] or labels.min() < 0:
        raise ValueError(
            f"secrets has shape {labels.shape}, must be ({len(known)},) with labels >= 0; "
            "label every training view"
        )
    return known, labels, fresh
