"""TPR at FPR: ties never help, failures never help, too few non-members abstain."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import clopper_pearson, tpr_at_fpr

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40)
rates = st.sampled_from([0.01, 0.1, 0.25, 0.3, 0.5, 0.9])


@given(scores, scores, rates)
def test_agrees_with_the_best_of_all_thresholds(
    members: list[float], non_members: list[float], fpr: float
) -> None:
    point = tpr_at_fpr(members, non_members, fpr=fpr, alpha=0.05)
    allowed = math.floor(fpr * len(non_members) + 1e-9)
    admissible = [
        sum(m > t for m in members)
        for t in {*members, *non_members, -math.inf}
        if sum(s > t for s in non_members) <= allowed and t >= point.threshold
    ]
    assert point.hits == max(admissible)
    assert point.fpr * len(non_members) == pytest.approx(point.false_alarms)
    assert point.false_alarms <= allowed
    if resolved := fpr * len(non_members) >= 10 - 1e-9:
        assert point.tpr == point.hits / len(members)
        assert point.interval == clopper_pearson(point.hits, len(members), alpha=0.05)
    assert (point.tpr is None) == (point.interval is None) == bool(point.reason) == (not resolved)


@given(st.lists(st.floats(-5, 5), min_size=20, max_size=60, unique=True), scores, rates)
def test_without_ties_no_admissible_threshold_is_better(
    non_members: list[float], members: list[float], fpr: float
) -> None:
    point = tpr_at_fpr(members, non_members, fpr=fpr, alpha=0.05)
    allowed = math.floor(fpr * len(non_members) + 1e-9)
    assert point.false_alarms == allowed
    for t in non_members:
        if sum(s > t for s in non_members) <= allowed:
            assert sum(m > t for m in members) <= point.hits


@pytest.mark.parametrize("fpr", [0.01, 0.1])
def test_equal_scores_give_zero_and_zero(fpr: float) -> None:
    point = tpr_at_fpr(np.ones(500), np.ones(1000), fpr=fpr, alpha=0.05)
    assert (point.tpr, point.fpr) == (0.0, 0.0)


def test_a_tie_at_the_threshold_costs_both_rates() -> None:
    non_members = np.concatenate([np.full(20, 5.0), np.zeros(980)])
    point = tpr_at_fpr(np.full(100, 5.0), non_members, fpr=0.01, alpha=0.05)
    assert (point.tpr, point.fpr, point.threshold) == (0.0, 0.0, 5.0)


@pytest.mark.parametrize(("n_neg", "resolved"), [(999, False), (1000, True)])
def test_abstains_below_ten_false_alarms(n_neg: int, *, resolved: bool) -> None:
    point = tpr_at_fpr(np.ones(10), np.zeros(n_neg), fpr=0.01, alpha=0.05)
    assert (point.tpr is not None) is resolved
    assert ("1000 needed" in point.reason) is not resolved


@given(scores, scores, rates, st.data())
def test_a_failure_never_improves_a_result(
    members: list[float], non_members: list[float], fpr: float, data: st.DataObject
) -> None:
    before = tpr_at_fpr(members, non_members, fpr=fpr, alpha=0.05)
    broken = [list(members), list(non_members)]
    side = data.draw(st.integers(0, 1))
    broken[side][data.draw(st.integers(0, len(broken[side]) - 1))] = data.draw(
        st.sampled_from([math.nan, math.inf, -math.inf])
    )
    after = tpr_at_fpr(*broken, fpr=fpr, alpha=0.05)
    assert after.hits <= before.hits
    assert (after.members, after.non_members) == (before.members, before.non_members)


@pytest.mark.parametrize("mu", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("fpr", [0.01, 0.1])
def test_gaussian_closed_form(mu: float, fpr: float) -> None:
    """Scores at exact normal quantiles: Phi(mu + Phi^-1(f)), without sampling noise."""
    normal = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    point = tpr_at_fpr(normal + mu, normal, fpr=fpr, alpha=0.05)
    assert point.tpr == pytest.approx(stats.norm.cdf(mu + stats.norm.ppf(fpr)), abs=1e-3)
    assert point.fpr == pytest.approx(fpr, abs=1e-9)


@pytest.mark.parametrize(("n_neg", "fpr"), [(100, 0.1), (1000, 0.01), (50, 0.5)])
def test_fpr_upper_is_exact_for_continuous_scores(n_neg: int, fpr: float) -> None:
    """The true FPR beyond the (k+1)-th highest of n scores follows Beta(k + 1, n - k)."""
    upper = tpr_at_fpr([0.0], np.arange(float(n_neg)), fpr=fpr, alpha=0.1).fpr_upper
    k = math.floor(fpr * n_neg)
    assert stats.beta.sf(upper, k + 1, n_neg - k) == pytest.approx(0.05)
