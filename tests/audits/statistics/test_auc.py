"""AUC: DeLong against its definition and published values, and the exact interval."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import at_most, auc_by_pairs, auc_delong, auc_test

scores = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=15)


def placements(members: list[float], non_members: list[float]) -> np.ndarray:
    return np.array([[(m > s) + 0.5 * (m == s) for s in non_members] for m in members])


@given(scores, scores)
def test_delong_agrees_with_its_definition(members: list[float], non_members: list[float]) -> None:
    psi = placements(members, non_members)
    area = auc_delong(members, non_members, alpha=0.05)
    assert area.estimate == pytest.approx(psi.mean())
    variance = psi.mean(axis=1).var(ddof=1) / len(members)
    variance += psi.mean(axis=0).var(ddof=1) / len(non_members)
    if variance > 1e-12:
        half = stats.norm.ppf(0.975) * math.sqrt(variance)
        expected = max(0.0, psi.mean() - half), min(1.0, psi.mean() + half)
        assert area.interval == pytest.approx(expected, abs=1e-9)


def test_published_rating_data() -> None:
    """Hanley, McNeil (1982), Radiology 143(1), Table 1; interval as Stata's `roctab` prints it."""
    normal = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [33, 6, 6, 11, 2])
    abnormal = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [3, 2, 2, 11, 33])
    area = auc_delong(abnormal, normal, alpha=0.05)
    assert area.estimate == pytest.approx(0.8932, abs=5e-5)
    assert area.interval == pytest.approx((0.83295, 0.95339), abs=5e-6)


@pytest.mark.parametrize("mu", [0.0, 1.0, 3.0])
def test_gaussian_closed_form(mu: float) -> None:
    """Scores at exact normal quantiles: Phi(mu / sqrt 2)."""
    normal = stats.norm.ppf((np.arange(5000) + 0.5) / 5000)
    area = auc_delong(normal + mu, normal, alpha=0.05)
    assert area.estimate == pytest.approx(stats.norm.cdf(mu / math.sqrt(2)), abs=1e-3)
    assert area.interval.covers(area.estimate)


def test_full_separation_is_not_certainty() -> None:
    area = auc_delong([3.0, 4.0, 5.0], [0.0, 1.0], alpha=0.05)
    assert area.estimate == 1.0
    assert area.interval == pytest.approx((0.025 ** (1 / 2), 1.0))


def test_equal_scores_are_not_certainty() -> None:
    area = auc_delong(np.ones(20), np.ones(20), alpha=0.05)
    assert area.estimate == 0.5
    assert area.interval.low < 0.3
    assert area.interval.high > 0.7


@given(scores, scores)
def test_swapping_the_sides_mirrors_the_area(members: list[float], others: list[float]) -> None:
    one, two = (auc_delong(*pair, alpha=0.1) for pair in ((members, others), (others, members)))
    assert one.estimate == pytest.approx(1 - two.estimate)
    assert one.interval.low == pytest.approx(1 - two.interval.high, abs=1e-9)


def test_pairs_use_every_sample_of_the_smaller_side_once() -> None:
    """Perfect separation of 30 from 50: 30 wins in 30, the exact bound alpha^(1/30)."""
    area = auc_by_pairs(
        np.arange(30.0) + 100, np.arange(50.0), alpha=0.1, rng=np.random.default_rng(0)
    )
    assert area.exact
    assert area.interval == pytest.approx((0.05 ** (1 / 30), 1.0))


def test_pairs_cover_the_truth() -> None:
    """200 audits of equal laws with ties; misses beyond the quantile have probability 1e-6."""
    rng = np.random.default_rng(3)
    missed = sum(
        not auc_by_pairs(*rng.integers(0, 3, (2, 40)), alpha=0.1, rng=rng).interval.covers(0.5)
        for _ in range(200)
    )
    assert missed <= at_most(200, 0.1)


def test_failures_never_help() -> None:
    members, others = [1.0, 2.0, math.nan, math.inf], [0.0, 0.5, math.nan, -math.inf]
    assert auc_delong(members, others, alpha=0.05).estimate == 0.25


@given(st.lists(st.floats(-9, 9), min_size=12, max_size=12, unique=True), st.integers(2, 10))
def test_permutation_test_is_mann_whitney(values: list[float], size: int) -> None:
    members, others = values[:size], values[size:]
    test = auc_test(members, others, rng=np.random.default_rng(0))
    theirs = stats.mannwhitneyu(members, others, alternative="greater", method="exact")
    assert test.exact
    assert test.greater == pytest.approx(theirs.pvalue)
    assert test.statistic == pytest.approx((theirs.statistic / (size * (12 - size)) - 0.5) * 12)
