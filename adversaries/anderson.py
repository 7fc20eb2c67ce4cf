"""Zeros of functions that are dear to evaluate and have no derivative at hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CUTOFF = 1e-8
"""Relative size below which singular values of past differences count as zero."""


def find_zeros(
    residual: Callable[[Floats], Floats],
    start: Floats,
    *,
    rounds: int,
    depth: int = 5,
    mixing: float = 0.5,
) -> Floats:
    """Anderson's acceleration of x <- x + mixing residual(x), each row by itself.

    The next x starts from the combination of the last `depth` + 1 whose residuals, taken as linear
    in between, cancel best. Where the plain iteration oscillates or creeps, this converges.

    Args:
        residual: From n points to n residuals, same shape; row i depends on row i alone.
        start: Shape (n, ...).
        rounds: Evaluations of `residual`.
        depth: Differences that are looked back on.
        mixing: Share of a residual that is added.

    Returns:
        Of all points visited, each row's with the least residual.

    References:
        Walker, Ni, Anderson acceleration for fixed-point iterations (2011), Algorithm AA.
    """
    points: deque[Floats] = deque(maxlen=depth + 1)
    residuals: deque[Floats] = deque(maxlen=depth + 1)
    current, best = start, start.copy()
    least = np.full(len(start), np.inf)
    for _ in range(rounds):
        found = residual(current)
        norms = np.square(found).reshape(len(found), -1).sum(axis=1)
        better = norms < least
        best[better], least[better] = current[better], norms[better]
        points.append(current.reshape(len(start), -1))
        residuals.append(found.reshape(len(start), -1))
        current = _mixed(np.stack(points), np.stack(residuals), mixing).reshape(start.shape)
    return np.asarray(best)


def _mixed(points: Floats, residuals: Floats, mixing: float) -> Floats:
    """The next points, shape (n, d), from the last ones, shape (visits, n, d), newest last."""
    following = points[-1] + mixing * residuals[-1]
    if len(points) == 1:
        return np.asarray(following)
    steps, changes = np.diff(points, axis=0), np.diff(residuals, axis=0)
    for row, new in enumerate(following):
        weights = np.linalg.lstsq(changes[:, row].T, residuals[-1][row], rcond=CUTOFF)[0]
        new -= (steps[:, row] + mixing * changes[:, row]).T @ weights
    return np.asarray(following)
