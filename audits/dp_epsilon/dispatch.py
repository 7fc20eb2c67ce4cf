"""Ceilings and p-values of every method by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import validate
from .composed import composed_gaussian_ceiling, composed_gaussian_p_value
from .counting import clopper_pearson_ceiling, clopper_pearson_p_value
from .credible import bayesian_ceiling
from .likelihood_ratio import gaussian_likelihood_ratio_ceiling, gaussian_likelihood_ratio_p_value
from .single_run import one_run_ceiling, one_run_p_value
from .single_run_fdp import one_run_fdp_ceiling, one_run_fdp_p_value
from .trade_off import gdp_ceiling, gdp_p_value

_CEILINGS: Mapping[str, Callable[..., float]] = {
    "clopper_pearson": clopper_pearson_ceiling,
    "gdp": gdp_ceiling,
    "composed_gaussian": composed_gaussian_ceiling,
    "gaussian_likelihood_ratio": gaussian_likelihood_ratio_ceiling,
    "one_run": one_run_ceiling,
    "one_run_fdp": one_run_fdp_ceiling,
    "bayesian": bayesian_ceiling,
}
_P_VALUES: Mapping[str, Callable[..., float]] = {
    "clopper_pearson": clopper_pearson_p_value,
    "gdp": gdp_p_value,
    "composed_gaussian": composed_gaussian_p_value,
    "gaussian_likelihood_ratio": gaussian_likelihood_ratio_p_value,
    "one_run": one_run_p_value,
    "one_run_fdp": one_run_fdp_p_value,
}


def ceiling(method: str, *, delta: float, alpha: float, **games: Any) -> float:
    """The largest epsilon that a method can show with so many games.

    Args:
        method: Name of the method's function.
        delta: Of the claim.
        alpha: Level of the bound.
        **games: For methods on scores and counts `n_in` and `n_out`, with `threshold` and `rate`
            where the method takes them; for one-run methods `canaries`, and `guesses` where not
            every canary is guessed.

    Returns:
        The bound of an attack without any error; infinite where the method has no such limit.

    Raises:
        ValueError: `method` is unknown, or an argument is out of range.
        TypeError: The method takes other arguments.

    >>> round(ceiling("one_run", canaries=100, delta=1e-5, alpha=0.05), 3)
    3.49
    """
    return _CEILINGS[validate.method_name(method)](delta=delta, alpha=alpha, **games)


def p_value(method: str, *scores: Any, epsilon: float, delta: float, **options: Any) -> float:
    """The smallest alpha at which a method's bound exceeds the claimed epsilon.

    A p-value of the claim, for Holm over several attacks or several claims.

    Args:
        method: Name of the method's function.
        *scores: `scores_in` and `scores_out`, for methods on scores.
        epsilon: Of the claim.
        delta: Of the claim.
        **options: The method's own: `threshold`, `alpha` (the level for which "split" chooses its
            threshold) and `rate`; for one-run methods `canaries`, `guesses`, `correct`.

    Raises:
        ValueError: `method` is unknown or has no p-value, or an argument is out of range.
        TypeError: The method takes other arguments.

    >>> win, lose = [1.0] * 500, [0.0] * 500
    >>> p = p_value("clopper_pearson", win, lose, epsilon=4.906, delta=0.0, threshold=0.5)
    >>> round(p, 3)
    0.05
    """
    name = validate.method_name(method)
    if name not in _P_VALUES:
        raise ValueError(f"method={method!r} has no p-value: it guarantees nothing; use another")
    return _P_VALUES[name](*scores, epsilon=epsilon, delta=delta, **options)
