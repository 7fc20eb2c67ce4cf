"""The Gaussian bound: exactness, invariances, and what it assumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import anderson, f, nct, ttest_ind

from latentleak.audits.dp_epsilon import ASSUMPTION_LEVEL, gaussian_likelihood_ratio, p_value
from latentleak.audits.dp_epsilon.normality import anderson_darling, equal_variance, normality
from latentleak.audits.statistics import at_most
from latentleak.defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu

LEVEL = {"delta": 1e-5, "alpha": 0.05}


def test_the_interval_inverts_the_noncentral_t() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=40) + 1.0, rng.normal(size=70)
    found = gaussian_likelihood_ratio(inside, outside, **LEVEL)
    t = ttest_ind(inside, outside).statistic
    scale = 1 / math.sqrt(1 / 40 + 1 / 70)
    assert found.mu is not None
    assert found.mu_upper is not None
    assert nct.sf(t, 108, found.mu * scale) == pytest.approx(0.05, rel=1e-6)
    assert nct.cdf(t, 108, found.mu_upper * scale) == pytest.approx(0.05, rel=1e-6)
    assert found.epsilon == gaussian_epsilon(found.mu, 1e-5)
    assert found.upper == gaussian_epsilon(found.mu_upper, 1e-5)


def test_without_a_claim_the_p_value_is_student_s() -> None:
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(size=30) + 0.4, rng.normal(size=50)
    expected = ttest_ind(inside, outside, alternative="greater").pvalue
    p = p_value("gaussian_likelihood_ratio", inside, outside, epsilon=0.0, delta=0.0)
    assert p == pytest.approx(expected, rel=1e-9)


@given(shift=st.floats(-1e6, 1e6), scale=st.floats(1e-6, 1e6))
def test_units_do_not_matter(shift: float, scale: float) -> None:
    rng = np.random.default_rng(2)
    inside, outside = rng.normal(size=50) + 1.0, rng.normal(size=50)
    plain = gaussian_likelihood_ratio(inside, outside, **LEVEL)
    moved = gaussian_likelihood_ratio(shift + scale * inside, shift + scale * outside, **LEVEL)
    assert moved.epsilon == pytest.approx(plain.epsilon, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_no_overflow(scale: float) -> None:
    rng = np.random.default_rng(2)
    inside, outside = rng.normal(size=50) + 1.0, rng.normal(size=50)
    plain = gaussian_likelihood_ratio(inside, outside, **LEVEL)
    moved = gaussian_likelihood_ratio(scale * inside, scale * outside, **LEVEL)
    assert moved.epsilon == pytest.approx(plain.epsilon, rel=1e-9)


@pytest.mark.parametrize("mu", [0.0, 0.3, 5.0, 30.0])
def test_a_million_scores_a_side(mu: float) -> None:
    """The interval holds mu (1e-6 on either side) and is as narrow as it must be."""
    rng = np.random.default_rng(3)
    inside, outside = rng.normal(size=1_000_000) + mu, rng.normal(size=1_000_000)
    found = gaussian_likelihood_ratio(inside, outside, delta=1e-5, alpha=1e-6)
    assert found.mu is not None
    assert found.mu_upper is not None
    assert found.mu <= mu <= found.mu_upper
    assert found.mu_upper - found.mu < 11 * math.sqrt(2e-6 + mu**2 / 4e6)


def test_both_bounds_miss_as_often_as_they_may() -> None:
    """2,000 audits at alpha 0.05; each bound misses within the 1 - 1e-6 quantile, and not never."""
    rng, mu = np.random.default_rng(4), gaussian_mu(2.0, 1e-5)
    inside, outside = rng.normal(size=(2000, 10)) + mu, rng.normal(size=(2000, 15))
    found = [
        gaussian_likelihood_ratio(*pair, **LEVEL) for pair in zip(inside, outside, strict=True)
    ]
    for missed in (sum(b.epsilon > 2 for b in found), sum((b.upper or 0) < 2 for b in found)):
        assert 2000 - at_most(2000, 0.95) <= missed <= at_most(2000, 0.05)


def test_reversed_scores_show_nothing() -> None:
    rng = np.random.default_rng(5)
    found = gaussian_likelihood_ratio(rng.normal(size=50) - 3, rng.normal(size=50), **LEVEL)
    assert (found.epsilon, found.upper) == (0.0, 0.0)


def test_failures_take_the_worst_score() -> None:
    rng = np.random.default_rng(6)
    inside, outside = rng.normal(size=300) + 1, rng.normal(size=300)
    clean = gaussian_likelihood_ratio(inside, outside, **LEVEL)
    low, high = min(inside.min(), outside.min()), max(inside.max(), outside.max())
    inside[5], outside[7] = np.nan, np.nan
    broken = gaussian_likelihood_ratio(inside, outside, **LEVEL)
    inside[5], outside[7] = low, high
    assert broken.failed == 2
    assert broken.epsilon == pytest.approx(
        gaussian_likelihood_ratio(inside, outside, **LEVEL).epsilon
    )
    assert broken.epsilon < clean.epsilon


def test_the_assumption_matters_and_is_seen() -> None:
    """Cut at a threshold, scores of a release with mu = 4 read as mu > 6; the check says so."""
    rng = np.random.default_rng(7)
    inside, outside = rng.normal(size=2000) + 2, rng.normal(size=2000) - 2
    found = gaussian_likelihood_ratio(np.sign(inside), np.sign(outside), **LEVEL)
    assert (found.mu or 0) > 6
    assert found.normality is not None
    assert found.normality < ASSUMPTION_LEVEL
    assert not found.assumptions_hold
    assert gaussian_likelihood_ratio(inside, outside, **LEVEL).assumptions_hold


def test_unequal_spread_is_seen() -> None:
    rng = np.random.default_rng(8)
    found = gaussian_likelihood_ratio(2 * rng.normal(size=500), rng.normal(size=500), **LEVEL)
    assert (found.equal_variance or 0) < ASSUMPTION_LEVEL
    assert not found.assumptions_hold


@pytest.mark.parametrize("n", [8, 20, 200, 2000])
def test_the_checks_keep_their_size(n: int) -> None:
    """1,000 pairs of normal samples: the 1 - 1e-6 quantile, and 10 % for the fitted law."""
    rng = np.random.default_rng(n)
    inside, outside = rng.normal(size=(1000, n)) + 3, rng.normal(size=(1000, n))
    pairs = list(zip(inside, outside, strict=True))
    for check in (normality, equal_variance):
        p = np.array([check(*pair) for pair in pairs])
        for level in (0.01, 0.05, 0.2):
            assert (p <= level).sum() <= at_most(1000, 1.1 * level)
        assert (p <= 0.2).sum() >= 1000 - at_most(1000, 1 - 0.2 / 1.1)


def test_anderson_darling_against_scipy() -> None:
    """At SciPy's 5 % critical value, which it gives for the uncorrected statistic, p is 5 %."""
    rng, sample = np.random.default_rng(9), np.empty(0)
    for _ in range(200):
        sample = rng.normal(size=40)
        result = anderson(sample, method="interpolate")
        assert (anderson_darling(sample) < 0.05) == (result.pvalue < 0.05) or (
            abs(result.pvalue - 0.05) < 0.01
        )
    assert anderson_darling(np.exp(sample)) < 1e-3
    assert anderson_darling(np.ones(20)) == 0.0
    assert 0 < anderson_darling(rng.exponential(size=30)) < 0.05


def test_equal_variance_is_the_f_test() -> None:
    rng = np.random.default_rng(10)
    inside, outside = rng.normal(size=12), rng.normal(size=30)
    one_sided = f.sf(inside.var(ddof=1) / outside.var(ddof=1), 11, 29)
    expected = 2 * min(one_sided, 1 - one_sided)
    assert equal_variance(inside, outside) == pytest.approx(expected, rel=1e-9)


def test_few_scores_are_not_checked() -> None:
    found = gaussian_likelihood_ratio([1.0, 2.0, 3.0], [0.0, 1.0, 2.0], **LEVEL)
    assert found.normality is None
    assert found.assumptions_hold
