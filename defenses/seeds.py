"""Independent random streams from one seed.

Every random number of a run comes from `stream(seed, *names)`. The names are hashed with the
seed by SHA-256, so a stream never reveals the seed it came from nor any sibling stream.
"""

from __future__ import annotations

import hashlib
import operator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """Return the 63-bit child seed of `seed` under `names`.

    Children of different names are independent, and a child does not reveal its parent:
    the value is a SHA-256 digest. (`numpy.random.SeedSequence.spawn` would expose the root.)

    Args:
        seed: Parent seed, any non-negative integer.
        names: Path of the child. Text and integers never collide: `"1"` and `1` differ.

    Raises:
        ValueError: If `seed` is negative.
        TypeError: If a name is neither text nor an integer.

    >>> derive(0, "game", 1) == derive(0, "game", 1)
    True
    >>> derive(0, "game", 1) == derive(0, "game", "1")
    False
    """
    if seed < 0:
        raise ValueError(f"seed={seed} must be >= 0")
    path = "\x1f".join(_step(name) for name in names)
    digest = hashlib.sha256(f"latentleak\x1e{seed}\x1e{path}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _step(name: str | int) -> str:
    if not isinstance(name, str):
        return f"int:{int(operator.index(name))}"
    return "str:" + name.replace("\\", "\\\\").replace("\x1f", "\\u")


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return a fresh NumPy generator for the stream `names` of `seed`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *names)))


def torch_stream(seed: int, *names: str | int) -> torch.Generator:
    """Return a fresh CPU torch generator for the stream `names` of `seed`."""
    import torch

    return torch.Generator("cpu").manual_seed(derive(seed, *names))
