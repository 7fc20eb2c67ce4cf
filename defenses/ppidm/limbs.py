"""Exact integer matrix products mod 2^k out of hardware products of short digits.

Residues and weights are written in signed digits of d bits, x = sum_i x_i 2^(d i) and
w = sum_j w_j 2^(d j). Mod 2^k the product is

    x w = sum_s 2^(d s) sum_(i + j = s) x_i w_j,    0 <= s < ceil(k / d),

and the inner sum of one level s is a single matrix product whose operands hold the digits side by
side. It is exact where the hardware's sums are: float64 as long as max|x_i| times the L1 norm of
a column of all w_j is at most 2^53 (implied by d + limb_w + log2 K <= 53), int8 with int32 sums
as long as it is below 2^31. Every partial sum in every order obeys the same bound.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .fixed_point import check_ring, to_ring

Engine = Literal["int8", "float64"]

_LIMITS: dict[Engine, int] = {"int8": (1 << 31) - 1, "float64": 1 << 53}
_BYTES_AT_ONCE = 1 << 25
"""Of digits in one tile: the weights are packed anew for each, which fewer rows do not pay for."""
_OUTPUTS_AT_ONCE = 1 << 19
"""Elements in one tile: outputs are passed over once a level and should stay in the cache."""

_ENOUGH_BITS = 16
"""Residues in digits this wide need four products at most: weights are not divided further."""


_PAYS = 4
"""How many times as fast int8 products must be: some five stand for one in float64."""


@functools.cache
def default_engine(device: str) -> Engine:
    """int8 on CPUs whose int8 products are exact at the extremes and fast, float64 elsewhere.

    x86 without VNNI may add pairs of products with saturation to 16 bits, or multiply number by
    number; the probe sees both.
    """
    if device != "cpu":
        return "float64"
    extremes = torch.tensor([-128, 127, -128, -128, 127, 127, -127, 1], dtype=torch.int8)
    left = torch.stack([extremes.roll(i) for i in range(8)]).repeat(8, 16)
    right = torch.cat([left[:8], -left[:8], torch.full_like(left[:8], -128)]).T.contiguous()
    try:
        product = torch._int_mm(left, right)
    except RuntimeError:
        return "float64"
    if not torch.equal(product.long(), left.long() @ right.long()):
        return "float64"
    left, right = left.repeat(2, 2), left.repeat(4, 2).contiguous()
    doubles = left.double(), right.double()
    quick, slow = _seconds(torch._int_mm, left, right), _seconds(torch.mm, *doubles)
    return "int8" if _PAYS * quick <= slow else "float64"


def _seconds(multiply: Callable[[Tensor, Tensor], Tensor], left: Tensor, right: Tensor) -> float:
    """The shortest of a few products."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        multiply(left, right)
        times.append(time.perf_counter() - start)
    return min(times)


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Weights in digits, ready to multiply residues. Made by `prepare`.

    Attributes:
        k: Ring bits.
        engine: Which hardware products.
        width: d, bits of a digit.
        digits: Digits of a weight.
        stacked: Digits of the weights below each other, most significant first, shape
            (digits * K, out).
    """

    k: int
    engine: Engine
    width: int
    digits: int
    stacked: Tensor

    @property
    def levels(self) -> int:
        """Digits of a residue, and matrix products in all."""
        return -(-self.k // self.width)

    @property
    def products(self) -> int:
        """Products of one digit with one digit: the work, in plain matrix products."""
        return sum(min(level + 1, self.digits) for level in range(self.levels))

    @property
    def depth(self) -> int:
        """K, the number of inputs to an output."""
        return self.stacked.shape[0] // self.digits

    @property
    def tile(self) -> int:
        """Rows to multiply at once, so that memory stays bounded."""
        row = max(self.levels * self.depth * self.stacked.element_size(), 1)
        outputs = max(self.stacked.shape[1], 1)
        return max(32, min(_BYTES_AT_ONCE // row, _OUTPUTS_AT_ONCE // outputs))

    def split(self, residues: Tensor) -> Tensor:
        """Digits of residues of shape (...), shape (..., levels), lowest first.

        Adding 2^(d-1) to every digit turns signed digits into plain ones, carries included.
        """
        half = 1 << (self.width - 1)
        offset = sum(half << (self.width * level) for level in range(self.levels))
        shifted = residues + _wrap(offset)
        if self.engine == "int8":
            signed = (shifted ^ _wrap(0x8080808080808080)).contiguous()
            return signed.view(torch.int8).reshape(*residues.shape, 8)[..., : self.levels]
        mask = (1 << self.width) - 1
        digits = [(shifted >> (self.width * i)) & mask for i in range(self.levels)]
        return torch.stack(digits, dim=-1).sub_(half).double()

    def multiply(self, digits: Tensor) -> Tensor:
        """Residues of shape (n, out) for digits of shape (n, levels, K)."""
        rows, depth = digits.shape[0], self.depth
        flat = digits.reshape(rows, self.levels * depth)
        total = torch.zeros(rows, self.stacked.shape[1], dtype=torch.int64, device=digits.device)
        for level in reversed(range(self.levels)):
            count = min(level + 1, self.digits)
            part = flat[:, (level + 1 - count) * depth : (level + 1) * depth]
            product = self._product(part, self.stacked[(self.digits - count) * depth :])
            total = torch.add(product, total, alpha=1 << self.width)
        return to_ring(total, self.k)

    def _product(self, left: Tensor, right: Tensor) -> Tensor:
        if self.engine == "int8":
            return torch._int_mm(left, right)
        return (left @ right).long()


def prepare(weight: Tensor, *, k: int, engine: Engine | None = None) -> Matrix:
    """Split weights for products mod 2^k.

    Args:
        weight: Signed integers, shape (out, K).
        k: Ring bits.
        engine: None for the device's default.

    Raises:
        ValueError: If K is so large that no digit width keeps the sums exact.
    """
    check_ring(k)
    engine = engine or default_engine(weight.device.type)
    if engine == "float64":
        width = _whole_width(weight)
        if width >= _ENOUGH_BITS:
            return _matrix([weight], k=k, engine=engine, width=width)
    for width in (8,) if engine == "int8" else range(_ENOUGH_BITS, 3, -1):
        digits = _signed_digits(weight, width=width, most=-(-k // width))
        if _norm(digits) << (width - 1) <= _LIMITS[engine]:
            return _matrix(digits, k=k, engine=engine, width=width)
    raise ValueError(f"K={weight.shape[1]} is too large for exact {engine} sums")


def _matrix(digits: list[Tensor], *, k: int, engine: Engine, width: int) -> Matrix:
    stacked = torch.cat([digit.to(getattr(torch, engine)) for digit in reversed(digits)], dim=1)
    return Matrix(
        k=k, engine=engine, width=width, digits=len(digits), stacked=stacked.T.contiguous()
    )


def _whole_width(weight: Tensor) -> int:
    """The widest digits of a residue for which undivided weights keep float64 sums exact."""
    norm = max(1, _norm([weight]))
    return min(53, (_LIMITS["float64"] // norm).bit_length())


def _signed_digits(weight: Tensor, *, width: int, most: int) -> list[Tensor]:
    """The weights in as many digits as they need, at most `most`, lowest first."""
    half, rest = 1 << (width - 1), weight
    digits: list[Tensor] = []
    while not digits or (len(digits) < most and bool(rest.any())):
        digits.append(((rest + half) & ((1 << width) - 1)) - half)
        rest = (rest - digits[-1]) >> width
    return digits


def _norm(digits: list[Tensor]) -> int:
    """At least the largest L1 norm of a row of all digits side by side."""
    norms = torch.stack([digit.double().abs().sum(dim=1) for digit in digits]).sum(dim=0)
    return int(float(norms.max()) * (1 + 1e-9)) if norms.numel() else 0


def _wrap(value: int) -> int:
    """The int64 with the lowest 64 bits of `value`."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
