"""The client steps on which hiding rests.

Each is one named function, so that a broken copy replaces exactly one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from .fixed_point import to_ring
from .masks import Coins, MaskStream


@dataclass(frozen=True, kw_only=True)
class Place:
    """What one mask is for; every place has a mask of its own.

    Attributes:
        layer: Number of the request group.
        step: Denoising step.
        branch: Row of the batch: without and with the prompt.
        server: Who gets the mask.
    """

    layer: int
    step: int
    branch: int
    server: int


Stream = Callable[[int, Place], Coins]
Split = Callable[[Tensor, Sequence[Tensor]], list[Tensor]]
Reduce = Callable[[Tensor, int], Tensor]


def fresh_stream(seed: int, place: Place) -> Coins:
    """Random bytes that nobody without the client's seed can tell, different at every place."""
    return MaskStream(
        seed,
        *("layer", place.layer),
        *("step", place.step),
        *("branch", place.branch),
        *("server", place.server),
    )


def masked_rest(x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
    """Additive shares: the n - 1 masks, and x less all of them for the last server."""
    rest = x
    for mask in masks:
        rest = rest - mask
    return [*masks, rest]


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """The client's steps.

    Attributes:
        stream: Client's seed and place to the random bytes of the mask there.
        split: Input and n - 1 masks to n shares that add up to the input.
        reduce: Integers and k to residues mod 2^k, applied to every share of mode `ring`.
    """

    stream: Stream = fresh_stream
    split: Split = masked_rest
    reduce: Reduce = to_ring
