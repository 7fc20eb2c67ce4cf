"""The subsampled pair against integration, dp-accounting and the amplification theorem."""

from __future__ import annotations

import math

import dp_accounting
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentleak.audits.dp_epsilon import (
    subsampled_delta,
    subsampled_epsilon,
    subsampled_false_negatives,
    subsampled_mu,
)
from latentleak.defenses.dp_adaptation.gaussian import gaussian_delta, gaussian_epsilon

RATES = st.sampled_from([1.0, 0.75, 0.5, 0.1, 0.01])
X = np.linspace(-20, 20, 400_001)


def density(mean: float, rate: float) -> NDArray[np.float64]:
    def normal(center: float) -> NDArray[np.float64]:
        return np.asarray(np.exp(-((X - center) ** 2) / 2) / math.sqrt(2 * math.pi))

    return (1 - rate) * normal(0.0) + rate * normal(mean)


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("mu", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 2.0])
def test_delta_is_the_integral(mu: float, epsilon: float, rate: float) -> None:
    excess = density(mu / 2, rate) - math.exp(epsilon) * density(-mu / 2, rate)
    expected = float(np.maximum(excess, 0).sum() * (X[1] - X[0]))
    assert subsampled_delta(mu, epsilon, rate=rate) == pytest.approx(expected, abs=1e-7)


@given(mu=st.floats(0.01, 8), delta=st.sampled_from([1e-8, 1e-5, 0.01]))
def test_rate_one_is_the_gaussian_pair(mu: float, delta: float) -> None:
    assert subsampled_delta(mu, 1.0) == pytest.approx(gaussian_delta(mu, 1.0), rel=1e-9, abs=1e-12)
    assert subsampled_epsilon(mu, delta) == pytest.approx(gaussian_epsilon(mu, delta), abs=1e-8)


@pytest.mark.parametrize("mu", [0.3, 1.0, 4.0])
def test_rate_one_against_dp_accounting(mu: float) -> None:
    expected = dp_accounting.get_epsilon_gaussian(1 / mu, 1e-5)
    assert subsampled_epsilon(mu, 1e-5) == pytest.approx(expected, abs=1e-6)


@given(mu=st.floats(0.05, 5), rate=st.sampled_from([0.75, 0.5, 0.1, 0.01]))
def test_the_amplification_theorem_holds(mu: float, rate: float) -> None:
    delta = 1e-4 * rate
    allowed = math.log1p(rate * math.expm1(gaussian_epsilon(mu, 1e-4)))
    assert subsampled_epsilon(mu, delta, rate=rate) <= allowed + 1e-9


@given(mu=st.floats(0.05, 5), rate=RATES, fpr=st.floats(1e-5, 0.4))
def test_mu_of_a_point_on_its_curve(mu: float, rate: float, fpr: float) -> None:
    fnr = subsampled_false_negatives(fpr, mu=mu, rate=rate)
    back = float(subsampled_mu(fpr, fnr, rate=rate))
    assert back == pytest.approx(mu, rel=1e-4, abs=1e-5)


@given(mu=st.floats(0.0, 6), rate=RATES)
def test_the_curve_is_symmetric_convex_and_below_guessing(mu: float, rate: float) -> None:
    fpr = np.linspace(0, 1, 101)
    fnr = subsampled_false_negatives(fpr, mu=mu, rate=rate)
    assert (fnr <= 1 - fpr + 1e-12).all()
    assert (np.diff(fnr, 2) >= -1e-9).all()
    again = subsampled_false_negatives(fnr, mu=mu, rate=rate)
    assert again[1:-1] == pytest.approx(fpr[1:-1], abs=1e-9)


def test_the_ends() -> None:
    assert subsampled_mu(0.5, 0.5, rate=0.5) == 0.0
    assert subsampled_mu(0.6, 0.7, rate=0.5) == 0.0
    assert subsampled_mu(0.1, 0.2, rate=0.5) == math.inf  # 1 - q = 0.5 is not explained
    assert subsampled_epsilon(math.inf, 1e-5, rate=0.5) == math.inf
    assert subsampled_epsilon(math.inf, 0.6, rate=0.5) == 0.0
    assert subsampled_epsilon(0.0, 0.0, rate=0.5) == 0.0
    assert subsampled_epsilon(1.0, 0.0, rate=0.5) == math.inf
    assert subsampled_delta(1.0, math.inf, rate=0.5) == 0.0


def test_a_subsampled_release_is_played() -> None:
    """Error rates of a simulated release lie on the curve: 8 standard errors, never missed."""
    rng, n, rate, mu = np.random.default_rng(0), 200_000, 0.3, 3.0
    chosen = (rng.random((2, n)) < rate) * (mu / 2)
    inside, outside = rng.normal(size=n) + chosen[0], rng.normal(size=n) - chosen[1]
    fpr, fnr = np.mean(outside >= 0.7), np.mean(inside < 0.7)
    expected = subsampled_false_negatives(fpr, mu=mu, rate=rate)
    assert fnr == pytest.approx(float(expected), abs=8 * 0.5 / math.sqrt(n) * 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: subsampled_mu(0.1, 0.1, rate=0.0), "rate=0.0 must be in"),
        (lambda: subsampled_delta(-1.0, 1.0), "mu=-1.0 must be >= 0"),
        (lambda: subsampled_delta(1.0, math.nan), "epsilon=nan must be >= 0"),
        (lambda: subsampled_epsilon(1.0, 1.0), "delta=1.0 must be in"),
        (lambda: subsampled_false_negatives(0.1, mu=math.inf), "mu=inf must be finite"),
    ],
)
def test_bad_arguments(call: object, words: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=words):
        call()
