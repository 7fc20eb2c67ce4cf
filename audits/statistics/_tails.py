"""Tails and quantiles of the binomial and of Student's t, in terms of `scipy.special`.

`scipy.stats` gives the same numbers but takes half a second to import, which the command line
cannot afford.
"""

import functools

import numpy as np
from numpy.typing import NDArray
from scipy import special


def binomial_tail(k: int, n: int, p: float) -> float:
    """`P[Bin(n, p) >= k]`, by the regularized incomplete beta function `I_p(k, n - k + 1)`."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else float(special.betainc(k, n - k + 1, p))


def binomial_tails(n: int, p: float) -> NDArray[np.float64]:
    """`P[Bin(n, p) >= k]` for k = 0 .. n + 1, shape `(n + 2,)`."""
    k = np.arange(1, n + 1)
    inner = np.asarray(special.betainc(k, n - k + 1, p), dtype=np.float64)
    return np.concatenate(([1.0], inner, [0.0]))


def binomial_pmf(n: int, p: float) -> NDArray[np.float64]:
    """`P[Bin(n, p) = k]` for k = 0 .. n, shape `(n + 1,)`."""
    k = np.arange(n + 1)
    choose = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    log_pmf = choose + special.xlogy(k, p) + special.xlog1py(n - k, -p)
    return np.asarray(np.exp(log_pmf), dtype=np.float64)


def rate_with_tail(k: int, n: int, tail: float) -> float:
    """The `p` with `P[Bin(n, p) >= k] = tail`, for 1 <= k <= n."""
    return float(special.betaincinv(k, n - k + 1, tail))


def normal_edge(tail: float) -> float:
    """The `z` with `P[Z >= z] = tail` for a normal Z."""
    return -float(special.ndtri(tail))


def t_edge(tail: float, df: int) -> float:
    """The `t` with `P[T >= t] = tail` for Student's t with `df` degrees of freedom."""
    return -float(special.stdtrit(df, tail))


def t_upper(t: float, df: int) -> float:
    """`P[T_df >= t]`."""
    return float(special.stdtr(df, -t))


def noncentral_t_upper(t: float, df: int, shift: float) -> float:
    """`P[(Z + shift) / S >= t]`, Z normal and S^2 chi-square over `df`, to 1e-6 for df > 2.

    Gauss-Legendre over the quantiles of S, since the noncentral t of `scipy.special` turns NaN
    for the large shifts that few games at a small level need.
    """
    nodes, weights = _gauss_legendre()
    spread = np.sqrt(2 * special.gammaincinv(df / 2, nodes) / df)
    return float(special.ndtr(shift - t * spread) @ weights)


@functools.cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(256)
    return (nodes + 1) / 2, weights / 2
