"""The curve of DP-SGD lies below every test that can be made, and close to the best."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from latentleak.audits.dp_epsilon import ceiling, composed_gaussian, p_value
from latentleak.audits.dp_epsilon.composed import curve, shift_of_epsilon
from latentleak.audits.statistics import at_most
from latentleak.defenses.dp_adaptation.gaussian import gaussian_epsilon

RATE, ROUNDS, DELTA = 0.5, 4, 1e-5
SHAPE = {"rate": RATE, "rounds": ROUNDS}
Floats = NDArray[np.float64]


def scores(
    shift: float, games: int, rng: np.random.Generator, *, claimed: float | None = None
) -> tuple[Floats, Floats]:
    """Log-likelihood ratios at `claimed` of trainings with and without the canary."""
    told = shift if claimed is None else claimed
    chosen = rng.random((games, ROUNDS)) < RATE
    used = rng.standard_normal((games, ROUNDS)) + shift * chosen
    unused = rng.standard_normal((games, ROUNDS))
    ratios = (np.log1p(RATE * np.expm1(told * z - told**2 / 2)).sum(axis=1) for z in (used, unused))
    first, second = ratios
    return first, second


@pytest.mark.parametrize("alarms", [0.02, 0.2, 0.5, 0.9])
def test_the_curve_is_below_the_best_test_and_near_it(alarms: float) -> None:
    games = 400_000
    used, unused = scores(0.6, games, np.random.default_rng(0))
    threshold = np.quantile(unused, 1 - alarms)
    misses = float((used < threshold).mean())
    fewest = curve(0.6, RATE, ROUNDS).misses(alarms)
    # Both rates come from 400,000 games: standard error at most 0.0008 each, slope below 4.
    assert misses - 0.02 < fewest < misses + 0.02


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_without_sampling_it_is_the_gaussian_curve(shift: float) -> None:
    line = curve(shift, 1.0, ROUNDS)
    exact = gaussian_epsilon(shift * ROUNDS**0.5, DELTA)
    assert exact <= line.epsilon(DELTA) < exact + 0.02


def test_it_is_valid_and_shows_what_leaks() -> None:
    rng = np.random.default_rng(1)
    runs, alpha, leaking = 100, 0.05, 0.9
    claimed = shift_of_epsilon(1.0, DELTA, **SHAPE)
    below = [
        p_value("composed_gaussian", *scores(claimed, 400, rng), epsilon=1.0, delta=DELTA, **SHAPE)
        for _ in range(runs)
    ]
    # At most `at_most` of 100 valid p-values are below alpha, but for probability 1e-6.
    assert sum(p <= alpha for p in below) <= at_most(runs, alpha=alpha)
    found = composed_gaussian(*scores(leaking, 2000, rng), delta=DELTA, alpha=1e-6, **SHAPE)
    truth = curve(leaking, RATE, ROUNDS).epsilon(DELTA)
    assert 0.4 * truth < found.epsilon < truth


def test_bound_p_value_and_ceiling_agree() -> None:
    pair = scores(0.7, 1500, np.random.default_rng(2))
    found = composed_gaussian(*pair, delta=DELTA, alpha=0.01, threshold=0.0, **SHAPE)
    at = {"delta": DELTA, "threshold": 0.0, **SHAPE}
    assert p_value("composed_gaussian", *pair, epsilon=found.epsilon - 0.05, **at) < 0.01
    assert p_value("composed_gaussian", *pair, epsilon=found.epsilon + 0.05, **at) > 0.01
    perfect = composed_gaussian([1.0] * 50, [-1.0] * 50, alpha=0.01, **at)
    assert perfect.epsilon == perfect.ceiling
    assert perfect.ceiling == ceiling("composed_gaussian", n_in=50, n_out=50, alpha=0.01, **at)


def test_no_information_shows_nothing() -> None:
    same = np.linspace(0, 1, 200)
    found = composed_gaussian(same, same, delta=DELTA, alpha=0.05, **SHAPE)
    assert found.epsilon == 0.0


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"rate": 0.0}, "rate=0"), ({"rounds": 0}, "rounds=0"), ({"delta": 0.0}, "delta=0")],
)
def test_arguments_are_checked(fields: dict[str, float], words: str) -> None:
    given = {"delta": DELTA, "alpha": 0.05, **SHAPE, **fields}
    with pytest.raises(ValueError, match=words):
        composed_gaussian([1.0], [0.0], **given)
