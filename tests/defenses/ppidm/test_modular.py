"""Layers in the ring against Python's integers and against shares of themselves."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from latentleak.defenses.ppidm import limbs
from latentleak.defenses.ppidm.fixed_point import dequantize, from_ring, quantize, to_ring
from latentleak.defenses.ppidm.limbs import Engine
from latentleak.defenses.ppidm.masks import MaskStream, uniform_residues
from latentleak.defenses.ppidm.modular import ModularConv2d, ModularLinear
from latentleak.defenses.ppidm.procedure import masked_rest

RINGS = st.sampled_from([16, 31, 32, 44, 63, 64])
ENGINES = st.sampled_from(["int8", "float64"])
WEIGHT_BITS = st.sampled_from([1, 7, 8, 15, 16, 20, 31])


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of a few rows, as for the largest layers."""
    monkeypatch.setattr(limbs, "_BYTES_AT_ONCE", 1 << 22)


def integers(shape: tuple[int, ...], bits: int, seed: int) -> Tensor:
    """Signed integers with the ends of the range among them."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**bits), 2**bits, shape)
    ends = rng.choice([-(2**bits), 2**bits - 1], shape)
    return torch.from_numpy(np.where(rng.random(shape) < 0.2, ends, values))


def exact(numbers: Any, k: int) -> Tensor:
    """Canonical residues of an array of Python integers."""
    top = 1 << 63
    flat = [(int(n) + top) % 2**64 - top if k == 64 else int(n) % 2**k for n in numbers.flat]
    return torch.tensor(flat, dtype=torch.int64).reshape(numbers.shape)


def slow_conv2d(x: Any, weight: Any, *, stride: Any, padding: Any, dilation: Any) -> Any:
    """One group, a Python integer at a time."""
    (down, across), (dy, dx) = padding, dilation
    height, width = x.shape[2:]
    padded = np.full((*x.shape[:2], height + 2 * down, width + 2 * across), 0, dtype=object)
    padded[:, :, down : down + height, across : across + width] = x
    spans = [d * (m - 1) for d, m in zip(dilation, weight.shape[2:], strict=True)]
    rows = range(0, padded.shape[2] - spans[0], stride[0])
    columns = range(0, padded.shape[3] - spans[1], stride[1])
    out = np.zeros((len(x), len(weight), len(rows), len(columns)), dtype=object)
    for (i, top), (j, left) in product(enumerate(rows), enumerate(columns)):
        seen = padded[:, :, top : top + spans[0] + 1 : dy, left : left + spans[1] + 1 : dx]
        out[:, :, i, j] = seen.reshape(len(x), -1) @ weight.reshape(len(weight), -1).T
    return out


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 9)),
    RINGS,
    WEIGHT_BITS,
    ENGINES,
    st.integers(0, 2**20),
)
def test_linear_is_exact(
    sizes: tuple[int, int, int], k: int, bits: int, engine: Engine, seed: int
) -> None:
    rows, depth, out = sizes
    x = uniform_residues((2, rows, depth), k, MaskStream(seed))
    weight = integers((out, depth), bits, seed)
    expected = exact(x.numpy().astype(object) @ weight.numpy().astype(object).T, k)
    assert torch.equal(ModularLinear.of(weight, k=k, engine=engine)(x), expected)


pairs = st.tuples(st.integers(1, 2), st.integers(1, 3))


@settings(max_examples=60)
@given(pairs, pairs, pairs, st.integers(1, 2), RINGS, WEIGHT_BITS, ENGINES, st.integers(0, 2**20))
def test_convolutions_are_exact(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    k: int,
    bits: int,
    engine: Engine,
    seed: int,
) -> None:
    padding = (seed % 3, seed % 2)
    x = uniform_residues((2, 2 * groups, 5, 7), k, MaskStream(seed))
    weight = integers((3 * groups, 2, *kernel), bits, seed)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    layer = ModularConv2d.of(weight, k=k, groups=groups, engine=engine, **options)
    inputs, filters = x.numpy().astype(object), weight.numpy().astype(object)
    parts = zip(np.split(inputs, groups, axis=1), np.split(filters, groups), strict=True)
    slow = [slow_conv2d(part, each, **options) for part, each in parts]
    assert torch.equal(layer(x), exact(np.concatenate(slow, axis=1), k))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("engine", ["int8", "float64"])
@pytest.mark.parametrize("k", [44, 64])
def test_the_longest_rows_of_stable_diffusion_are_exact(k: int, engine: Engine) -> None:
    """K = 23,040 = 2560 * 3 * 3, at the ends of all ranges and in several tiles."""
    x = uniform_residues((100, 23_040), k, MaskStream(0))
    x[:2] = 1 << (k - 1) if k < 64 else -(1 << 63)
    x[2:4] = to_ring(torch.tensor(-1), k)
    x[4] = to_ring(torch.tensor((1 << (k - 1)) - 1), k)
    weight = torch.cat([torch.full((1, 23_040), -(2**15)), integers((2, 23_040), 15, 1)])
    layer = ModularLinear.of(weight, k=k, engine=engine)
    assert layer.matrix.tile < 100
    expected = exact(x.numpy().astype(object) @ weight.numpy().astype(object).T, k)
    assert torch.equal(layer(x), expected)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("engine", ["int8", "float64"])
def test_tiles_of_a_large_convolution_fit_together(engine: Engine) -> None:
    """Against torch's own int64 convolution, which wraps mod 2^64."""
    x = uniform_residues((1, 320, 33, 31), 64, MaskStream(0))
    weight = integers((4, 320, 3, 3), 15, 0)
    layer = ModularConv2d.of(weight, k=64, padding=1, stride=(2, 1), engine=engine)
    assert layer.matrices[0].tile < 17 * 31
    assert torch.equal(layer(x), functional.conv2d(x, weight, padding=1, stride=(2, 1)))


def test_groups_must_divide_the_output_channels() -> None:
    with pytest.raises(ValueError, match="groups=2 must divide the 3 output channels"):
        ModularConv2d.of(integers((3, 2, 1, 1), 7, 0), k=64, groups=2)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("k", [44, 64])
def test_products_of_shares_add_up_to_the_quantized_product(k: int, n: int) -> None:
    """Bit for bit the integers that the client would compute itself, then the same reals."""
    coins = torch.Generator().manual_seed(0)
    x_q = quantize(torch.randn(2, 6, 5, 4, generator=coins), bits=16)
    w_q = quantize(0.1 * torch.randn(7, 6, 3, 3, generator=coins), bits=14)
    stream = MaskStream(0)
    masks = [uniform_residues(x_q.shape, k, stream) for _ in range(n - 1)]
    shares = [to_ring(share, k) for share in masked_rest(to_ring(x_q, k), masks)]
    layer = ModularConv2d.of(w_q, k=k, padding=1)
    total = to_ring(torch.stack([layer(share) for share in shares]).sum(dim=0), k)
    plain = functional.conv2d(x_q, w_q, padding=1)
    assert torch.equal(from_ring(total, k), plain)
    reals = functional.conv2d(x_q.double() * 2.0**-16, w_q.double() * 2.0**-14, padding=1)
    assert torch.equal(dequantize(from_ring(total, k), bits=30), reals)
