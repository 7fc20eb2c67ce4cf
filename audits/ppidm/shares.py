"""The residues that each server of mode `ring` was sent, by place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...defenses.codec import decode_arrays
from ...defenses.seeds import stream
from ...defenses.wire import CLIENT, Message, Party

Residues = npt.NDArray[np.uint64]


class At(NamedTuple):
    """Where a share was used.

    Attributes:
        step: Denoising step.
        layer: Message kind.
        piece: Number among the messages into which a large one was cut.
        branch: Row of that message.
    """

    step: int
    layer: str
    piece: int
    branch: int


@dataclass(frozen=True, kw_only=True)
class Shares:
    """All shares of one execution, every server's.

    Attributes:
        k: Ring bits.
        residues: Server to place to residues in [0, 2^k), flattened.
        outside: Numbers sent that are no residues, but integers beyond [0, 2^k).
    """

    k: int
    residues: Mapping[Party, Mapping[At, Residues]]
    outside: int

    @property
    def servers(self) -> tuple[Party, ...]:
        """In order of their names' numbers."""
        return tuple(sorted(self.residues, key=lambda party: int(party.rpartition("/")[2])))

    @property
    def places(self) -> tuple[At, ...]:
        """In order."""
        return tuple(sorted(next(iter(self.residues.values()))))

    def simulated(self, seed: int) -> Shares:
        """What a simulator would have sent to the same places: uniform residues."""
        rng = stream(seed, "simulated shares")
        made = {
            party: {
                at: rng.integers(0, 1 << self.k, len(values), dtype=np.uint64, endpoint=False)
                if self.k < 64
                else rng.integers(0, (1 << 64) - 1, len(values), dtype=np.uint64, endpoint=True)
                for at, values in own.items()
            }
            for party, own in self.residues.items()
        }
        return Shares(k=self.k, residues=made, outside=0)


def shares_of(messages: Iterable[Message], k: int) -> Shares:
    """The shares in a transcript whose payloads were kept.

    Args:
        messages: Of one execution.
        k: Ring bits.

    Raises:
        ValueError: If nothing was shared.
    """
    found: dict[Party, dict[At, Residues]] = {}
    outside = 0
    for message in messages:
        if message.sender != CLIENT or not message.kind.startswith("layer-"):
            continue
        tensors, own = decode_arrays(message.payload), found.setdefault(message.receiver, {})
        share, step = tensors["share"], int(tensors["step"])
        outside += _outside(share, k)
        piece = 0
        while At(step, message.kind, piece, 0) in own:
            piece += 1
        for branch, row in enumerate(share):
            own[At(step, message.kind, piece, branch)] = _residues(row, k)
    if not found:
        raise ValueError("messages hold no share; tap the kinds layer-NNN")
    return Shares(k=k, residues=found, outside=outside)


def _outside(share: npt.NDArray[np.signedinteger], k: int) -> int:
    """At k = 32 and 64 the words of the wire are exactly as wide as the ring."""
    if k in (32, 64):
        return 0
    return int(((share < 0) | (share >= (1 << k))).sum())


def _residues(row: npt.NDArray[np.signedinteger], k: int) -> Residues:
    words = row.astype(np.int64).ravel().view(np.uint64)
    return np.asarray(words & np.uint64((1 << k) - 1))
