"""Validity, tightness and power, played. `benchmarks/dp_bounds.py` prints the full tables.

Counts of false alarms are held against the 1 - 1e-6 binomial quantile. Means lie
at least 4.75 standard errors of their audits from what is asserted: 1e-6 for any seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from latentleak.audits.dp_epsilon import (
    bayesian,
    clopper_pearson,
    gaussian_likelihood_ratio,
    gdp,
    guesses_from_scores,
    one_run,
    one_run_fdp,
)
from latentleak.audits.statistics import at_most
from latentleak.defenses.dp_adaptation.gaussian import gaussian_mu

Side = NDArray[np.float64]
Audit = Callable[[Side, Side], float]
DELTA, ALPHA = 1e-5, 0.05
LEVEL = {"delta": DELTA, "alpha": ALPHA}


def once(method: Callable[..., object]) -> Audit:
    """A one-run audit that guesses the 5 % highest and the 5 % lowest scores."""

    def audit(inside: Side, outside: Side) -> float:
        canaries = inside.size + outside.size
        made = guesses_from_scores(inside, outside, top=canaries // 20, bottom=canaries // 20)
        bound = method(canaries=canaries, **made._asdict(), **LEVEL)
        return float(bound.epsilon)  # type: ignore[attr-defined]

    return audit


AUDITS: Mapping[str, Audit] = {
    "clopper_pearson split": lambda a, b: clopper_pearson(a, b, **LEVEL).epsilon,
    "clopper_pearson bonferroni": lambda a, b: (
        clopper_pearson(a, b, **LEVEL, threshold="bonferroni").epsilon
    ),
    "clopper_pearson fixed": lambda a, b: clopper_pearson(a, b, **LEVEL, threshold=0.5).epsilon,
    "gdp split": lambda a, b: gdp(a, b, **LEVEL).epsilon,
    "gdp bonferroni": lambda a, b: gdp(a, b, **LEVEL, threshold="bonferroni").epsilon,
    "gdp subsampled": lambda a, b: gdp(a, b, **LEVEL, rate=0.5).epsilon,
    "gaussian_likelihood_ratio": lambda a, b: gaussian_likelihood_ratio(a, b, **LEVEL).epsilon,
    "one_run": once(one_run),
    "one_run_fdp": once(one_run_fdp),
}


def played(n: int, mu: float, *, runs: int, seed: int) -> list[tuple[Side, Side]]:
    """`runs` pairs of n scores from N(mu, 1) and N(0, 1)."""
    rng = np.random.default_rng(seed)
    return list(zip(rng.normal(size=(runs, n)) + mu, rng.normal(size=(runs, n)), strict=True))


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("name", AUDITS)
def test_scores_without_information_refute_nothing(name: str, n: int) -> None:
    games = played(n, 0.0, runs=300, seed=n)
    assert sum(AUDITS[name](*pair) > 0 for pair in games) <= at_most(300, ALPHA)


@pytest.mark.parametrize("name", [name for name in AUDITS if name != "gaussian_likelihood_ratio"])
def test_neither_do_few_values_nor_sorted_scores(name: str) -> None:
    games = [
        (np.sort(a.round()), np.sort(b.round())) for a, b in played(200, 0.0, runs=300, seed=1)
    ]
    assert sum(AUDITS[name](*pair) > 0 for pair in games) <= at_most(300, ALPHA)


def test_the_credible_interval_does() -> None:
    """The control: positive by construction, and therefore never a verdict."""
    games = played(100, 0.0, runs=60, seed=0)
    counts = [((a >= 0.5).sum(), (b >= 0.5).sum()) for a, b in games]
    bounds = [bayesian(tp=tp, fn=100 - tp, fp=fp, tn=100 - fp, **LEVEL) for tp, fp in counts]
    assert sum(bound.epsilon > 0 for bound in bounds) > 45
    assert not any(bound.guarantee for bound in bounds)


@pytest.mark.parametrize(
    ("epsilon", "n", "share"),
    [(4.0, 1000, 0.89), (4.0, 5000, 0.94), (1.0, 1000, 0.65), (1.0, 5000, 0.85)],
)
def test_the_gaussian_bound_is_tight(epsilon: float, n: int, share: float) -> None:
    games = played(n, gaussian_mu(epsilon, DELTA), runs=500, seed=2)
    bounds = [AUDITS["gaussian_likelihood_ratio"](*pair) for pair in games]
    assert np.mean(bounds) >= share * epsilon
    assert sum(bound > epsilon for bound in bounds) <= at_most(500, ALPHA)


@pytest.mark.parametrize(("epsilon", "share"), [(4.0, 0.97), (1.0, 0.92)])
def test_the_gaussian_bound_is_tight_on_many_scores(epsilon: float, share: float) -> None:
    games = played(20_000, gaussian_mu(epsilon, DELTA), runs=150, seed=3)
    bounds = [AUDITS["gaussian_likelihood_ratio"](*pair) for pair in games]
    assert np.mean(bounds) >= share * epsilon
    assert sum(bound > epsilon for bound in bounds) <= at_most(150, ALPHA)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("clopper_pearson split", 0.25),
        ("clopper_pearson bonferroni", 0.25),
        ("gdp split", 0.70),
        ("gdp bonferroni", 0.68),
        ("one_run", 0.37),
        ("one_run_fdp", 0.55),
    ],
)
def test_other_bounds_keep_their_strength(name: str, least: float) -> None:
    games = played(1000, gaussian_mu(4.0, DELTA), runs=200, seed=4)
    bounds = [AUDITS[name](*pair) for pair in games]
    assert np.mean(bounds) >= least * 4
    assert sum(bound > 4 for bound in bounds) <= at_most(200, ALPHA)


@pytest.mark.parametrize(("epsilon", "n", "least"), [(4.0, 300, 0.95), (1.0, 1000, 0.90)])
def test_halved_noise_is_refuted(epsilon: float, n: int, least: float) -> None:
    audit, mu = AUDITS["gaussian_likelihood_ratio"], gaussian_mu(epsilon, DELTA)
    broken, honest = (played(n, factor * mu, runs=200, seed=5) for factor in (2, 1))
    assert sum(audit(*pair) > epsilon for pair in broken) >= least * 200
    assert sum(audit(*pair) > epsilon for pair in honest) <= at_most(200, ALPHA)
