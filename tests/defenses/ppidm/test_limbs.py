"""Products of digits: how many, and how the fast engine is chosen."""

from __future__ import annotations

import functools
import time
from unittest import mock

import pytest
import torch

from latentleak.defenses.ppidm.limbs import Engine, default_engine, prepare

SIXTEEN_BITS = torch.full((2, 23_040), -(2**15))
"""The longest rows of an SD-1.x U-Net, all weights as large as 16 bits go."""


@pytest.mark.parametrize(("k", "products"), [(31, 2), (44, 2), (63, 3), (64, 3)])
def test_float64_needs_two_or_three_products_for_the_largest_layer(k: int, products: int) -> None:
    matrix = prepare(SIXTEEN_BITS, k=k, engine="float64")
    assert matrix.products == products
    assert 2 ** (matrix.width - 1) * 2**15 * 23_040 <= 2**53


@pytest.mark.parametrize(("k", "products"), [(44, 11), (64, 15)])
def test_int8_needs_few_for_weights_of_two_digits(k: int, products: int) -> None:
    assert prepare(SIXTEEN_BITS, k=k, engine="int8").products == products


def test_weights_of_few_bits_need_fewer_products() -> None:
    weight = torch.full((4, 320), 100)
    assert prepare(weight, k=64, engine="int8").products == 8
    assert prepare(weight, k=32, engine="float64").products == 1


@pytest.mark.parametrize("engine", ["int8", "float64"])
def test_digits_add_up_to_the_residue(engine: Engine) -> None:
    """Edge residues, where carries run through all digits."""
    edges = [0, 1, -1, 2**63 - 1, -(2**63), 0x7F7F7F7F7F7F7F7F, 0x8080808080808080 - 2**64]
    matrix = prepare(torch.ones(1, 1, dtype=torch.int64), k=64, engine=engine)
    digits = matrix.split(torch.tensor(edges))
    half = 2 ** (matrix.width - 1)
    assert int(digits.min()) >= -half
    assert int(digits.max()) < half
    for edge, row in zip(edges, digits.tolist(), strict=True):
        total = sum(int(digit) << (matrix.width * i) for i, digit in enumerate(row))
        assert (total - edge) % 2**64 == 0


def test_sums_too_long_for_int8_are_refused() -> None:
    weight = torch.full((1, 2**17), -128)
    assert prepare(weight[:, 1:], k=64, engine="int8").digits == 1
    with pytest.raises(ValueError, match=r"K=131072 is too large for exact int8 sums"):
        prepare(weight, k=64, engine="int8")


def test_saturating_hardware_is_not_trusted() -> None:
    """Pairs of products added with saturation to 16 bits, as AVX2 does."""

    def saturating(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        products = left.int()[:, :, None] * right.int()[None]
        pairs = products.reshape(len(left), -1, 2, right.shape[1]).sum(2)
        return pairs.clamp(-(2**15), 2**15 - 1).sum(1)

    default_engine.cache_clear()
    with mock.patch.object(torch, "_int_mm", saturating):
        assert default_engine("cpu") == "float64"
    default_engine.cache_clear()
    with mock.patch.object(torch, "_int_mm", side_effect=RuntimeError("not built in")):
        assert default_engine("cpu") == "float64"
    default_engine.cache_clear()
    assert default_engine("cuda") == "float64"


@pytest.mark.parametrize(("slower", "engine"), [(0.01, "float64"), (0.0, "int8")])
def test_int8_is_chosen_where_it_is_fast(slower: float, engine: Engine) -> None:
    """Products number by number are exact too, and no gain."""

    def exact(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        time.sleep(slower)
        return product(left, right)

    @functools.cache
    def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left.long() @ right.long()

    slow = torch.mm
    default_engine.cache_clear()
    with (
        mock.patch.object(torch, "_int_mm", exact),
        mock.patch.object(torch, "mm", lambda *x: (time.sleep(0.005), slow(*x))[1]),
    ):
        assert default_engine("cpu") == engine
    default_engine.cache_clear()
