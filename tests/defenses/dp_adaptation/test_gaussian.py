"""mu, epsilon and delta of a Gaussian release: published values, dp-accounting, inverses."""

from __future__ import annotations

import math

import dp_accounting
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from latentleak.defenses.dp_adaptation.gaussian import (
    analytic_sigma,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
)

EPSILONS = st.floats(0.01, 30)
DELTAS = st.floats(1e-12, 0.5)


@pytest.mark.parametrize(("delta", "epsilon"), [(1e-5, 4.37718), (1e-6, 4.88655)])
def test_published_epsilon_of_mu_one(delta: float, epsilon: float) -> None:
    assert gaussian_epsilon(1.0, delta) == pytest.approx(epsilon, abs=5e-6)


@pytest.mark.parametrize("mu", [0.01, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 3.0])
def test_delta_is_the_integral_that_defines_it(mu: float, epsilon: float) -> None:
    """`integral of max(0, p - e^epsilon q)`; p > e^epsilon q above epsilon / mu + mu / 2 of q."""

    def excess(x: float) -> float:
        return float(stats.norm.pdf(x - mu) - math.exp(epsilon) * stats.norm.pdf(x))

    edge = epsilon / mu + mu / 2
    want = integrate.quad(excess, edge, edge + 40, epsabs=1e-14, points=[edge + 1, edge + 5])[0]
    assert gaussian_delta(mu, epsilon) == pytest.approx(want, rel=1e-6, abs=1e-13)


@given(epsilon=EPSILONS, delta=DELTAS)
def test_sigma_agrees_with_dp_accounting(epsilon: float, delta: float) -> None:
    theirs = dp_accounting.get_sigma_gaussian(epsilon, delta)
    assert analytic_sigma(epsilon, delta, sensitivity=1.0) == pytest.approx(theirs, rel=1e-6)


@given(epsilon=EPSILONS, delta=DELTAS)
def test_mu_and_epsilon_are_inverse(epsilon: float, delta: float) -> None:
    mu = gaussian_mu(epsilon, delta)
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-7, abs=1e-9)
    assert gaussian_delta(mu, epsilon) == pytest.approx(delta, rel=1e-7)


@given(mu=st.floats(0.0, 50), epsilon=st.floats(0, 50), more=st.floats(0, 5))
def test_delta_is_monotone(mu: float, epsilon: float, more: float) -> None:
    here = gaussian_delta(mu, epsilon)
    assert 0 <= here <= 1
    assert gaussian_delta(mu, epsilon + more) <= here + 1e-15
    assert gaussian_delta(mu + more, epsilon) >= here - 1e-15


def test_sigma_scales_with_the_sensitivity() -> None:
    one = analytic_sigma(2.0, 1e-5, sensitivity=1.0)
    assert analytic_sigma(2.0, 1e-5, sensitivity=0.25) == pytest.approx(one / 4, rel=1e-12)


def test_the_ends() -> None:
    assert gaussian_delta(0.0, 0.0) == 0
    assert gaussian_delta(math.inf, 3.0) == 1
    assert gaussian_epsilon(0.0, 0.0) == 0
    assert gaussian_epsilon(1.0, 0.0) == math.inf
    assert gaussian_epsilon(math.inf, 1e-5) == math.inf
    assert gaussian_epsilon(0.1, 0.5) == 0
    tiny = gaussian_delta(0.1, 1.0)
    assert 0 < tiny < 1e-20


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gaussian_delta(-1.0, 1.0), "mu=-1.0 must be >= 0"),
        (lambda: gaussian_delta(1.0, math.nan), "epsilon=nan must be >= 0"),
        (lambda: gaussian_epsilon(1.0, 1.0), "delta=1.0 must be in"),
        (lambda: gaussian_mu(math.inf, 1e-5), "epsilon=inf must be finite"),
        (lambda: gaussian_mu(1.0, 0.0), "delta=0.0 must be in"),
        (lambda: analytic_sigma(1.0, 1e-5, sensitivity=0.0), "sensitivity=0.0 must be"),
        (lambda: analytic_sigma(1.0, 1e-5, sensitivity=np.inf), "sensitivity=inf must be"),
    ],
)
def test_bad_arguments(call: object, says: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=says):
        call()
