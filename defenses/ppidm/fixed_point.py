"""Fixed-point numbers in the ring Z_2^k, and the bound that keeps a layer from wrapping around.

A real x becomes the integer round(x 2^b). Integers live in Z_2^k as residues, held in int64: in
[0, 2^k) for k < 64, and as the wrapped bit pattern for k = 64. A layer's exact integer output y
comes back from its residue if and only if -2^(k-1) <= y < 2^(k-1).
"""

from __future__ import annotations

import torch
from torch import Tensor

RING_BITS = (16, 64)
"""Smallest and largest k."""


class RingOverflowError(ValueError):
    """A layer's output might not fit in the ring."""


def check_ring(k: int) -> None:
    """Raise ValueError unless 16 <= k <= 64."""
    if not RING_BITS[0] <= k <= RING_BITS[1]:
        raise ValueError(f"k={k} must lie in [{RING_BITS[0]}, {RING_BITS[1]}]")


def quantize(x: Tensor, *, bits: int) -> Tensor:
    """Return round(x 2^bits), half to even, as signed int64 of the same shape.

    Args:
        x: Real numbers.
        bits: Fractional bits, at least 0.

    Raises:
        ValueError: If a number is not finite, or its integer is not below 2^62 in magnitude.
    """
    if bits < 0:
        raise ValueError(f"bits={bits} must be >= 0")
    scaled = x.detach().double() * 2.0**bits
    if x.numel() and not bool(torch.isfinite(scaled).all()):
        raise ValueError("x holds a number that is not finite; look for NaN or overflow before it")
    if x.numel() and (largest := float(scaled.abs().max())) >= 2.0**62:
        raise ValueError(
            f"bits={bits}: |x| 2^bits = {largest:.4g} must be < 2^62; take fewer fractional bits"
        )
    return torch.round(scaled).long()


def dequantize(integers: Tensor, *, bits: int) -> Tensor:
    """Return integers 2^-bits in float64, rounded once where an integer has over 53 bits."""
    return integers.double() * 2.0**-bits


def to_ring(integers: Tensor, k: int) -> Tensor:
    """Residues mod 2^k of int64 integers; any int64 will do, sums that wrapped included."""
    return integers if k == 64 else integers & ((1 << k) - 1)


def from_ring(residues: Tensor, k: int) -> Tensor:
    """The signed integers in [-2^(k-1), 2^(k-1)) of canonical residues."""
    if k == 64:
        return residues
    half = 1 << (k - 1)
    return (residues ^ half) - half


def row_norm(weight_q: Tensor) -> int:
    """Largest sum of |weights| that reach one output, exactly.

    Args:
        weight_q: Signed integers of shape (out, ...).
    """
    rows = weight_q.reshape(len(weight_q), -1).abs()
    if rows.numel() == 0:
        return 0
    if int(rows.max()) * rows.shape[1] >= 1 << 63 or int(rows.min()) < 0:
        raise ValueError(
            f"weight_q reaches {int(rows.max())} over rows of {rows.shape[1]}: sums must stay "
            "below 2^63; take fewer weight bits"
        )
    return int(rows.sum(dim=1).max())


def headroom(max_abs_x_q: int, norm: int, k: int, *, layer: str) -> int:
    """Bits to spare: the largest h with max|x_q| |W_q|_1 2^h < 2^(k-1).

    By Hoelder's inequality no output of the layer, nor any partial sum, exceeds the product.

    Args:
        max_abs_x_q: Largest |x_q|.
        norm: `row_norm` of W_q.
        k: Ring bits.
        layer: Its name, for the error.

    Returns:
        At least 0; k - 1 if nothing but zeros can come out.

    Raises:
        RingOverflowError: If the product itself is not below 2^(k-1).
    """
    check_ring(k)
    spare = k - 1 - (max_abs_x_q * norm).bit_length()
    if spare < 0:
        raise RingOverflowError(
            f"{layer}: max|x_q|={max_abs_x_q} times the row L1 norm of W_q={norm} must be < "
            f"2^(k-1) = 2^{k - 1}; take a larger k, or {-spare} fewer input_bits or weight_bits"
        )
    return spare
