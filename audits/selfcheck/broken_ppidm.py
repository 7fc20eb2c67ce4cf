"""Copies of PPIDM's mode `ring` with one mistake each: what the audit of sharing must refute.

Each replaces one step of the client; `effect` says what the servers gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ...adversaries.spent_masks import hashed_mask
from ...defenses.ppidm.masks import Coins
from ...defenses.ppidm.procedure import Place, Procedure, fresh_stream, masked_rest
from ...defenses.ppidm.variants import RingShares


def once_an_execution(seed: int, place: Place) -> Coins:
    """The first step's stream, at every step."""
    return fresh_stream(seed, replace(place, step=0))


def once_a_pass(seed: int, place: Place) -> Coins:
    """The unprompted branch's stream, in both branches."""
    return fresh_stream(seed, replace(place, branch=0))


def once_a_pair(seed: int, place: Place) -> Coins:
    """One stream for two servers."""
    return fresh_stream(seed, replace(place, server=place.server // 2))


def not_reduced(integers: Tensor, k: int) -> Tensor:
    """Integers as they are."""
    return integers


def masks_cancel(x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
    """Masks that add up to 0; what is left for the last server is x."""
    last = torch.zeros_like(x)
    for mask in masks[:-1]:
        last = last - mask
    return [*masks[:-1], last, x]


def from_public_seed(seed: int, place: Place) -> Coins:
    """A stream that anybody can draw: of its place, and a seed that is always 0."""
    return fresh_stream(0, place)


def masks_hashed(x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
    """All masks but one are hashes of that one, which a server has."""
    *others, last = masks
    raw = last.numpy().astype("<i8").tobytes()
    hashed = [
        torch.frombuffer(bytearray(hashed_mask(raw, i, 8 * x.numel())), dtype=torch.int64)
        for i in range(len(others))
    ]
    return masked_rest(x, [*(h.reshape(x.shape) for h in hashed), last])


@dataclass(frozen=True, kw_only=True)
class BrokenSteps(RingShares):
    """Masks are drawn once and serve all steps."""

    effect: ClassVar[str] = "Differences of latents are in the clear: the picture follows."
    procedure: Procedure = field(default_factory=lambda: Procedure(stream=once_an_execution))


@dataclass(frozen=True, kw_only=True)
class BrokenBranches(RingShares):
    """Both branches of guidance have one mask."""

    effect: ClassVar[str] = "The encoded prompt less the empty one is in the clear."
    procedure: Procedure = field(default_factory=lambda: Procedure(stream=once_a_pass))


@dataclass(frozen=True, kw_only=True)
class BrokenServers(RingShares):
    """Servers 0 and 1 get the same masks, and so on by pairs."""

    effect: ClassVar[str] = "A server knows another's mask: all but one see everything."
    procedure: Procedure = field(default_factory=lambda: Procedure(stream=once_a_pair))


@dataclass(frozen=True, kw_only=True)
class BrokenModulus(RingShares):
    """Shares are not reduced mod 2^k."""

    effect: ClassVar[str] = (
        "The last share has no uniform law: its size tells inputs whose masks lie at the edge."
    )
    procedure: Procedure = field(default_factory=lambda: Procedure(reduce=not_reduced))


@dataclass(frozen=True, kw_only=True)
class BrokenRest(RingShares):
    """The last server gets the input as it is."""

    effect: ClassVar[str] = "One server sees everything."
    procedure: Procedure = field(default_factory=lambda: Procedure(split=masks_cancel))


@dataclass(frozen=True, kw_only=True)
class BrokenSeed(RingShares):
    """Masks follow from step, layer and branch."""

    effect: ClassVar[str] = "Anybody can draw the masks again."
    procedure: Procedure = field(default_factory=lambda: Procedure(stream=from_public_seed))


@dataclass(frozen=True, kw_only=True)
class BrokenChain(RingShares):
    """Masks follow from another server's."""

    effect: ClassVar[str] = "A server computes the others' masks from its own."
    procedure: Procedure = field(default_factory=lambda: Procedure(split=masks_hashed))


BROKEN = (
    BrokenSteps,
    BrokenBranches,
    BrokenServers,
    BrokenModulus,
    BrokenRest,
    BrokenSeed,
    BrokenChain,
)
"""Every broken copy, each with its `effect`."""

HONEST = (RingShares,)
"""What must not be refuted."""
