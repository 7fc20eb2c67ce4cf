"""No bound is too high more often than alpha: by enumeration of every outcome, without sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from scipy.stats import binom

from latentleak.audits.dp_epsilon import (
    Bound,
    clopper_pearson,
    gaussian_likelihood_ratio,
    gdp,
    one_run,
    one_run_fdp,
    one_run_p_value,
    p_value,
    subsampled_epsilon,
)
from latentleak.audits.dp_epsilon.single_run_fdp import one_run_fdp_p_value
from latentleak.defenses.dp_adaptation.gaussian import gaussian_epsilon

GAMES = 7
ALPHAS = st.sampled_from([0.01, 0.05, 0.3])
ROUNDING = 1e-9


def at_threshold(method: Callable[..., Bound], **options: float) -> NDArray[np.float64]:
    """Bounds for every (false positives, false negatives), shape `(GAMES + 1, GAMES + 1)`."""

    def bound(fp: int, fn: int) -> float:
        scores_in = [0.0] * fn + [1.0] * (GAMES - fn)
        scores_out = [1.0] * fp + [0.0] * (GAMES - fp)
        return method(scores_in, scores_out, threshold=0.5, **options).epsilon

    return np.array([[bound(fp, fn) for fn in range(GAMES + 1)] for fp in range(GAMES + 1)])


def exceeds(bounds: NDArray[np.float64], true: float, fpr: float, fnr: float) -> float:
    """Probability that the bound exceeds the true epsilon."""
    k = np.arange(GAMES + 1)
    chance = np.outer(binom.pmf(k, GAMES, fpr), binom.pmf(k, GAMES, fnr))
    return float(chance[bounds > true + ROUNDING].sum())


@settings(max_examples=30)
@given(
    fpr=st.floats(0.001, 0.999), fnr=st.floats(0.001, 0.999), alpha=ALPHAS, delta=st.floats(0, 0.2)
)
def test_clopper_pearson(fpr: float, fnr: float, alpha: float, delta: float) -> None:
    ratios = (1 - fnr - delta) / fpr, (1 - fpr - delta) / fnr, (fpr - delta) / (1 - fnr)
    true = math.log(max(1.0, *ratios, (fnr - delta) / (1 - fpr)))
    bounds = at_threshold(clopper_pearson, delta=delta, alpha=alpha)
    assert exceeds(bounds, true, fpr, fnr) <= alpha


@settings(max_examples=30)
@given(
    mu=st.floats(0, 3),
    cut=st.floats(-3, 4),
    alpha=ALPHAS,
    rate=st.sampled_from([1.0, 0.7, 0.2]),
)
def test_gdp(mu: float, cut: float, alpha: float, rate: float) -> None:
    fpr = float((1 - rate) * ndtr(-cut) + rate * ndtr(-cut - mu / 2))
    fnr = float((1 - rate) * ndtr(cut) + rate * ndtr(cut - mu / 2))
    true = subsampled_epsilon(mu, 1e-5, rate=rate)
    bounds = at_threshold(gdp, delta=1e-5, alpha=alpha, rate=rate)
    assert exceeds(bounds, true, fpr, fnr) <= alpha


@pytest.mark.parametrize("method", [clopper_pearson, gdp])
@pytest.mark.parametrize("threshold", ["split", "bonferroni"])
def test_searched_thresholds(method: Callable[..., Bound], threshold: str) -> None:
    """Every order of 6 + 6 scores without information is equally likely: all 924 are audited."""
    ranks = np.arange(12.0)
    refuted = 0
    for chosen in combinations(range(12), 6):
        inside = np.isin(ranks, chosen)
        bound = method(ranks[inside], ranks[~inside], delta=1e-5, alpha=0.4, threshold=threshold)
        refuted += bound.epsilon > 0
    assert 0 < refuted <= 0.4 * 924


@settings(max_examples=30)
@given(epsilon=st.floats(0, 4), guesses=st.integers(1, 40), alpha=ALPHAS)
def test_one_run_of_randomized_response(epsilon: float, guesses: int, alpha: float) -> None:
    """Every guess on randomized response is right with probability e^eps / (1 + e^eps)."""
    v = np.arange(guesses + 1)
    chance = binom.pmf(v, guesses, expit(epsilon))
    counts = {"canaries": guesses + 5, "guesses": guesses}
    bounds = np.array(
        [one_run(**counts, correct=int(k), delta=0.0, alpha=alpha).epsilon for k in v]
    )
    assert chance[bounds > epsilon + ROUNDING].sum() <= alpha + ROUNDING


@settings(max_examples=30)
@given(mu=st.floats(0, 3), guesses=st.integers(1, 40), alpha=ALPHAS)
def test_one_run_fdp_of_gaussian_canaries(mu: float, guesses: int, alpha: float) -> None:
    """Independent canaries, all guessed: each right with probability Phi(mu / 2)."""
    c = np.arange(guesses + 1)
    chance = binom.pmf(c, guesses, ndtr(mu / 2))
    counts = {"canaries": guesses, "guesses": guesses}
    bounds = np.array(
        [one_run_fdp(**counts, correct=int(k), delta=1e-5, alpha=alpha).epsilon for k in c]
    )
    assert chance[bounds > gaussian_epsilon(mu, 1e-5) + ROUNDING].sum() <= alpha


@settings(max_examples=15)
@given(epsilon=st.floats(0, 3), alpha=st.sampled_from([0.003, 0.05, 0.4]))
def test_p_values_agree_with_bounds(epsilon: float, alpha: float) -> None:
    """`p <= alpha` exactly where the bound at alpha exceeds epsilon, for every method."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=60) + 1.5, rng.normal(size=80)
    level = {"delta": 1e-3, "alpha": alpha}
    claim = {"delta": 1e-3, "epsilon": epsilon}
    for threshold in ("split", "bonferroni", 0.7):
        options = {"threshold": threshold}
        found = clopper_pearson(*scores, **level, **options)
        p = p_value("clopper_pearson", *scores, **claim, alpha=alpha, **options)
        assert (found.epsilon > epsilon) == (p <= alpha)
        for rate in (1.0, 0.6):
            found = gdp(*scores, **level, **options, rate=rate)
            p = p_value("gdp", *scores, **claim, alpha=alpha, **options, rate=rate)
            assert (found.epsilon > epsilon) == (p <= alpha)
    found = gaussian_likelihood_ratio(*scores, **level)
    p = p_value("gaussian-likelihood-ratio", *scores, **claim)
    assert (found.epsilon > epsilon) == (p <= alpha)
    counts = {"canaries": 100, "guesses": 60, "correct": 50}
    assert (one_run(**counts, **level).epsilon > epsilon) == (
        one_run_p_value(**counts, **claim) < alpha
    )
    found = one_run_fdp(**counts, **level)
    if abs(found.epsilon - epsilon) > 1e-5:  # the width of its bracket
        assert (found.epsilon > epsilon) == (one_run_fdp_p_value(**counts, **claim) <= alpha)
