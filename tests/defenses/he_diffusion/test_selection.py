"""Min-distortion selection against a slow reference, entry by entry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentleak.defenses.he_diffusion.selection import (
    Latent,
    Mask,
    distortion,
    fixed_mask,
    hill_cost,
    min_distortion,
)

KB = ((-1, 2, -1), (2, -4, 2), (-1, 2, -1))
FRACTIONS = {0.01: 88.5, 0.05: 74.6, 0.1: 64.4, 0.2: 50.2, 0.5: 23.7, 0.9: 3.1}


def unit_gaussian(seed: int, shape: tuple[int, ...] = (1, 4, 64, 64)) -> Latent:
    return np.random.default_rng(seed).standard_normal(shape)


def mirrored(index: int, size: int) -> int:
    """Position of `index` in a line that is reflected at its ends, their pixels not repeated."""
    if size == 1:
        return 0
    index %= 2 * size - 2
    return index if index < size else 2 * size - 2 - index


def slow_filter(image: Latent, kernel: Latent) -> Latent:
    height, width = image.shape
    reach = len(kernel) // 2
    result = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            for i in range(-reach, reach + 1):
                for j in range(-reach, reach + 1):
                    pixel = image[mirrored(y + i, height), mirrored(x + j, width)]
                    result[y, x] += kernel[i + reach, j + reach] * pixel
    return result


def slow_cost(image: Latent) -> Latent:
    """HILL cost of one image of shape (channels, height, width), loop by loop."""
    residual = slow_filter(image.sum(axis=0), np.array(KB, dtype=float))
    smooth = slow_filter(np.abs(residual), np.full((3, 3), 1 / 9))
    inverse = np.array([[1 / v if v else 0.0 for v in row] for row in smooth])
    return slow_filter(inverse, np.full((15, 15), 1 / 225))


def slow_selection(latent: Latent, threshold: float, costs: Latent, many: int = 1000) -> Mask:
    """The four passes of the released selection, one entry at a time."""
    left = [(float(d), i) for i, d in enumerate((np.abs(latent) * costs).ravel())]
    total = math.fsum(d for d, _ in left)
    budget, spent, mean = threshold * total, 0.0, total / len(left)

    def zero(gone: list[tuple[float, int]]) -> None:
        nonlocal left, spent
        taken = {i for _, i in gone}
        left = [entry for entry in left if entry[1] not in taken]
        spent += math.fsum(d for d, _ in gone)

    gone = [e for e in left if e[0] < threshold * mean]
    zero(gone)
    while len(gone) > many:
        bound = (budget - spent) / len(left)
        gone = [e for e in left if e[0] < bound]
        zero(gone)
    k = len(left) // 2
    while spent < budget and k > 20:
        least = sorted(left)[:k]
        if spent + math.fsum(d for d, _ in least) <= budget:
            zero(least)
        else:
            k //= 2
    while spent < budget:
        zero([min(left)])
    keep = np.zeros(latent.size, dtype=np.bool_)
    keep[[i for _, i in left]] = True
    return keep.reshape(latent.shape)


@pytest.mark.parametrize("shape", [(1, 3, 17, 12), (2, 2, 8, 8), (1, 4, 4, 4), (1, 1, 5, 3)])
def test_cost_equals_the_slow_reference(shape: tuple[int, ...]) -> None:
    latent = unit_gaussian(1, shape)
    slow = np.stack([slow_cost(image) for image in latent])[:, None]
    np.testing.assert_allclose(hill_cost(latent), slow, rtol=1e-9)


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(("shape", "many"), [((1, 4, 64, 64), 1000), ((3, 2, 12, 9), 20)])
def test_selection_equals_the_four_passes(
    shape: tuple[int, ...], many: int, threshold: float
) -> None:
    latent = unit_gaussian(7, shape)
    slow = slow_selection(latent, threshold, hill_cost(latent), many)
    assert (min_distortion(latent, threshold) == slow).all()


@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0.001, 0.999))
@settings(max_examples=60)
def test_selection_equals_the_four_passes_on_any_latent(seed: int, threshold: float) -> None:
    latent = unit_gaussian(seed, (1, 2, 9, 7))
    latent[np.random.default_rng(seed).random(latent.shape) < 0.2] = 0
    slow = slow_selection(latent, threshold, hill_cost(latent), 20)
    assert (min_distortion(latent, threshold) == (slow & (latent != 0))).all()


@pytest.mark.parametrize("threshold", FRACTIONS)
def test_fractions_on_unit_gaussian_latents(threshold: float) -> None:
    fractions = [100 * min_distortion(unit_gaussian(seed), threshold).mean() for seed in range(10)]
    assert abs(np.mean(fractions) - FRACTIONS[threshold]) < 0.5


@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0, 0.999))
def test_the_budget_is_spent_on_the_cheapest_entries(seed: int, threshold: float) -> None:
    latent = unit_gaussian(seed, (1, 3, 8, 8))
    cost, encrypted = distortion(latent), min_distortion(latent, threshold)
    clear = cost[~encrypted]
    assert clear.sum() >= threshold * cost.sum() * (1 - 1e-12)
    if clear.size:
        assert clear.sum() - clear.max() <= threshold * cost.sum() * (1 + 1e-12)
        assert clear.max() <= cost[encrypted].min(initial=math.inf)


def test_what_cannot_be_told_apart_is_encrypted_unless_zero() -> None:
    flat = np.full((1, 2, 8, 8), 0.5)
    assert min_distortion(flat, 0.1).all()
    assert not min_distortion(np.zeros((1, 2, 8, 8)), 0.1).any()
    assert min_distortion(unit_gaussian(0), 0.0).all()


def test_a_flat_patch_has_no_cost_from_rounding() -> None:
    latent = unit_gaussian(3, (1, 1, 40, 40))
    latent[..., 10:] = 0.1
    assert (hill_cost(latent)[..., 25:] == 0).all()


@given(seed=st.integers(0, 2**32 - 1), fraction=st.floats(0.01, 1))
def test_a_fixed_mask_looks_at_the_shape_only(seed: int, fraction: float) -> None:
    shape = (2, 3, 8, 8)
    first = fixed_mask(unit_gaussian(seed, shape), fraction, np.random.default_rng(seed))
    second = fixed_mask(np.zeros(shape), fraction, np.random.default_rng(seed))
    assert (first == second).all()
    assert first.sum() == math.ceil(fraction * first.size)
