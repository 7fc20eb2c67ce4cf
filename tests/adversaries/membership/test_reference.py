"""Ratios against references, and one p-value for a set, in closed form."""

import numpy as np
import pytest
from scipy.stats import binom

from latentleak.adversaries.membership.dataset_inference import infer
from latentleak.adversaries.membership.reference import lira, rmia


def test_lira_is_a_z_score() -> None:
    references = np.array([[0.0, 10.0], [2.0, 12.0]])
    assert np.allclose(lira(np.array([3.0, 11.0]), references), [2 / 2**0.5, 0])


def test_lira_removes_what_makes_a_sample_easy() -> None:
    rng = np.random.default_rng(0)
    ease = rng.normal(size=400) * 10
    member = np.arange(400) < 200
    target = ease + 2 * member + rng.normal(size=400) * 0.3
    references = ease + rng.normal(size=(4, 400)) * 0.3
    assert area(target, member) < 0.7
    assert area(lira(target, references), member) > 0.95


def test_rmia_is_uniform_on_non_members_and_one_on_members() -> None:
    rng = np.random.default_rng(1)
    ease = rng.normal(size=1000) * 10
    references = ease + rng.normal(size=(4, 1000)) * 0.1
    scores = rmia(ease[:500] + 5, references[:, :500], ease[500:], references[:, 500:])
    assert (scores == 1).all()
    outside = rmia(ease[:500], references[:, :500], ease[500:], references[:, 500:])
    assert 0.3 < outside.mean() < 0.7


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_a_set_has_a_p_value(shift: float) -> None:
    """Without a shift p is close to uniform: below 1e-6 once in a million.

    With it, scores are 1.38 standard deviations apart, which is 13.8 of the difference of 200 and
    200; 4.8 of them are needed.
    """
    rng = np.random.default_rng(2)
    found = infer(rng.normal(shift, 1, (400, 3)), rng.normal(0, 1, (400, 3)), seed=0)
    assert (found.p_value < 1e-6) == bool(shift)
    assert len(found.suspects) == len(found.others) == 200


def test_the_level_of_the_test_holds() -> None:
    """More of 40 below 0.05 than the 1 - 1e-6 quantile: once in a million."""
    rng = np.random.default_rng(3)
    low = sum(
        infer(rng.normal(size=(60, 4)), rng.normal(size=(60, 4)), seed=i).p_value < 0.05
        for i in range(40)
    )
    assert low <= binom.ppf(1 - 1e-6, 40, 0.05)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 2 models"):
        lira(np.zeros(3), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="at least 4"):
        infer(np.zeros((3, 1)), np.zeros((9, 1)), seed=0)


def area(scores: np.ndarray, member: np.ndarray) -> float:
    return float((scores[member][:, None] > scores[~member][None]).mean())
