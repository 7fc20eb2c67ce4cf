"""Rates against closed forms of Gaussian scores; a sure threshold is sure."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import binom, norm

from latentleak.audits.membership.rates import rates, sure_tpr


@pytest.mark.parametrize("mu", [0.0, 0.5, 2.0])
def test_gaussian_scores_have_the_closed_form(mu: float) -> None:
    """AUC Phi(mu / sqrt 2), advantage 2 Phi(mu / 2) - 1, TPR Phi(mu + Phi^-1(f)); alpha 1e-6."""
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(mu, 1, 20_000), rng.normal(0, 1, 20_000)
    found = rates(inside, outside, alpha=1e-6, seed=0)
    assert found.area.interval.covers(norm.cdf(mu / np.sqrt(2)))
    assert found.pairs.interval.covers(norm.cdf(mu / np.sqrt(2)))
    assert found.best.lower <= 2 * norm.cdf(mu / 2) - 1
    for point in found.points:
        assert point.tpr is not None
        truth = norm.cdf(mu - point.threshold)  # at the threshold that was chosen
        assert point.interval is not None
        assert point.interval.covers(truth)


def test_small_sets_do_not_resolve_small_rates() -> None:
    rng = np.random.default_rng(1)
    found = rates(rng.normal(1, 1, 50), rng.normal(0, 1, 999), alpha=0.01, seed=0)
    assert [point.tpr for point in found.points] == [None, None]
    assert "1000 needed" in found.points[0].reason


def test_ties_never_help() -> None:
    found = rates(np.ones(2000), np.ones(2000), alpha=0.01, seed=0)
    assert found.distinct == 1
    assert (found.points[0].tpr, found.points[0].fpr) == (0.0, 0.0)
    assert sure_tpr(np.ones(2000), np.ones(2000), fpr=0.01, alpha=0.01).lower == 0


@pytest.mark.parametrize("fpr", [0.01, 0.1])
def test_a_sure_threshold_is_wrong_no_more_often_than_alpha(fpr: float) -> None:
    """Of 2,000 draws at alpha .05, more than the 1 - 1e-6 quantile wrong has probability 1e-6."""
    rng, alpha, draws, mu = np.random.default_rng(2), 0.05, 2000, 1.0
    wrong = 0
    for _ in range(draws):
        sure = sure_tpr(rng.normal(mu, 1, 300), rng.normal(0, 1, 700), fpr=fpr, alpha=alpha)
        true_fpr, true_tpr = norm.sf(sure.threshold), norm.sf(sure.threshold - mu)
        wrong += bool(true_fpr > fpr or sure.lower > true_tpr)
    assert wrong <= binom.ppf(1 - 1e-6, draws, alpha)


def test_too_few_non_members_allow_no_threshold() -> None:
    sure = sure_tpr(np.ones(10), np.zeros(100), fpr=0.01, alpha=0.01)
    assert (sure.threshold, sure.lower) == (np.inf, 0.0)
    assert sure.fpr_upper > 0.01


def test_millions_of_scores_take_seconds() -> None:
    rng = np.random.default_rng(3)
    started = time.perf_counter()
    rates(rng.normal(0.1, 1, 2_000_000), rng.normal(0, 1, 2_000_000), alpha=0.01, seed=0)
    assert time.perf_counter() - started < 60  # bounds a hang
