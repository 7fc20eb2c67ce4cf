"""The classifier two-sample test and its published critical values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import (
    classifier_two_sample,
    clopper_pearson_lower,
    correct_predictions,
)


@pytest.mark.parametrize(("n", "critical"), [(1000, 0.527), (20_000, 0.5059)])
def test_published_critical_accuracies(n: int, critical: float) -> None:
    test = classifier_two_sample(n // 2, n, alpha=0.05)
    assert test.critical == pytest.approx(critical, abs=5e-5)


def test_published_detectable_accuracy() -> None:
    test = classifier_two_sample(500, 1000, alpha=0.05)
    assert test.detectable == pytest.approx(0.547, abs=5e-4)
    assert test.detectable_tv == pytest.approx(0.094, abs=1e-3)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bound_and_p_value(kn: tuple[int, int]) -> None:
    test = classifier_two_sample(*kn, alpha=0.05)
    bound = 2 * clopper_pearson_lower(*kn, alpha=0.05) - 1
    assert test.tv_lower == pytest.approx(max(0.0, bound))
    assert test.p_value == pytest.approx(stats.binomtest(*kn, alternative="greater").pvalue)
    assert test.estimate == pytest.approx(2 * test.accuracy - 1)
    assert test.ceiling == pytest.approx(2 * 0.05 ** (1 / kn[1]) - 1)


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.9, 0.1), (0.6, 0.4), (0.5, 0.5)])
@pytest.mark.parametrize("half", [10, 50])
def test_exactly_balanced_labels_keep_the_level(
    sensitivity: float, specificity: float, half: int
) -> None:
    """A classifier that sees nothing, by enumeration of both classes' counts."""
    law = np.convolve(
        stats.binom.pmf(np.arange(half + 1), half, sensitivity),
        stats.binom.pmf(np.arange(half + 1), half, specificity),
    )
    critical = round(classifier_two_sample(0, 2 * half, alpha=0.05).critical * 2 * half)
    assert law[critical:].sum() <= 0.05


def test_too_few_views_say_so() -> None:
    test = classifier_two_sample(3, 3, alpha=0.05)
    assert test.critical > 1
    assert test.detectable == test.detectable_tv == math.inf


def test_a_view_without_prediction_is_wrong() -> None:
    assert correct_predictions([math.nan, 1, 0], [1, 1, 0]) == 2
    with pytest.raises(ValueError, match=r"predicted has shape \(1,\)"):
        correct_predictions([1], [1, 0])
