"""Uniform residues from a stream that only the client has."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..seeds import derive
from .fixed_point import check_ring, to_ring


class Coins(Protocol):
    """A source of random bytes: a `MaskStream`, or a `numpy.random.Generator`."""

    def bytes(self, length: int, /) -> bytes:
        """The next `length` bytes, all new."""
        ...


class MaskStream:
    """Bytes of SHAKE-128 in counter mode: a stream that its outputs do not continue or reveal.

    It is as unpredictable as `seed`, of 63 bits in a testbed that must repeat its runs. A real
    client draws a key of 16 bytes or more from its operating system.
    """

    def __init__(self, seed: int, *names: str | int) -> None:
        self._key = derive(seed, "mask", *names).to_bytes(8, "big")
        self._drawn = 0

    def bytes(self, length: int, /) -> bytes:
        """The next `length` bytes."""
        block = self._key + self._drawn.to_bytes(8, "big")
        self._drawn += 1
        return hashlib.shake_128(block).digest(length)


def uniform_residues(shape: Sequence[int], k: int, generator: Coins) -> Tensor:
    """Independent residues, exactly uniform over Z_2^k if the bytes are.

    Args:
        shape: Of the result.
        k: Ring bits.
        generator: Whence the bytes; little-endian words, cut to k bits.
    """
    check_ring(k)
    size = 2 if k <= 16 else 4 if k <= 32 else 8
    words = np.frombuffer(generator.bytes(size * math.prod(shape)), dtype=f"<u{size}")
    values = torch.from_numpy(words.astype(np.uint64).view(np.int64))
    return to_ring(values, k).reshape(tuple(shape))
