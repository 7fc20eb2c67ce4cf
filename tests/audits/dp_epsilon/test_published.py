"""Values that others have published, to 1e-3 or better."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from latentleak.audits.dp_epsilon import (
    ceiling,
    one_run,
    one_run_fdp,
    one_run_p_value,
    subsampled_epsilon,
)
from latentleak.audits.dp_epsilon.trade_off import epsilon_of_mu

SIDE = 10_000


def test_one_run_p_value() -> None:
    """Steinke et al. (2023): 75 of 100 right, epsilon ln 3."""
    counts = {"canaries": 100, "guesses": 100, "correct": 75}
    p = one_run_p_value(**counts, epsilon=math.log(3), delta=0.0)
    assert p == pytest.approx(0.553, abs=1e-3)


@pytest.mark.parametrize(("delta", "epsilon"), [(0.0, 0.702), (1e-4, 0.699)])
def test_one_run_bound(delta: float, epsilon: float) -> None:
    bound = one_run(canaries=100, guesses=100, correct=75, delta=delta, alpha=0.05)
    assert bound.epsilon == pytest.approx(epsilon, abs=1e-3)


@pytest.mark.parametrize(("canaries", "epsilon"), [(100, 3.490), (1000, 5.782)])
def test_one_run_ceiling(canaries: int, epsilon: float) -> None:
    found = ceiling("one_run", canaries=canaries, delta=1e-5, alpha=0.05)
    assert found == pytest.approx(epsilon, abs=1e-3)


@pytest.mark.parametrize("canaries", [1, 10, 1000])
def test_one_run_ceiling_in_closed_form(canaries: int) -> None:
    found = ceiling("one_run", canaries=canaries, delta=0.0, alpha=0.05)
    assert found == pytest.approx(max(0.0, -math.log(0.05 ** (-1 / canaries) - 1)), abs=1e-8)


@pytest.mark.parametrize(("delta", "epsilon"), [(1e-5, 4.37718), (1e-6, 4.88655)])
def test_conversion_of_mu(delta: float, epsilon: float) -> None:
    assert epsilon_of_mu(1.0, delta, 1.0) == pytest.approx(epsilon, abs=1e-5)
    assert subsampled_epsilon(1.0, delta) == pytest.approx(epsilon, abs=1e-5)


def hull(false_negatives: NDArray[np.int64], true_negatives: NDArray[np.int64]) -> list[int]:
    """Places of the vertices below which the ROC curve does not sag."""
    kept: list[int] = []
    points = np.stack([false_negatives, true_negatives], axis=1)
    for i, point in enumerate(points):
        while len(kept) >= 2:
            before, last = points[kept[-2]], points[kept[-1]]
            turn = (last - before)[1] * (point - last)[0] - (point - last)[1] * (last - before)[0]
            if turn > 0:
                break
            kept.pop()
        kept.append(i)
    return kept


def test_deterministic_normal_scores() -> None:
    """The published search over the hull of the ROC curve.

    Its divisor of alpha is chosen from the scores and has no proof: reproduction only. Thresholds
    are taken in order of the largest share of right guesses, and passed over where even that
    share, if it were the true one, does not beat the best bound so far.
    """
    out = ndtri((np.arange(SIDE) + 0.5) / SIDE)
    thresholds = np.append(np.union1d(out, out + 1), np.inf)
    missed, quiet = (np.searchsorted(side, thresholds) for side in (out + 1, out))
    vertices = hull(missed, quiet)
    assert len(vertices) == 386
    best = {"one_run": 0.0, "one_run_fdp": 0.0}
    for at in vertices[:-1]:
        counts = {
            "canaries": 2 * SIDE,
            "guesses": int(2 * SIDE - missed[at] - quiet[at]),
            "correct": int(SIDE - missed[at]),
        }
        shared = 0.05 / len(vertices)
        if one_run_p_value(**counts, epsilon=best["one_run"], delta=1e-6) < shared:
            best["one_run"] = one_run(**counts, delta=1e-6, alpha=shared).epsilon
        if counts["correct"] > 0.5 * counts["guesses"]:
            found = one_run_fdp(**counts, delta=1e-6, alpha=shared).epsilon
            best["one_run_fdp"] = max(best["one_run_fdp"], found)
    assert best["one_run"] == pytest.approx(1.13346, abs=1e-5)
    assert best["one_run_fdp"] == pytest.approx(2.164749, abs=1e-5)
