"""Mode `ring` against the quantised layer in plain integers, bit for bit, and its bound."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from latentleak.defenses.ppidm.fixed_point import RingOverflowError, quantize
from latentleak.defenses.ppidm.layers import Layer, RequestGroup
from latentleak.defenses.ppidm.ring import RingSharing, RingWeight, fractional_bits

GROUP = RequestGroup(number=0, names=("layer",))
MODULES: tuple[Any, ...] = (
    nn.Linear(9, 5),
    nn.Conv2d(4, 6, 3, padding=1),
    nn.Conv2d(4, 6, (3, 1), stride=2, padding=(0, 2), groups=2),
)


def aggregated(sharing: RingSharing, layer: Layer, x: Tensor) -> Tensor:
    """What the client ends with."""
    shared = sharing.split(x, [layer], GROUP, 0)
    products = [
        sharing.product(layer, i)(share)
        for i, share in enumerate(shared.shares)
        if share is not None
    ]
    return sharing.join(layer, products, shared)


def quantised(sharing: RingSharing, layer: Layer, x: Tensor) -> Tensor:
    """The same layer on rounded numbers, in float64: integers below 2^53, so exact."""
    bits = fractional_bits(x, sharing.input_bits)
    weight = RingWeight.of(layer, sharing.weight_bits)
    plain = layer.with_weight(weight.integers.double())
    return plain.product(quantize(x, bits=bits).double()) * 2.0 ** -(bits + weight.bits)


@given(
    number=st.integers(0, 2),
    n=st.integers(2, 5),
    k=st.sampled_from([32, 44, 48, 63, 64]),
    scale=st.sampled_from([1e-4, 1.0, 300.0]),
    seed=st.integers(0, 2**20),
)
def test_the_sum_is_the_quantised_layer_bit_for_bit(
    number: int, n: int, k: int, scale: float, seed: int
) -> None:
    layer = Layer.of("layer", MODULES[number])
    shape = (2, 3, 9) if number == 0 else (2, 4, 6, 5)
    x = scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    sharing = RingSharing(n=n, k=k, input_bits=14, weight_bits=12, seed=seed)
    assert torch.equal(aggregated(sharing, layer, x), quantised(sharing, layer, x).float())


@given(st.floats(2**-30, 2**12, width=32), st.integers(8, 24))
def test_all_significant_bits_are_used_and_no_more(largest: float, significant: int) -> None:
    x = torch.tensor([largest, -largest / 3])
    bits = fractional_bits(x, significant)
    integer = int(quantize(x, bits=bits).abs().max())
    assert bits == 0 or 2 ** (significant - 2) <= integer <= 2 ** (significant - 1)


def test_zeros_and_large_numbers() -> None:
    layer = Layer.of("layer", MODULES[0])
    sharing = RingSharing(n=2, k=48, input_bits=16, weight_bits=16)
    assert not aggregated(sharing, layer, torch.zeros(2, 9)).any()
    assert fractional_bits(torch.tensor([1e9]), 16) == 0
    with pytest.raises(ValueError, match="not finite"):
        aggregated(sharing, layer, torch.full((2, 9), float("inf")))


def test_the_bound_is_sharp() -> None:
    """One input, one weight: the product 2^14 * 2^14 needs k - 1 > 28."""
    layer = Layer(name="up_blocks.0.conv", weight=torch.tensor([[1.0]]))
    x = torch.tensor([[1.0], [-1.0]])
    fits = RingSharing(n=2, k=30, input_bits=16, weight_bits=16)
    assert torch.equal(aggregated(fits, layer, x), x)
    small = RingSharing(n=2, k=29, input_bits=16, weight_bits=16)
    with pytest.raises(RingOverflowError, match=r"up_blocks.0.conv.*take a larger k"):
        small.split(x, [layer], GROUP, 0)


def test_shares_add_up_and_are_canonical() -> None:
    x = torch.randn(2, 9, generator=torch.Generator().manual_seed(0))
    for k, kind in ((32, torch.int32), (48, torch.int64)):
        sharing = RingSharing(n=3, k=k, input_bits=14, weight_bits=12, seed=1)
        shared = sharing.split(x, [Layer.of("layer", MODULES[0])], GROUP, 0)
        shares = [share for share in shared.shares if share is not None]
        total = torch.stack([share.long() for share in shares]).sum(dim=0)
        assert {share.dtype for share in shares} == {kind}
        integers = quantize(x, bits=shared.bits)
        assert torch.equal(total & ((1 << k) - 1), integers & ((1 << k) - 1))
