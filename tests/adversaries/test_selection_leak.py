"""The index set alone shows a picture where it follows the latent, and none where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.selection_leak import SelectionLeak, regress
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


def test_pictures_that_are_linear_in_the_features_are_regressed() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((400, 10)) < 0.5
    weights = rng.integers(0, 12, size=(10, 4, 4, 3))
    pictures = (100 + np.tensordot(features, weights, 1)).astype(np.uint8)
    found = regress(features[:300], pictures[:300], features[300:])
    assert np.abs(found.astype(int) - pictures[300:]).max() <= 2


def test_features_that_say_nothing_give_the_mean() -> None:
    pictures = np.arange(0, 200, 10, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    found = regress(np.ones((20, 5), np.bool_), pictures, np.ones((2, 5), np.bool_))
    assert np.abs(found.astype(int) - 95).max() <= 1
