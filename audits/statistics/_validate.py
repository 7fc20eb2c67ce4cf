"""Checks of arguments; every message names the argument, its value, the condition and a remedy."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def inside_unit(**named: float) -> None:
    """Require `0 < value < 1` of every keyword (failure probabilities, powers, rates)."""
    for name, value in named.items():
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name}={value} must be in (0, 1); give a probability such as 0.01")


def probability(**named: float) -> None:
    """Require `0 <= value <= 1` of every keyword."""
    for name, value in named.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}={value} must be in [0, 1]; divide a percentage by 100")


def at_least(minimum: int, **named: int) -> None:
    """Require `value >= minimum` of every keyword."""
    for name, value in named.items():
        if value < minimum:
            raise ValueError(f"{name}={value} must be >= {minimum}; raise {name}")


def count(k: int, n: int) -> None:
    """Require `n >= 1` and `0 <= k <= n`."""
    at_least(1, n=n)
    if not 0 <= k <= n:
        raise ValueError(f"k={k} must be in [0, n={n}]; count successes among the n games")


def vector(values: ArrayLike, *, name: str, minimum: int = 1) -> NDArray[np.float64]:
    """Return `values` as a finite float vector of shape `(n,)`, `n >= minimum`."""
    array = sized(values, name=name, minimum=minimum)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{name} has {bad} values that are not finite, all must be; give a failed game the "
            "worst value that its score can take, so that it stays in the denominator"
        )
    return array


def sized(values: ArrayLike, *, name: str, minimum: int = 1) -> NDArray[np.float64]:
    """Return `values` as a float vector of shape `(n,)`, `n >= minimum`; NaN is allowed."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < minimum:
        raise ValueError(
            f"{name} has shape {array.shape}, must be (n,) with n >= {minimum}; "
            "give one number a game"
        )
    return array


def law(prior: ArrayLike) -> NDArray[np.float64]:
    """Return `prior` as a probability vector of shape `(x,)`."""
    p = vector(prior, name="prior")
    if (p < 0).any() or abs(float(p.sum()) - 1) > 1e-9:
        raise ValueError(f"prior sums to {p.sum()}, must be >= 0 and sum to 1; normalize it")
    return p


def channel(matrix: ArrayLike) -> NDArray[np.float64]:
    """Return `matrix` as a channel: shape `(x, y)`, rows that are probability vectors."""
    c = np.asarray(matrix, dtype=np.float64)
    good = c.ndim == 2 and c.size > 0 and bool((c >= 0).all())
    if not good or not np.allclose(c.sum(axis=1), 1, rtol=0, atol=1e-9):
        raise ValueError(
            f"channel has shape {c.shape}, must be (secrets, views) with rows >= 0 that sum to 1; "
            "divide every row by its sum"
        )
    return c


def joint(matrix: ArrayLike, prior: ArrayLike) -> NDArray[np.float64]:
    """Return `P[secret x, view y]`, shape `(x, y)`, of a channel and a prior."""
    c, p = channel(matrix), law(prior)
    if c.shape[0] != p.size:
        raise ValueError(
            f"prior has {p.size} secrets, must have the {c.shape[0]} rows of the channel; "
            "give every secret a probability"
        )
    return p[:, None] * c
