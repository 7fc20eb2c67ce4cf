"""Many looks at the data: Holm within a claim, a split of alpha between claims, test quantiles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _validate
from .power import critical_count


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values, in the order given.

    Sorted, `adjusted_(j) = max over i <= j of min(1, (m - i + 1) p_(i))`. Rejecting where the
    adjusted value is at most alpha makes one false rejection or more with probability at most
    alpha, whatever the dependence between the tests.

    Args:
        p_values: One p-value a row of the claim, shape `(m,)`, each in [0, 1].

    Returns:
        Adjusted p-values, shape `(m,)`.

    Raises:
        ValueError: A p-value is NaN or outside [0, 1] (a row that failed has p-value 1).

    References:
        Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.

    >>> holm([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p = _validate.sized(p_values, name="p_values")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_values={p.tolist()} must be in [0, 1]; give failed rows 1")
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, np.arange(p.size, 0, -1) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def split_alpha(alpha: float, *, claims: Sequence[str]) -> dict[str, float]:
    """Share `alpha` of a run equally among its claims, before anything is scored (Bonferroni).

    Args:
        alpha: Probability of refuting one true claim or more in the whole run.
        claims: Names of all claims of the run, each once.

    Returns:
        The level of each claim, in the order given; the levels sum to at most `alpha`.

    Raises:
        ValueError: `claims` is empty or names a claim twice, or `alpha` is not in (0, 1).

    References:
        Dunn (1961), Journal of the American Statistical Association 56(293), 52-64.

    >>> split_alpha(0.01, claims=["obclip", "plain"])
    {'obclip': 0.005, 'plain': 0.005}
    """
    _validate.inside_unit(alpha=alpha)
    if not claims or len(set(claims)) != len(claims):
        raise ValueError(f"claims={list(claims)} must be distinct and not empty; name each once")
    return {claim: alpha / len(claims) for claim in claims}


def at_most(n: int, alpha: float, *, failure: float = 1e-6) -> int:
    """The most events of probability `alpha` to expect in `n` trials: the `1 - failure` quantile.

    The smallest `c` with `P[Bin(n, alpha) > c] <= failure`. A test that asserts
    `events <= at_most(n, alpha)` fails on correct code with probability at most `failure`.

    Args:
        n: Independent trials, such as audits under different seeds.
        alpha: Probability of the event in each.
        failure: Probability that the assertion fails on correct code.

    Raises:
        ValueError: An argument is out of range.

    >>> at_most(200, 0.05)
    27
    """
    _validate.probability(alpha=alpha)
    _validate.inside_unit(failure=failure)
    return critical_count(n, p=alpha, alpha=failure) - 1
