"""Mode `ring`: additive shares in Z_2^k, perfect against all servers but one.

1. client: x_q = round(x 2^b), b such that max|x_q| < 2^(input_bits - 1);
   checks max|x_q| |W_q|_1 < 2^(k-1) for every layer of the request
2. client -> server i < n: [x]_i = r_i uniform;  client -> server n: x_q - sum_i r_i mod 2^k
3. server i -> client: W_q [x]_i mod 2^k
4. client: W_q x_q = sum_i W_q [x]_i mod 2^k as a signed integer, times 2^-(b + weight bits)

b changes from call to call and stays with the client. By the bound of step 1 the integer of step
4 is exact, so the only error is that of rounding x and W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .fixed_point import dequantize, from_ring, headroom, quantize, row_norm, to_ring
from .layers import Layer, RequestGroup
from .masks import Coins, uniform_residues
from .modular import ModularConv2d, ModularLinear
from .procedure import Procedure
from .sharing import Product, Shared, draw_masks


@dataclass(frozen=True, kw_only=True)
class RingWeight:
    """A layer's weight in fixed point.

    Attributes:
        integers: W_q, signed, below 2^(weight_bits - 1) in magnitude.
        bits: Fractional bits.
    """

    integers: Tensor
    bits: int

    @classmethod
    def of(cls, layer: Layer, significant: int) -> RingWeight:
        """Round a weight to so many bits, sign included, of its largest entry."""
        bits = fractional_bits(layer.weight, significant)
        return cls(integers=quantize(layer.weight, bits=bits), bits=bits)


@dataclass(frozen=True, kw_only=True)
class RingSharing:
    """Additive shares of integers mod 2^k.

    Attributes:
        n: Servers.
        k: Ring bits.
        input_bits: Significant bits of an input, sign included.
        weight_bits: Significant bits of a weight, sign included.
        seed: The client's; 0 at a server, which draws nothing.
        procedure: The client's steps.
        norms: Largest row L1 norm of W_q and fractional bits, by layer; filled on first use.
    """

    n: int
    k: int
    input_bits: int
    weight_bits: int
    seed: int = 0
    procedure: Procedure = field(default_factory=Procedure)
    norms: dict[str, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        """Residues of at most 32 bits travel as int32."""
        return torch.int32 if self.k <= 32 else torch.int64

    def split(self, x: Tensor, layers: Sequence[Layer], group: RequestGroup, step: int) -> Shared:
        """Steps 1 and 2.

        Raises:
            RingOverflowError: If an output of a layer might not fit in the ring.
        """
        bits = fractional_bits(x, self.input_bits)
        integers = quantize(x, bits=bits)
        largest = int(integers.abs().max())
        for layer in layers:
            headroom(largest, self._norm(layer)[0], self.k, layer=layer.name)

        def draw(row: Tensor, coins: Coins) -> Tensor:
            return uniform_residues(row.shape, self.k, coins)

        masks = draw_masks(x, self.n, group, step, self.seed, self.procedure, draw)
        shares = self.procedure.split(to_ring(integers, self.k), masks)
        reduced = (self.procedure.reduce(share, self.k).to(self.dtype) for share in shares)
        return Shared(shares=tuple(reduced), bits=bits)

    def join(self, layer: Layer, products: Sequence[Tensor], shared: Shared) -> Tensor:
        """Step 4."""
        total = products[0].long()
        for product in products[1:]:
            total = total + product.long()
        exact = from_ring(to_ring(total, self.k), self.k)
        return dequantize(exact, bits=shared.bits + self._norm(layer)[1]).float()

    def channels(self, layer: Layer, server: int) -> int:
        """All of them."""
        return layer.inputs

    def product(self, layer: Layer, server: int) -> Product:
        """Step 3; the weights are prepared once."""
        multiply = multiplier(layer.with_weight(self.weight(layer).integers), self.k)
        return lambda share: multiply(to_ring(share.long(), self.k)).to(self.dtype)

    def weight(self, layer: Layer) -> RingWeight:
        """A layer's weight as the servers hold it."""
        return RingWeight.of(layer, self.weight_bits)

    def _norm(self, layer: Layer) -> tuple[int, int]:
        if layer.name not in self.norms:
            weight = self.weight(layer)
            self.norms[layer.name] = row_norm(weight.integers), weight.bits
        return self.norms[layer.name]


def multiplier(layer: Layer, k: int) -> Product:
    """Prepare a layer whose weight holds signed integers for products mod 2^k."""
    if not layer.convolves:
        return ModularLinear.of(layer.weight, k=k)
    return ModularConv2d.of(
        layer.weight,
        k=k,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
    )


def fractional_bits(x: Tensor, significant: int) -> int:
    """The most fractional bits, at least 0, with max|x| 2^bits below 2^(significant - 1)."""
    largest = float(x.detach().abs().max()) if x.numel() else 0.0
    if largest == 0.0 or not math.isfinite(largest):
        return 0
    return max(0, significant - 1 - math.frexp(largest)[1])
