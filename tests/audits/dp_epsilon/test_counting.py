"""Bounds from counts: formulas, thresholds, failures, ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtri

from latentleak.audits.dp_epsilon import ceiling, clopper_pearson, gdp
from latentleak.audits.dp_epsilon.counting import epsilon_of_rates
from latentleak.audits.dp_epsilon.looks import rate_upper
from latentleak.audits.dp_epsilon.scores import Scores
from latentleak.audits.dp_epsilon.thresholds import grid, look
from latentleak.audits.statistics import clopper_pearson_upper

LEVEL = {"delta": 1e-5, "alpha": 0.05}
WAYS = ("split", "bonferroni")


def normal(n: int, mu: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + mu, rng.normal(size=n)


@given(n=st.integers(1, 2000), share=st.floats(0, 1), level=st.floats(1e-6, 0.5))
def test_rates_are_those_of_the_statistics(n: int, share: float, level: float) -> None:
    k = round(share * n)
    expected = clopper_pearson_upper(k, n, alpha=level)
    assert float(rate_upper(k, n, level)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("fp", "fn"), [(3, 10), (10, 3), (0, 0), (50, 50), (100, 0)])
def test_the_formula(fp: int, fn: int) -> None:
    scores_in, scores_out = [0.0] * fn + [1.0] * (100 - fn), [1.0] * fp + [0.0] * (100 - fp)
    x, y = (clopper_pearson_upper(k, 100, alpha=0.025) for k in (fp, fn))
    ratios = (1 - y - 1e-5) / x, (1 - x - 1e-5) / y
    found = clopper_pearson(scores_in, scores_out, **LEVEL, threshold=0.5)
    assert found.epsilon == pytest.approx(math.log(max(1.0, *ratios)), abs=1e-12)
    assert found.details["false_positives"] == fp
    mu = gdp(scores_in, scores_out, **LEVEL, threshold=0.5).mu
    expected = -ndtri(x) - ndtri(y) if x < 1 and y < 1 else 0.0
    assert mu == pytest.approx(max(0.0, expected), abs=1e-9)


def test_a_score_on_the_threshold_means_in() -> None:
    at = clopper_pearson([1.0] * 50, [0.0] * 50, **LEVEL, threshold=1.0)
    assert at.epsilon == clopper_pearson([1.0] * 50, [0.0] * 50, **LEVEL, threshold=0.5).epsilon


@pytest.mark.parametrize("threshold", [*WAYS, 0.0])
@pytest.mark.parametrize("method", [clopper_pearson, gdp])
def test_no_error_reaches_the_ceiling(method: object, threshold: str | float) -> None:
    assert callable(method)
    found = method([1.0] * 300, [-1.0] * 200, **LEVEL, threshold=threshold)
    assert found.epsilon == pytest.approx(found.ceiling, rel=1e-12)
    games = {"n_in": 300, "n_out": 200, "threshold": threshold}
    assert found.ceiling == ceiling(method.__name__, **games, **LEVEL)


@given(seed=st.integers(0, 50), threshold=st.sampled_from([*WAYS, 0.3]))
def test_nothing_exceeds_the_ceiling(seed: int, threshold: str | float) -> None:
    scores = normal(60, 3.0, seed)
    for method in (clopper_pearson, gdp):
        found = method(*scores, **LEVEL, threshold=threshold)
        assert found.epsilon <= found.ceiling + 1e-12


@given(seed=st.integers(0, 50), way=st.sampled_from(WAYS))
def test_only_ranks_count(seed: int, way: str) -> None:
    inside, outside = normal(200, 2.0, seed)
    plain = clopper_pearson(inside, outside, **LEVEL, threshold=way)
    bent = clopper_pearson(np.exp(inside), np.exp(outside), **LEVEL, threshold=way)
    assert plain.epsilon == bent.epsilon
    flat = inside.copy(), outside.copy()
    for side in flat:
        side[side > 2.5] = np.inf
        side[side < -2.5] = -np.inf
    assert clopper_pearson(*flat, **LEVEL, threshold=way).epsilon >= 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n", [2, 3, 10, 500])
def test_constant_scores_show_nothing(way: str, n: int) -> None:
    same = np.full(n, 3.0)
    for method in (clopper_pearson, gdp):
        assert method(same, same, **LEVEL, threshold=way).epsilon == 0
        assert method(same, same, **LEVEL, threshold=3.0).epsilon == 0


@pytest.mark.parametrize("way", WAYS)
def test_failures_never_help(way: str) -> None:
    inside, outside = normal(400, 2.0)
    clean = clopper_pearson(inside, outside, **LEVEL, threshold=way)
    inside[:40], outside[:40] = np.nan, np.nan
    broken = clopper_pearson(inside, outside, **LEVEL, threshold=way)
    assert broken.failed == 80
    assert broken.epsilon < clean.epsilon


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("side", [0, 1])
def test_failures_in_one_world_are_no_leak(sign: int, side: int) -> None:
    """A direction chosen from the scores must not turn failures into hits."""
    scores = [sign * each for each in normal(400, 0.0)]
    scores[side] = np.full(400, np.nan)
    for way in WAYS:
        assert clopper_pearson(*scores, **LEVEL, threshold=way).epsilon == 0
        assert gdp(*scores, **LEVEL, threshold=way).epsilon == 0


def test_split_finds_the_direction() -> None:
    inside, outside = normal(1000, 3.0)
    found = clopper_pearson(-inside, -outside, **LEVEL)
    assert found.details["direction"] == -1
    assert found.epsilon > 3


def test_split_counts_what_did_not_choose() -> None:
    found = clopper_pearson(*normal(1000, 1.0), **LEVEL)
    assert (found.details["counted_in"], found.details["counted_out"]) == (875, 875)


def test_split_finds_a_rare_event() -> None:
    """One release in twenty betrays the canary: a threshold on central quantiles misses it."""
    rng = np.random.default_rng(0)
    outside, inside = rng.normal(size=5000), rng.normal(size=5000)
    inside[rng.random(5000) < 0.05] += 50
    found = clopper_pearson(inside, outside, **LEVEL)
    assert found.epsilon > 2.5
    assert found.details["fnr_upper"] > 0.9


def test_split_is_blind_to_the_order_of_scores() -> None:
    """Sorted scores are split at random too: the means of 200 audits agree within 5 errors."""
    pairs = [normal(300, 1.5, seed) for seed in range(200)]
    as_given = [clopper_pearson(*pair, **LEVEL).epsilon for pair in pairs]
    in_order = [clopper_pearson(*map(np.sort, pair), **LEVEL).epsilon for pair in pairs]
    error = math.sqrt((np.var(as_given) + np.var(in_order)) / 200)
    assert abs(np.mean(as_given) - np.mean(in_order)) < 5 * error


def test_the_grid_knows_only_the_number_of_scores() -> None:
    for n in (1, 2, 5, 100, 5000):
        ranks = grid(n)
        assert ranks[0] == 1
        assert ranks[-1] == n
        assert set(ranks) == {n + 1 - r for r in ranks}


def test_the_grid_bounds_rates_above_its_thresholds() -> None:
    """The FPR strictly above the r-th highest is at most U_(r): the level at every rank is kept.

    Exact: `P[U_(r) > bound] = level` for uniform order statistics.
    """
    from scipy.stats import beta

    looks = look(
        Scores(*normal(50, 0.0)), "bonferroni", alpha=0.05, objective=epsilon_of_rates(0.0)
    )
    fpr, _ = looks.rates(0.05)
    ranks = grid(50)
    missed = beta.sf(fpr, ranks, 51 - ranks)
    assert missed == pytest.approx(np.full(ranks.size, 0.05 / (2 * ranks.size)), rel=1e-9)


def test_ties_make_the_grid_conservative() -> None:
    """On few distinct scores the counted false positives are at most those of the rank."""
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 3, 90) + 1.0, rng.integers(0, 3, 90) + 0.0
    looks = look(Scores(inside, outside), "bonferroni", alpha=0.05, objective=epsilon_of_rates(0.0))
    above = (outside[None, :] > looks.thresholds[:, None]).sum(axis=1)
    assert (above <= looks.false_positives).all()
    assert (looks.false_negatives == (inside[None, :] <= looks.thresholds[:, None]).sum(1)).all()


def test_a_subsampled_release_has_another_curve() -> None:
    """The same error rates mean a larger mu, once the canary is known to join in half the games."""
    scores = normal(2000, 0.6)
    whole, half = (gdp(*scores, **LEVEL, threshold=0.3, rate=rate) for rate in (1.0, 0.5))
    assert (half.mu or 0) > 1.5 * (whole.mu or 0) > 0
    assert half.assumptions[-1] == "subsampled-gaussian-trade-off"
    assert half.normality is None
    assert whole.normality is not None
    assert gdp([1.0] * 300, [0.0] * 300, **LEVEL, threshold=0.5, rate=0.5).epsilon == math.inf
