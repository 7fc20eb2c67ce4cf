"""Views coincide under translated masks where the rest is reduced; and only there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latentleak.audits.ppidm.coupling import NAME, coupled
from latentleak.audits.selfcheck.broken_ppidm import BrokenModulus, BrokenRest
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.procedure import Procedure, masked_rest
from latentleak.defenses.ppidm.variants import RingShares
from latentleak.targets.pipeline import Target


@pytest.mark.parametrize("n", [2, 3, 4])
def test_another_prompt_gives_the_same_view_to_all_servers_but_one(n: int, tiny: Target) -> None:
    found = coupled(RingShares(n=n, steps=2), tiny, 0)
    assert found["holds"]
    assert (found["name"], found["coalitions"], found["executions"]) == (NAME, n, n + 1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("k", "bits"), [(32, (12, 10)), (64, (18, 16))])
def test_in_every_preset_and_ring(preset: str, k: int, bits: tuple[int, int], tiny: Target) -> None:
    config = RingShares(
        n=2, steps=1, preset=preset, modulus_bits=k, input_bits=bits[0], weight_bits=bits[1]
    )
    assert coupled(config, tiny, 0)["holds"]


@pytest.mark.parametrize("kind", [BrokenModulus, BrokenRest])
def test_views_that_depend_on_the_input_differ(kind: type[RingShares], tiny: Target) -> None:
    assert not coupled(kind(n=3, steps=1), tiny, 0)["holds"]


def test_a_share_that_is_a_function_of_the_input_differs(tiny: Target) -> None:
    procedure = Procedure(split=lambda x, masks: masked_rest(x, [masks[0] + x, *masks[1:]]))
    config = replace(RingShares(n=3, steps=1), procedure=procedure)
    assert not coupled(config, tiny, 0)["holds"]
