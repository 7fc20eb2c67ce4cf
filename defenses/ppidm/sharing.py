"""How an input is divided among servers: one small interface, and the two modes without a ring.

A mode has a client half, `split` and `join`, and a server half, `product`. With W x + b a layer,
the servers return W [x]_i and the client adds them up; the bias stays with the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .layers import Layer, RequestGroup
from .masks import Coins
from .procedure import Place, Procedure

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
Product = Callable[[Tensor], Tensor]
"""A server's half of one layer: share in, product out."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """One input, divided.

    Attributes:
        shares: One a server, None for a server that is not asked.
        bits: Fractional bits of the shared integers; only the client knows them.
    """

    shares: tuple[Tensor | None, ...]
    bits: int = 0


class Sharing(Protocol):
    """A way to divide inputs among `n` servers."""

    def __hash__(self) -> int:
        """Of the configuration, by which prepared weights are found again."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The type of shares and products on the wire."""
        ...

    def split(self, x: Tensor, layers: Sequence[Layer], group: RequestGroup, step: int) -> Shared:
        """Divide the input, float32 with a row for each branch, of the layers of one request."""
        ...

    def join(self, layer: Layer, products: Sequence[Tensor], shared: Shared) -> Tensor:
        """W x, float32, of the products of all servers that were asked."""
        ...

    def channels(self, layer: Layer, server: int) -> int:
        """Input channels in the share of a server; 0 if it is not asked."""
        ...

    def product(self, layer: Layer, server: int) -> Product:
        """Prepare a server's half of a layer."""
        ...


@dataclass(frozen=True, kw_only=True)
class RealSharing:
    """Additive shares of reals under Gaussian masks: bounded, never perfect hiding.

    Attributes:
        n: Servers.
        magnitude: Standard deviation of a mask over the root mean square of the input.
        precision: Of shares, weights and products: `fp32`, `fp16` or `bf16`.
        seed: The client's; 0 at a server, which draws nothing.
        procedure: The client's steps.
    """

    n: int
    magnitude: float
    precision: str
    seed: int = 0
    procedure: Procedure = field(default_factory=Procedure)

    @property
    def dtype(self) -> torch.dtype:
        """As `precision` says."""
        return PRECISIONS[self.precision]

    def split(self, x: Tensor, layers: Sequence[Layer], group: RequestGroup, step: int) -> Shared:
        """Masks are rounded before the rest is taken, so only rounding of the rest is left."""
        scale = self.magnitude * float(x.double().square().mean().sqrt())

        def draw(row: Tensor, coins: Coins) -> Tensor:
            seed = int.from_bytes(coins.bytes(16), "little")
            noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(
                tuple(row.shape), dtype=np.float32
            )
            return torch.from_numpy(noise).mul_(scale).to(self.dtype).float()

        masks = draw_masks(x, self.n, group, step, self.seed, self.procedure, draw)
        shares = self.procedure.split(x, masks)
        return Shared(shares=tuple(share.to(self.dtype) for share in shares))

    def join(self, layer: Layer, products: Sequence[Tensor], shared: Shared) -> Tensor:
        """The sum in float32."""
        return _sum(products)

    def channels(self, layer: Layer, server: int) -> int:
        """All of them."""
        return layer.inputs

    def product(self, layer: Layer, server: int) -> Product:
        """W [x]_i in the servers' precision."""
        return rounded_product(layer.with_weight(self.weight(layer, server)))

    def weight(self, layer: Layer, server: int) -> Tensor:
        """W as a server holds it."""
        return layer.weight.to(self.dtype)


@dataclass(frozen=True, kw_only=True)
class PartitionSharing:
    """Server i gets the i-th block of input channels in the clear, and the weights for it.

    Attributes:
        n: Servers.
        precision: As in `RealSharing`.
    """

    n: int
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        """As `precision` says."""
        return PRECISIONS[self.precision]

    def split(self, x: Tensor, layers: Sequence[Layer], group: RequestGroup, step: int) -> Shared:
        """Blocks that differ by at most one channel; servers beyond the channels get none."""
        blocks = x.tensor_split(self.n, dim=layers[0].axis)
        return Shared(shares=tuple(b.to(self.dtype) if b.numel() else None for b in blocks))

    def join(self, layer: Layer, products: Sequence[Tensor], shared: Shared) -> Tensor:
        """The partial sums added up in float32."""
        return _sum(products)

    def channels(self, layer: Layer, server: int) -> int:
        """Those of the server's block."""
        return self._block(layer, server).shape[1]

    def product(self, layer: Layer, server: int) -> Product:
        """W_i x_i; the server holds W_i alone.

        Raises:
            ValueError: If the layer's channels come in groups.
        """
        if layer.groups != 1:
            raise ValueError(f"{layer.name} has groups={layer.groups}; partition needs 1")
        return rounded_product(layer.with_weight(self.weight(layer, server)))

    def weight(self, layer: Layer, server: int) -> Tensor:
        """W_i as a server holds it, in memory of its own."""
        return self._block(layer, server).to(self.dtype, copy=True)

    def _block(self, layer: Layer, server: int) -> Tensor:
        return layer.weight.tensor_split(self.n, dim=1)[server]


def draw_masks(
    x: Tensor,
    n: int,
    group: RequestGroup,
    step: int,
    seed: int,
    procedure: Procedure,
    draw: Callable[[Tensor, Coins], Tensor],
) -> list[Tensor]:
    """Masks for all servers but the last, each row from the stream of its own place."""
    return [
        torch.stack(
            [
                draw(
                    row,
                    procedure.stream(
                        seed,
                        Place(layer=group.number, step=step, branch=branch, server=server),
                    ),
                )
                for branch, row in enumerate(x)
            ]
        )
        for server in range(n - 1)
    ]


def rounded_product(layer: Layer) -> Product:
    """W x with the result rounded to the type of the weight.

    CPUs without half-precision convolutions take fifty times as long for them. Products of two
    fp16 numbers are exact in float32, so there the sums are float32's and the result is rounded
    once: what hardware that accumulates in float32 gives.
    """
    weight = layer.weight
    if weight.dtype != torch.float16 or weight.device.type != "cpu":
        return layer.product
    wide, half = layer.with_weight(weight.float()), weight.dtype
    return lambda share: wide.product(share.float()).to(half)


def _sum(products: Sequence[Tensor]) -> Tensor:
    total = products[0].float()
    for product in products[1:]:
        total = total + product.float()
    return total
