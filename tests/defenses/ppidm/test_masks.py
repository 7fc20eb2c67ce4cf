"""Masks are uniform, new every time, and hide the input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from latentleak.defenses.ppidm.fixed_point import to_ring
from latentleak.defenses.ppidm.masks import MaskStream, uniform_residues
from latentleak.defenses.ppidm.procedure import masked_rest

RINGS = [16, 31, 32, 44, 63, 64]
DRAWS = 1 << 16


def uniform(numbers: Tensor, k: int) -> bool:
    """Whether counts of the top and of the bottom byte pass; fails on uniform with 1e-6.

    Pearson's statistic with 65,536 draws in 256 cells, each expected 256 times; 5e-7 for each.
    """
    limit = chi2.ppf(1 - 5e-7, 255)
    for shift in (0, k - 8):
        counts = np.bincount(((numbers.flatten() >> shift) & 255).numpy(), minlength=256)
        expected = numbers.numel() / 256
        if (np.square(counts - expected) / expected).sum() > limit:
            return False
    return True


@pytest.mark.parametrize("k", RINGS)
def test_masks_are_uniform(k: int) -> None:
    masks = uniform_residues((256, DRAWS // 256), k, MaskStream(0, "k", k))
    assert masks.shape == (256, 256)
    assert uniform(masks, k)
    assert not uniform(masks & ((1 << (k - 1)) - 1), k)
    assert k == 64 or 0 <= int(masks.min()) <= int(masks.max()) < 1 << k


def test_the_smallest_ring_is_covered_whole() -> None:
    """Some value of 2^16 is missed by 2^21 draws with probability below 2^16 exp(-32) < 1e-9."""
    masks = uniform_residues((1 << 21,), 16, MaskStream(0))
    assert len(torch.unique(masks)) == 1 << 16


@pytest.mark.parametrize("k", RINGS)
@pytest.mark.parametrize("secret", [0, 12_345])
def test_every_share_of_a_constant_is_uniform(k: int, secret: int) -> None:
    """Three shares and the sum of each two: six statistics, failing with at most 6e-6."""
    x = torch.full((DRAWS,), secret)
    stream = MaskStream(1, "k", k)
    masks = [uniform_residues(x.shape, k, stream) for _ in range(2)]
    first, second, rest = (to_ring(share, k) for share in masked_rest(x, masks))
    assert torch.equal(to_ring(first + second + rest, k), x)
    for view in (first, second, rest, first + second, second + rest, first + rest):
        assert uniform(to_ring(view, k), k)


def test_streams_are_new_at_every_call_and_name() -> None:
    stream = MaskStream(0, "layer", 1)
    first, second = stream.bytes(64), stream.bytes(64)
    assert len({first, second, MaskStream(0, "layer", 2).bytes(64), MaskStream(1).bytes(64)}) == 4
    assert MaskStream(0, "layer", 1).bytes(64) == first


def test_numpy_generators_are_coins_too() -> None:
    assert uniform(uniform_residues((DRAWS,), 44, np.random.default_rng(0)), 44)
