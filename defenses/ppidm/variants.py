"""The three readings of the abstract, by name; all have the fields of `Ppidm`.

| variant | servers get | one server alone | all but one |
|---|---|---|---|
| `RingShares` | uniform residues mod 2^k | nothing | nothing |
| `RealShares` | Gaussian masks, or the rest | a noisy input | a less noisy input |
| `Partition` | a block of channels in the clear | 1/n of the channels | all but 1/n |
"""

from __future__ import annotations

from dataclasses import dataclass

from .protocol import Ppidm


@dataclass(frozen=True, kw_only=True)
class RingShares(Ppidm):
    """Additive shares mod 2^k: any n - 1 servers see uniform residues."""


@dataclass(frozen=True, kw_only=True)
class RealShares(Ppidm):
    """Additive shares of reals under finite Gaussian masks, in half precision at the servers."""

    share: str = "real"
    precision: str = "fp16"


@dataclass(frozen=True, kw_only=True)
class Partition(Ppidm):
    """Blocks of channels, unmasked: the literal reading of a quarter for each of four servers."""

    share: str = "partition"


VARIANTS: tuple[type[Ppidm], ...] = (RingShares, RealShares, Partition)
