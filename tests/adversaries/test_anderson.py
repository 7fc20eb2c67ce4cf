"""Zeros of linear and of oscillating residuals."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries.anderson import find_zeros


@given(st.integers(0, 2**16), st.integers(1, 4))
def test_linear_residuals_are_solved_in_as_many_rounds_as_unknowns(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = -np.eye(size) + 0.4 * rng.standard_normal((size, size)) / np.sqrt(size)
    truth = rng.standard_normal((3, size))
    found = find_zeros(
        lambda x: (x - truth) @ matrix.T, np.zeros((3, size)), rounds=size + 4, depth=size
    )
    assert np.abs(found - truth).max() < 1e-4 * (1 + np.abs(truth).max())


def test_what_makes_the_plain_iteration_diverge_is_solved() -> None:
    """Slopes from -0.1 to -8: x + r(x) overshoots by up to eight times."""
    slopes = np.array([-0.1, -1.0, -3.0, -8.0])
    truth = np.array([[1.0, -2.0, 0.5, 3.0]])
    found = find_zeros(lambda x: slopes * (x - truth), np.zeros((1, 4)), rounds=8, mixing=0.5)
    assert np.abs(found - truth).max() < 1e-5


def test_rows_do_not_mix_and_the_best_visit_is_returned() -> None:
    start = np.array([[0.0, 0.0], [5.0, 1.0]])
    both = find_zeros(lambda x: np.sin(-x) + 0.1, start, rounds=7)
    alone = find_zeros(lambda x: np.sin(-x) + 0.1, start[1:], rounds=7)
    assert np.allclose(both[1:], alone)
    bad = find_zeros(lambda x: 1 + x**2, np.zeros((1, 1)), rounds=10)
    assert bad == 0.0


def test_shapes_are_kept() -> None:
    found = find_zeros(lambda x: 2.0 - x, np.zeros((2, 3, 4, 4)), rounds=3, mixing=1.0)
    assert found.shape == (2, 3, 4, 4)
    assert np.allclose(found, 2.0)
