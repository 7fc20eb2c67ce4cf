"""The audit of additive shares catches every broken copy, and spares the honest protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

from latentleak.audits.selfcheck.broken_ppidm import (
    BROKEN,
    HONEST,
    masks_cancel,
    masks_hashed,
    not_reduced,
)
from latentleak.audits.selfcheck.ppidm import Check, check, table
from latentleak.audits.statistics import binomial_p_value
from latentleak.defenses.ppidm.procedure import Place, masked_rest
from latentleak.defenses.ppidm.variants import RingShares
from latentleak.defenses.protocol import execute
from latentleak.targets.pipeline import Target

GAINS = {"BrokenBranches", "BrokenServers", "BrokenRest", "BrokenSeed", "BrokenChain"}
"""Copies that give the prompt away."""

SEEN = {"BrokenSteps", "BrokenBranches", "BrokenServers", "BrokenModulus", "BrokenRest"}
"""Copies whose shares are not uniform."""


@lru_cache(maxsize=1)
def checks() -> dict[str, Check]:
    """One audit of each, at a level that a true claim is refuted at with probability 1e-6."""
    return {each.name: each for each in check(audits=1, alpha=1e-6, sealed=False)}


@pytest.mark.parametrize("kind", BROKEN)
def test_every_broken_copy_is_refuted_for_its_mistake(kind: type[RingShares]) -> None:
    """Six games of six among 100 refute: by guessing, with probability below 1e-11."""
    found = checks()[kind.__name__]
    assert found.as_expected
    assert found.broken
    assert found.refuted == 1
    assert (found.won == found.games) is (kind.__name__ in GAINS)
    assert (found.shares == 1) is (kind.__name__ in SEEN)
    assert found.effect
    assert binomial_p_value(found.games, found.games, p=0.01) < 1e-11


def test_the_honest_protocol_is_spared() -> None:
    """Fails on correct code with probability 1e-6."""
    (kind,) = HONEST
    found = checks()[kind.__name__]
    assert (found.refuted, found.spared, found.shares) == (0, 1, 0)
    assert found.as_expected
    assert not found.broken


def test_what_is_not_as_expected_is_said() -> None:
    broken, honest = checks()["BrokenSeed"], checks()["RingShares"]
    assert not replace(broken, refuted=0).as_expected
    assert not replace(honest, refuted=1, spared=0).as_expected
    assert not replace(honest, refuted=0, spared=0).as_expected
    assert table([broken, honest]).row_count == 2
    assert broken.to_dict()["as_expected"]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_copy_computes_the_same_picture(kind: type[RingShares], tiny: Target) -> None:
    """Nobody notices: the mistake is in what is seen, not in what comes out."""
    outputs = []
    for each in (kind, RingShares):
        output, transcript = execute(each(steps=1, n=3), tiny, "man judge: light skin tone", 1)
        transcript.close()
        outputs.append(output.latents)
    assert torch.equal(*outputs)


@pytest.mark.parametrize("split", [masks_cancel, masks_hashed, masked_rest])
def test_shares_add_up_to_the_input(
    split: Callable[[torch.Tensor, list[torch.Tensor]], list[torch.Tensor]],
) -> None:
    x, masks = torch.arange(6).reshape(2, 3), [torch.full((2, 3), 7), torch.full((2, 3), 9)]
    shares = split(x, masks)
    assert len(shares) == 3
    assert torch.equal(torch.stack(shares).sum(dim=0), x)


def test_integers_are_left_as_they_are() -> None:
    x = torch.tensor([-5, 1 << 50])
    assert torch.equal(not_reduced(x, 48), x)


def test_streams_repeat_where_they_should_not() -> None:
    place = Place(layer=1, step=2, branch=1, server=1)
    streams = {kind.__name__: kind().procedure.stream for kind in BROKEN}

    def same(name: str, **moved: int) -> bool:
        stream = streams[name]
        return stream(3, place).bytes(8) == stream(3, replace(place, **moved)).bytes(8)

    assert same("BrokenSteps", step=0)
    assert not same("BrokenSteps", layer=0)
    assert same("BrokenBranches", branch=0)
    assert same("BrokenServers", server=0)
    assert not same("BrokenServers", server=2)
    assert streams["BrokenSeed"](3, place).bytes(8) == streams["BrokenSeed"](4, place).bytes(8)
