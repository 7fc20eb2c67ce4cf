"""Fixed point is exact where it says so, and refuses where it is not."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.ppidm.fixed_point import (
    RingOverflowError,
    dequantize,
    from_ring,
    headroom,
    quantize,
    row_norm,
    to_ring,
)
from latentleak.defenses.ppidm.modular import ModularLinear

RINGS = st.sampled_from([16, 31, 32, 44, 63, 64])


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=20), st.integers(0, 40))
def test_quantize_rounds_half_to_even(numbers: list[float], bits: int) -> None:
    """Against rational arithmetic; Python's round is half to even as well."""
    expected = [round(Fraction(number) * 2**bits) for number in numbers]
    assert quantize(torch.tensor(numbers, dtype=torch.float32), bits=bits).tolist() == expected


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 4.0])
def test_what_does_not_fit_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"not finite|must be < 2\^62"):
        quantize(torch.tensor([0.0, bad]), bits=60)
    with pytest.raises(ValueError, match="bits=-1 must be >= 0"):
        quantize(torch.zeros(1), bits=-1)


@given(RINGS, st.data())
def test_signed_integers_come_back(k: int, data: st.DataObject) -> None:
    signed = st.integers(-(1 << (k - 1)), (1 << (k - 1)) - 1)
    numbers = torch.tensor(data.draw(st.lists(signed, min_size=1, max_size=9)))
    residues = to_ring(numbers, k)
    assert torch.equal(from_ring(residues, k), numbers)
    assert k == 64 or (int(residues.min()) >= 0 and int(residues.max()) < 1 << k)
    assert torch.equal(to_ring(residues, k), residues)


def test_dequantize_undoes_quantize() -> None:
    x = torch.tensor([0.5, -1.25, 3.0])
    assert torch.equal(dequantize(quantize(x, bits=2), bits=2), x.double())


@given(st.integers(0, 2**20))
def test_row_norm_is_the_largest_row_sum(seed: int) -> None:
    weight = torch.randint(-(2**40), 2**40, (3, 2, 2), generator=torch.manual_seed(seed))
    assert row_norm(weight) == max(sum(map(abs, row)) for row in weight.flatten(1).tolist())


@pytest.mark.parametrize("lowest", [[1 << 62, 1 << 62], [-(1 << 63), 0]])
def test_a_row_sum_that_int64_cannot_hold_is_refused(lowest: list[int]) -> None:
    with pytest.raises(ValueError, match="take fewer weight bits"):
        row_norm(torch.tensor([lowest]))


@pytest.mark.parametrize("k", [16, 31, 32, 44, 63, 64])
def test_the_overflow_bound_is_tight(k: int) -> None:
    """At the bound the layer is exact, for the worst input; one beyond it is not, and refused.

    With weights of +-1 over K = 7 and 2^(k-1) - 1 as the largest sum, the worst output is
    7 floor((2^(k-1) - 1) / 7); one more in every input exceeds the range of signed residues.
    """
    weight = torch.tensor([[1, -1, 1, 1, -1, 1, 1], [0, 1, 0, 0, 0, 0, 0]])
    norm, largest = row_norm(weight), ((1 << (k - 1)) - 1) // 7
    assert headroom(largest, norm, k, layer="mid") == 0
    layer = ModularLinear.of(weight, k=k)

    def worst(size: int) -> int:
        return int(from_ring(layer(to_ring(size * weight[0], k)), k)[0])

    assert worst(largest) == 7 * largest
    assert worst(-largest) == -7 * largest
    with pytest.raises(RingOverflowError, match=rf"mid: max\|x_q\|={largest + 1} .* larger k"):
        headroom(largest + 1, norm, k, layer="mid")
    assert worst(largest + 1) < 0


@given(st.integers(0, 2**40), st.integers(0, 2**40), RINGS)
def test_headroom_counts_the_bits_to_spare(largest: int, norm: int, k: int) -> None:
    if largest * norm >= 1 << (k - 1):
        with pytest.raises(RingOverflowError):
            headroom(largest, norm, k, layer="mid")
        return
    spare = headroom(largest, norm, k, layer="mid")
    assert largest * norm << spare < 1 << (k - 1)
    assert largest * norm == 0 or largest * norm << (spare + 1) >= 1 << (k - 1)


@pytest.mark.parametrize("k", [15, 65])
def test_rings_have_16_to_64_bits(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k={k} must lie in \[16, 64\]"):
        headroom(1, 1, k, layer="mid")
