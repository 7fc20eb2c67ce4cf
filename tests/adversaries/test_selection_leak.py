"""The index set alone shows a picture where it follows the latent, and none where it does not."""

from __future__ import annotations

import pytest

from latentleak.adversaries.selection_leak import SelectionLeak
from latentleak.defenses.he_diffusion.protocol import HeDiffusion
from latentleak.defenses.he_diffusion.variants import EncryptedTerm, FullEncryption
from latentleak.targets.pipeline import Target


def test_a_selection_that_follows_the_latent_leaks(embedded: Target, play_he) -> None:
    played = play_he(EncryptedTerm(steps=5, method="ddim", threshold=0.2), embedded, 6)
    leakage = played.leakage(SelectionLeak())
    assert leakage > 0.3
    assert played.swapped.leakage(SelectionLeak()) < leakage - 0.2


@pytest.mark.parametrize(
    "config", [EncryptedTerm(steps=2, encrypt_fraction=0.5), FullEncryption(steps=2)]
)
def test_a_set_drawn_by_lot_says_nothing(tiny: Target, play_he, config: HeDiffusion) -> None:
    assert play_he(config, tiny, 2).finds_nothing(SelectionLeak())
