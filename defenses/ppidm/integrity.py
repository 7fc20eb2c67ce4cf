"""What the client does about servers that compute something else: Freivalds' checks.

For a product y = W x the client keeps secret coefficients c, one for each output, and the folded
weights c W. Then c y = (c W) x at every position, at the cost of a layer with one output. s such
checks use s independent rows c.

- In Z_2^k coefficients are bits: a wrong y passes one check with probability at most 1/2, whatever
  the error, so s checks with 2^-s. (Uniform coefficients do no better in the worst case: an error
  of 2^(k-1) is seen by odd ones alone.)
- Over the reals coefficients are signs, and both sides are compared up to `tolerance`, which honest
  rounding does not reach. A wrong y in which some output is off by more than twice that is caught
  with probability at least 1/2 a check, and for certain if no other output is off.

References:
    Freivalds, Probabilistic machines can use less running time (1977). Tramer, Boneh, Slalom
    (2019), Section 3.2, https://arxiv.org/abs/1806.03287.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..codec import ProtocolError
from ..wire import Party
from .fixed_point import to_ring
from .layers import Layer
from .masks import MaskStream
from .ring import RingSharing, multiplier
from .sharing import PartitionSharing, Product, RealSharing, Sharing

_DEVIATIONS = 8
_SUM_ROUNDOFF = 2.0**-24
_ROUNDOFF = {torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}


class WrongProductError(ProtocolError):
    """A server returned something else than the product that it was asked for.

    Attributes:
        server: Which one.
        layer: For which layer.
    """

    def __init__(self, server: Party, layer: str) -> None:
        super().__init__(
            f"{server} returned a wrong product for {layer}; nothing more is sent: leave it out "
            "and run again"
        )
        self.server = server
        self.layer = layer


class Checker(Protocol):
    """Looks at products before the client adds them up."""

    def check(
        self, server: Party, index: int, layer: Layer, share: Tensor, product: Tensor
    ) -> None:
        """Raise `WrongProductError` unless `product` is that of `layer` and `share`.

        Args:
            server: Whose reply it is.
            index: Its position among the servers.
            layer: What was asked for.
            share: What it was sent.
            product: What it returned.
        """
        ...


class RingChecker:
    """Exact checks mod 2^k.

    Args:
        sharing: The mode.
        checks: s, independent checks of each product.
        seed: The client's.
    """

    def __init__(self, sharing: RingSharing, checks: int, seed: int) -> None:
        self._sharing = sharing
        self._checks = checks
        self._seed = seed
        self._folded: dict[str, tuple[Tensor, Product]] = {}

    def check(
        self, server: Party, index: int, layer: Layer, share: Tensor, product: Tensor
    ) -> None:
        """As `Checker` says; a wrong product passes with probability at most 2^-s."""
        k, (bits, folded) = self._sharing.k, self._fold(layer)
        expected = folded(to_ring(share.long(), k))
        found = _combine(bits, product.long(), layer)
        if not torch.equal(to_ring(found, k), expected):
            raise WrongProductError(server, layer.name)

    def _fold(self, layer: Layer) -> tuple[Tensor, Product]:
        if layer.name not in self._folded:
            bits = secret_bits(self._checks, layer, self._seed)
            integers = self._sharing.weight(layer).integers
            rows = bits.double() @ integers.double().flatten(1)  # below 2^53, so exact
            folded = layer.with_weight(rows.long().reshape(-1, *integers.shape[1:]))
            self._folded[layer.name] = bits, multiplier(folded, self._sharing.k)
        return self._folded[layer.name]


class RoundedChecker:
    """Checks up to rounding, for modes over the reals.

    Args:
        sharing: The mode.
        checks: s, independent checks of each product.
        seed: The client's.
    """

    def __init__(self, sharing: RealSharing | PartitionSharing, checks: int, seed: int) -> None:
        self._sharing = sharing
        self._checks = checks
        self._seed = seed

    def check(
        self, server: Party, index: int, layer: Layer, share: Tensor, product: Tensor
    ) -> None:
        """As `Checker` says, of errors above `tolerance`."""
        weight = self._sharing.weight(layer, index).double()
        signs = 2.0 * secret_bits(self._checks, layer, self._seed).double() - 1
        folded = layer.with_weight(torch.einsum("so,o...->s...", signs, weight))
        difference = _combine(signs, product.double(), layer) - folded.product(share.double())
        near = difference.abs() <= tolerance(layer, weight, share, product)
        if not bool(product.isfinite().all() and near.all()):
            raise WrongProductError(server, layer.name)


def tolerance(layer: Layer, weight: Tensor, share: Tensor, product: Tensor) -> Tensor:
    """Eight standard deviations of what rounding puts between c y and (c W) x, for signs c.

    Roundings count as independent. With u the unit roundoff of a product's type and u32 that of
    float32, in which K terms are summed, the variance is at most the sum over outputs of
    u^2 y^2 / 3 + K u32^2 ((W^2) (x^2) + y^2), squares entry by entry: partial sums that all have
    one sign grow like y, others like the terms. Twice the result is the smallest
    error of a single output that is certain to be caught.

    Args:
        layer: The layer.
        weight: As the server holds it.
        share: What the server was sent.
        product: What it returned.

    Returns:
        Shape of a product with one output.
    """
    squares = layer.with_weight(weight.double().square().sum(dim=0, keepdim=True))
    results = product.double().square().sum(dim=layer.axis, keepdim=True)
    terms = squares.product(share.double().square()) + results
    sums = weight[0].numel() * _SUM_ROUNDOFF**2 * terms
    subnormal = layer.outputs * float(torch.finfo(product.dtype).tiny)
    rounding = _ROUNDOFF[product.dtype] ** 2 / 3 * results
    return _DEVIATIONS * (sums + rounding).sqrt() + subnormal


def checker_of(sharing: Sharing, checks: int, seed: int) -> Checker | None:
    """The checker of a mode, or None for no checks."""
    if not checks:
        return None
    if isinstance(sharing, RingSharing):
        return RingChecker(sharing, checks, seed)
    if isinstance(sharing, RealSharing | PartitionSharing):
        return RoundedChecker(sharing, checks, seed)
    raise TypeError(f"{type(sharing).__name__} has no checks; set checks=0")


def secret_bits(checks: int, layer: Layer, seed: int) -> Tensor:
    """Independent bits that only the client knows, int64 of shape (checks, outputs).

    Raises:
        ValueError: If the layer's channels come in groups.
    """
    if layer.groups != 1:
        raise ValueError(f"{layer.name} has groups={layer.groups}; checks need 1")
    count = checks * layer.outputs
    content = MaskStream(seed, "checks", layer.name).bytes(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8))[:count]
    return torch.from_numpy(bits.astype(np.int64)).reshape(checks, layer.outputs)


def _combine(rows: Tensor, product: Tensor, layer: Layer) -> Tensor:
    """The sums c y at every position, with the rows of c in place of the outputs."""
    if not layer.convolves:
        return product @ rows.T
    return torch.einsum("so,bohw->bshw", rows, product)
