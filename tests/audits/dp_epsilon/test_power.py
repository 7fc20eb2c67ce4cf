"""What is called detectable is found nine times out of ten, and less is found less often."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentleak.audits.dp_epsilon import gaussian_likelihood_ratio
from latentleak.audits.dp_epsilon.power import detectable, family
from latentleak.audits.dp_epsilon.subsampled import subsampled_epsilon
from latentleak.defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu

CLAIM = {"epsilon": 1.0, "delta": 1e-5}
RUNS = 400


def test_the_detectable_mean_is_found_with_probability_nine_tenths() -> None:
    games, alpha = 300, 0.01
    mu = detectable(
        family("gaussian"), (games, games), method="gaussian_likelihood_ratio", alpha=alpha, **CLAIM
    )
    rng = np.random.default_rng(0)
    found = sum(
        gaussian_likelihood_ratio(
            rng.standard_normal(games) + mu, rng.standard_normal(games), delta=1e-5, alpha=alpha
        ).epsilon
        > 1.0
        for _ in range(RUNS)
    )
    # 0.9 of 400 runs, 5 standard errors (0.015) either way: 6e-7.
    assert abs(found / RUNS - 0.9) < 0.075


@pytest.mark.parametrize(
    ("law", "method"),
    [
        ("gaussian", "gaussian_likelihood_ratio"),
        ("gaussian", "clopper_pearson"),
        ("mixture", "gdp"),
        ("composed", "composed_gaussian"),
        ("composed", "clopper_pearson"),
    ],
)
def test_more_games_find_less(law: str, method: str) -> None:
    of = family(law, 0.5, 4)
    allowed = of.allowed(1.0, 1e-5)
    leaks = [detectable(of, (n, n), method=method, alpha=0.001, **CLAIM) for n in (500, 2000, 8000)]
    assert leaks[0] > leaks[1] > leaks[2] > allowed
    assert of.advantage(leaks[2]) > of.advantage(allowed) > 0
    assert of.epsilon(allowed, 1e-5) == pytest.approx(1.0, abs=0.02)


def test_knowing_the_law_finds_less_than_counting() -> None:
    of = family("gaussian")
    sizes = (1000, 1000)
    means = detectable(of, sizes, method="gaussian_likelihood_ratio", alpha=0.01, **CLAIM)
    counts = detectable(of, sizes, method="clopper_pearson", alpha=0.01, **CLAIM)
    assert gaussian_mu(1.0, 1e-5) < means < counts


def test_too_few_games_find_nothing() -> None:
    of = family("gaussian")
    assert math.isinf(detectable(of, (1, 50), method="clopper_pearson", alpha=0.01, **CLAIM))
    assert math.isinf(detectable(of, (5, 5), method="clopper_pearson", alpha=0.001, **CLAIM))


def test_families_agree_with_their_closed_forms() -> None:
    plain, sampled = family("gaussian"), family("mixture", 0.2)
    rates = np.array([0.1, 0.4])
    assert plain.epsilon(1.0, 1e-5) == gaussian_epsilon(1.0, 1e-5)
    assert sampled.epsilon(1.0, 1e-5) == subsampled_epsilon(1.0, 1e-5, rate=0.2)
    assert (sampled.misses(1.0, rates) > plain.misses(1.0, rates)).all()
    assert plain.advantage(1.0) == pytest.approx(0.3829, abs=1e-4)  # 2 Phi(1/2) - 1
