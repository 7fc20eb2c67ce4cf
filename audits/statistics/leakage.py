"""Leakage of a channel that is known as a matrix: exact, in bits or as a probability.

A channel is a matrix `C[x, y] = P[view y | secret x]` with rows that sum to 1. All definitions
follow Alvim et al., The Science of Quantitative Information Flow (Springer 2020).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from . import _validate


def prior_vulnerability(prior: ArrayLike) -> float:
    """Success of the best guess before any view: `max_x pi_x`. Shape of `prior`: `(x,)`.

    Raises:
        ValueError: `prior` is not a probability vector.

    >>> prior_vulnerability([0.5, 0.25, 0.25])
    0.5
    """
    return float(_validate.law(prior).max())


def posterior_vulnerability(channel: ArrayLike, *, prior: ArrayLike) -> float:
    """Success of the best guess after one view: `sum_y max_x pi_x C[x, y]`.

    Args:
        channel: Shape `(x, y)`.
        prior: Shape `(x,)`.

    Raises:
        ValueError: A row or the prior is not a probability vector, or shapes differ.

    References:
        Smith (2009), On the foundations of quantitative information flow, Section 4.

    >>> posterior_vulnerability([[0.75, 0.25], [0.25, 0.75]], prior=[0.5, 0.5])
    0.75
    """
    joint = _validate.joint(channel, prior)
    return float(joint.max(axis=0).sum())


def min_entropy_leakage(channel: ArrayLike, *, prior: ArrayLike) -> float:
    """`log2(posterior vulnerability / prior vulnerability)` [bits], at least 0.

    Args:
        channel: Shape `(x, y)`.
        prior: Shape `(x,)`.

    Raises:
        ValueError: A row or the prior is not a probability vector, or shapes differ.

    References:
        Smith (2009), On the foundations of quantitative information flow, Section 4.

    >>> min_entropy_leakage(np.eye(8), prior=np.full(8, 1 / 8))
    3.0
    """
    posterior = posterior_vulnerability(channel, prior=prior)
    return max(0.0, math.log2(posterior / prior_vulnerability(prior)))


def bayes_capacity(channel: ArrayLike) -> float:
    """Multiplicative Bayes capacity `sum_y max_x C[x, y]`, at least 1.

    The largest factor by which a view raises the success of a guess, over all priors (reached by
    the uniform one) and all non-negative gain functions. Its log2 is the min-capacity in bits.

    Args:
        channel: Shape `(x, y)`.

    Raises:
        ValueError: A row is not a probability vector.

    References:
        Braun, Chatzikokolakis, Palamidessi (2009), Quantitative notions of leakage for one-try
        attacks; Alvim et al. (2012), Measuring information leakage using generalized gain
        functions, Theorem 5.1 (the "miracle" theorem).

    >>> bayes_capacity([[0.75, 0.25], [0.25, 0.75]])
    1.5
    """
    return float(_validate.channel(channel).max(axis=0).sum())


def g_vulnerability(channel: ArrayLike, *, prior: ArrayLike, gain: ArrayLike) -> float:
    """Best expected gain after one view: `sum_y max_w sum_x pi_x C[x, y] g(w, x)`.

    The prior g-vulnerability is that of the channel with a single view, `np.ones((x, 1))`.

    Args:
        channel: Shape `(x, y)`.
        prior: Shape `(x,)`.
        gain: `g(w, x)` of action w when the secret is x, shape `(w, x)`; the identity gives
            `posterior_vulnerability`.

    Raises:
        ValueError: A row or the prior is not a probability vector, or shapes differ.

    References:
        Alvim et al. (2012), Measuring information leakage using generalized gain functions.

    >>> two_tries = [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
    >>> g_vulnerability(np.ones((3, 1)), prior=[0.5, 0.25, 0.25], gain=two_tries)
    0.75
    """
    joint, g = _validate.joint(channel, prior), np.asarray(gain, dtype=np.float64)
    if g.ndim != 2 or g.shape[1] != joint.shape[0] or not np.isfinite(g).all():
        raise ValueError(
            f"gain has shape {g.shape}, must be (actions, {joint.shape[0]}) and finite; "
            "give one column a secret"
        )
    return float((g @ joint).max(axis=0).sum())


def g_leakage(channel: ArrayLike, *, prior: ArrayLike, gain: ArrayLike) -> float:
    """`log2(posterior g-vulnerability / prior g-vulnerability)` [bits], at least 0.

    Args:
        channel: Shape `(x, y)`.
        prior: Shape `(x,)`.
        gain: Shape `(w, x)`, as in `g_vulnerability`.

    Raises:
        ValueError: As in `g_vulnerability`, or no action gains anything before the view.

    References:
        Alvim et al. (2012), Measuring information leakage using generalized gain functions.

    >>> g_leakage(np.eye(4), prior=np.full(4, 0.25), gain=np.eye(4))
    2.0
    """
    blind = g_vulnerability(np.ones((_validate.law(prior).size, 1)), prior=prior, gain=gain)
    if blind <= 0:
        raise ValueError(f"gain gives {blind} before the view, must be > 0; shift it to be >= 0")
    return max(0.0, math.log2(g_vulnerability(channel, prior=prior, gain=gain) / blind))
