"""Normalized leakage: the test and the interval agree, ignorance is said."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from latentleak.audits.statistics import normalized_leakage

games = hnp.arrays(np.float64, (3, 10), elements=st.integers(0, 10).map(lambda i: i / 10))
WAVE = np.tile([0.1, -0.1, 0.05, -0.05], 10)


@given(games, st.sampled_from([0.0, 0.05, 0.5]))
def test_p_value_is_a_t_test_and_dual_to_the_interval(data: np.ndarray, at_most: float) -> None:
    score, prior, undefended = data[0], data[1], data[2] + 1.5
    found = normalized_leakage(
        score, prior=prior, undefended=undefended, alpha=0.1, at_most=at_most
    )
    assume(found.ratio.bounded)
    excess = score - prior - at_most * (undefended - prior)
    assume(excess.std() > 1e-6)
    expected = stats.ttest_1samp(excess, 0, alternative="greater").pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-6)
    assume(not math.isclose(expected, 0.05, rel_tol=1e-6))
    assert (found.p_value <= 0.05) == (found.ratio.interval.low >= at_most)


@pytest.mark.parametrize("leak", [-0.2, 0.0, 0.3, 1.0, 1.2])
def test_a_planted_leak_is_recovered_unclipped(leak: float) -> None:
    prior, gap = 0.1 + WAVE, 0.6 + np.roll(WAVE, 1)
    found = normalized_leakage(
        prior + leak * gap + np.roll(WAVE, 7) - WAVE.mean(),
        prior=prior,
        undefended=prior + gap,
        alpha=0.01,
    )
    assert found.ratio.estimate == pytest.approx(leak, abs=1e-9)
    assert found.ratio.interval.covers(leak)
    assert (found.p_value <= 0.01) == (leak > 0.2)


def test_detectable_is_found_with_its_power() -> None:
    prior, full = np.zeros(40), np.ones(40)
    found = normalized_leakage(WAVE, prior=prior, undefended=full, alpha=0.01)
    shift = (found.detectable - 0.05) * math.sqrt(40) / WAVE.std(ddof=1)
    power = stats.nct.sf(stats.t.isf(0.01, 39), 39, shift)
    assert power == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize("undefended", [WAVE, -1 + WAVE])
def test_without_a_leak_to_compare_with_nothing_is_refuted(undefended: np.ndarray) -> None:
    found = normalized_leakage(np.ones(40), prior=np.zeros(40), undefended=undefended, alpha=0.01)
    assert (found.p_value, found.detectable) == (1.0, math.inf)


def test_identical_scores_leave_no_doubt_either_way() -> None:
    ones = np.ones(5)
    hidden = normalized_leakage(0 * ones, prior=0 * ones, undefended=ones, alpha=0.01)
    assert (hidden.p_value, hidden.detectable) == (1.0, 0.05)
    plain = normalized_leakage(ones, prior=0 * ones, undefended=ones, alpha=0.01)
    assert plain.p_value == 0.0


def test_errors() -> None:
    with pytest.raises(ValueError, match="undefended has 2 games, must have 3"):
        normalized_leakage([1, 2, 3], prior=[0, 0, 0], undefended=[1, 1], alpha=0.05)
    with pytest.raises(ValueError, match="score has 1 values that are not finite"):
        normalized_leakage([1, math.nan], prior=[0, 0], undefended=[1, 1], alpha=0.05)
