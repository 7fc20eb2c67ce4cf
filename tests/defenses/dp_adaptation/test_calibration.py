"""Noise: the paper's tables, amplification, three accountants held against each other."""

from __future__ import annotations

import math

import dp_accounting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from latentleak.defenses.dp_adaptation import calibration
from latentleak.defenses.dp_adaptation.calibration import (
    Accountant,
    Query,
    amplified,
    before_sampling,
    calibrate,
    classical_sigma,
    default_delta,
    rdp_epsilon,
    rdp_noise,
)
from latentleak.defenses.dp_adaptation.gaussian import analytic_sigma, gaussian_epsilon

TABLE = {  # (n, epsilon): sigma at m = 8, 16, 32, n with unit norm, replace-one, delta = 1/n
    (158, 0.5): (0.148, 0.102, 0.073, 0.0437),
    (158, 1): (0.125, 0.081, 0.054, 0.0256),
    (158, 5): (0.078, 0.045, 0.026, 0.0075),
    (47, 1): (0.156, 0.109, 0.080, 0.0693),
    (47, 5): (0.086, 0.051, 0.030, 0.0224),
}
RATES = st.floats(0.001, 1.0)


def query(
    epsilon: float, delta: float, *, n: int = 158, m: int | None = None, releases: int = 1
) -> Query:
    sample = n if m is None else m
    return Query(
        epsilon=epsilon,
        delta=delta,
        sensitivity=2 / sample,
        records=n,
        sample=sample,
        releases=releases,
    )


@pytest.mark.parametrize(("n", "epsilon"), TABLE)
def test_the_table_of_sigma(n: int, epsilon: float) -> None:
    for m, want in zip((8, 16, 32, n), TABLE[n, epsilon], strict=True):
        sigma = calibrate(query(epsilon, 1 / n, n=n, m=m)).sigma
        digits = 4 if m == n else 3
        assert sigma == pytest.approx(want, abs=0.51 * 10**-digits)


@pytest.mark.parametrize(("n", "want"), [(158, 0.0472), (47, 0.159)])
def test_sigma_at_the_default_delta(n: int, want: float) -> None:
    assert default_delta(n) == 1e-5
    assert calibrate(query(1, default_delta(n), n=n)).sigma == pytest.approx(want, abs=5e-4)


def test_one_subsampled_release_needs_more_noise_than_all_records() -> None:
    sigmas = [calibrate(query(1.0, 1e-5, m=m)).sigma for m in (8, 16, 32, 64, 158)]
    assert sigmas == sorted(sigmas, reverse=True)


@given(epsilon=st.floats(0.001, 30), delta=st.floats(1e-12, 0.1), rate=RATES)
def test_amplification_is_inverted(epsilon: float, delta: float, rate: float) -> None:
    inner = before_sampling(epsilon, delta, rate=rate)
    assert inner[0] >= epsilon * (1 - 1e-12)
    assert amplified(*inner, rate=rate) == pytest.approx((epsilon, delta), rel=1e-9)
    assert amplified(epsilon, delta, rate=rate)[0] <= epsilon * (1 + 1e-12)


@given(epsilon=st.floats(0.01, 20), rate=RATES)
def test_amplification_is_the_naive_formula(epsilon: float, rate: float) -> None:
    naive = math.log(1 + rate * (math.exp(epsilon) - 1))
    assert amplified(epsilon, 0.0, rate=rate)[0] == pytest.approx(naive, rel=1e-9)
    inverse = math.log(1 + (math.exp(epsilon) - 1) / rate)
    assert before_sampling(epsilon, 0.0, rate=rate)[0] == pytest.approx(inverse, rel=1e-9)


def test_amplification_does_not_overflow() -> None:
    assert before_sampling(2000.0, 1e-5, rate=0.5)[0] == pytest.approx(2000 + math.log(2))
    assert amplified(2000.0, 1e-5, rate=0.5)[0] == pytest.approx(2000 - math.log(2))


@pytest.mark.parametrize("releases", [1, 3, 20])
@pytest.mark.parametrize("epsilon", [0.5, 4.0])
def test_composition_is_that_of_dp_accounting(releases: int, epsilon: float) -> None:
    """The privacy loss distribution of k Gaussians is exact up to its grid."""
    noise = calibrate(query(epsilon, 1e-5, releases=releases))
    accountant = dp_accounting.pld.PLDAccountant()
    accountant.compose(dp_accounting.GaussianDpEvent(noise.sigma * 158 / 2), releases)
    assert accountant.get_epsilon(1e-5) == pytest.approx(epsilon, rel=2e-3)


def test_renyi_accounting_of_plain_gaussians_is_valid_and_looser() -> None:
    exact, renyi = (calibrate(query(2.0, 1e-5, releases=4), a).sigma for a in ("analytic", "rdp"))
    assert exact < renyi < 1.2 * exact


def test_renyi_noise_reaches_epsilon_from_above() -> None:
    sizes = {"records": 158, "sample": 16, "releases": 10}
    noise = rdp_noise(4.0, 1e-5, **sizes)
    assert rdp_epsilon(noise, 1e-5, **sizes) <= 4.0
    assert rdp_epsilon(noise / 1.001, 1e-5, **sizes) > 4.0


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        (query(1.0, 1e-5), "analytic Gaussian"),
        (query(1.0, 1e-5, releases=2), "Gaussian composition"),
        (query(1.0, 1e-5, m=8), "analytic Gaussian, amplification"),
        (query(4.0, 1e-5, m=8, releases=10), "Renyi accounting"),
        (query(10.0, 1e-5, m=150, releases=2), "Gaussian composition"),
        (query(1.0, 1e-5, n=1000, m=20, releases=2), "analytic Gaussian, amplification, basic"),
        (query(1.0, 0.1, m=8), "analytic Gaussian"),
    ],
)
def test_the_least_noise_is_taken(asked: Query, argument: str) -> None:
    noise = calibrate(asked)
    assert noise.argument.startswith(argument)
    assert noise.sigma == min(each.sigma for each in calibration._proofs(asked))


def _hockey_stick(mu: float, rate: float, epsilon: float) -> float:
    """Delta of one subsampled release on the antipodal canary, others zero, by integration."""
    x = np.linspace(-12 - mu, 12 + mu, 400_001)
    zero = stats.norm.pdf(x)
    inside = (1 - rate) * zero + rate * stats.norm.pdf(x - mu / 2)
    outside = (1 - rate) * zero + rate * stats.norm.pdf(x + mu / 2)
    return float(np.trapezoid(np.maximum(0, inside - math.exp(epsilon) * outside), x))


@given(epsilon=st.floats(0.1, 8), delta=st.floats(1e-6, 1e-2), m=st.integers(1, 158))
@settings(max_examples=40)
def test_a_subsampled_release_keeps_its_claim_on_the_canary(
    epsilon: float, delta: float, m: int
) -> None:
    asked = query(epsilon, delta, m=m)
    mu = asked.sensitivity / calibrate(asked).sigma
    assert _hockey_stick(mu, m / 158, epsilon) <= delta * (1 + 1e-6)


@pytest.mark.parametrize(("epsilon", "m"), [(1.0, 8), (4.0, 8), (4.0, 79)])
def test_two_subsampled_releases_keep_their_claim_on_the_canary(epsilon: float, m: int) -> None:
    """The two-dimensional integral of the product densities."""
    asked = query(epsilon, 1e-5, m=m, releases=2)
    mu, rate = asked.sensitivity / calibrate(asked).sigma, m / 158
    x = np.linspace(-9 - mu, 9 + mu, 2001)
    zero = stats.norm.pdf(x)
    inside = (1 - rate) * zero + rate * stats.norm.pdf(x - mu / 2)
    outside = (1 - rate) * zero + rate * stats.norm.pdf(x + mu / 2)
    excess = np.outer(inside, inside) - math.exp(epsilon) * np.outer(outside, outside)
    delta = np.maximum(0, excess).sum() * (x[1] - x[0]) ** 2
    assert delta <= 1.01e-5


def test_the_classical_formula_is_the_naive_one_where_it_is_proven() -> None:
    assert classical_sigma(0.5, 1e-5, sensitivity=0.1) == pytest.approx(
        0.1 * math.sqrt(2 * math.log(1.25e5)) / 0.5
    )
    noise = calibrate(query(0.8, 1e-5), Accountant.CLASSICAL)
    assert noise.argument == "classical Gaussian"
    assert noise.sigma > calibrate(query(0.8, 1e-5)).sigma


@given(epsilon=st.floats(0.01, 1.0), delta=st.floats(1e-10, 0.3))
def test_the_classical_formula_never_under_noises_up_to_one(epsilon: float, delta: float) -> None:
    analytic = analytic_sigma(epsilon, delta, sensitivity=1.0)
    assert classical_sigma(epsilon, delta, sensitivity=1.0) >= analytic


@pytest.mark.parametrize(
    ("epsilon", "delta", "true"), [(20, 1e-5, 25.4), (8, 0.125, 10.4), (8, 1e-5, 7.9)]
)
def test_the_classical_formula_above_one(epsilon: float, delta: float, true: float) -> None:
    mu = epsilon / math.sqrt(2 * math.log(1.25 / delta))
    assert gaussian_epsilon(mu, delta) == pytest.approx(true, abs=0.05)


def test_the_classical_formula_is_refused_where_it_is_not_proven() -> None:
    with pytest.raises(ValueError, match=r"epsilon=5 .* must be in .*use accountant='analytic'"):
        calibrate(query(5.0, 1e-5), Accountant.CLASSICAL)
    with pytest.raises(ValueError, match="before subsampling"):  # epsilon0 = 3.6
        calibrate(query(1.0, 1e-5, m=8), Accountant.CLASSICAL)
    with pytest.raises(ValueError, match=r"delta=1.97"):
        calibrate(query(0.01, 0.1, m=8), Accountant.CLASSICAL)


def test_classical_and_wrong_by_the_paper() -> None:
    """At n = 158, epsilon = 5, m = 8 the formula gives .0673 where .0780 is needed."""
    epsilon0, delta0 = before_sampling(5.0, 1 / 158, rate=8 / 158)
    naive = 2 / 8 * math.sqrt(2 * math.log(1.25 / delta0)) / epsilon0
    assert naive == pytest.approx(0.0673, abs=5e-5)
    assert calibrate(query(5.0, 1 / 158, m=8)).sigma == pytest.approx(0.0780, abs=5e-5)


def test_default_delta() -> None:
    assert default_delta(10_000) == 1e-5
    assert default_delta(100_000) == 1e-6
    with pytest.raises(ValueError, match="records=0"):
        default_delta(0)


def test_bad_queries() -> None:
    with pytest.raises(ValueError, match=r"sample=200 must be .* 158 records"):
        query(1.0, 1e-5, m=200)
    with pytest.raises(ValueError, match="releases=0"):
        query(1.0, 1e-5, releases=0)
    with pytest.raises(ValueError, match="rate=0"):
        amplified(1.0, 1e-5, rate=0.0)
    with pytest.raises(ValueError, match="delta=1"):
        calibrate(query(1.0, 1.0))
    with pytest.raises(ValueError, match=r"epsilon=0.001 is too small for accountant='rdp'"):
        calibrate(query(0.001, 1e-12, m=8, releases=2), "rdp")
    with pytest.raises(ValueError, match="'moments' is not a valid Accountant"):
        calibrate(query(1.0, 1e-5), "moments")
