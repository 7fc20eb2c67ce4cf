"""The key from handed-back decryptions opens the picture; hardened variants keep it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentleak.adversaries.key_theft import StolenKey, stolen_latent
from latentleak.defenses.he_diffusion.procedure import Procedure
from latentleak.defenses.he_diffusion.protocol import HeDiffusion
from latentleak.defenses.he_diffusion.variants import (
    AsReleased,
    ClientUnet,
    FullEncryption,
    FullyHardened,
)
from latentleak.targets.pipeline import Target

FULL = {"encrypt_fraction": 1.0, "samples": 32, "steps": 3, "parameters": "small"}
"""32 latents of 64 entries fill the 2,048 slots of the small set."""


def test_two_steps_give_the_key_and_the_key_the_picture(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(**FULL), tiny, 2)
    guesses = played.attacked(StolenKey())
    assert guesses.notes == {"keys recovered": 2, "not recovered": {}}
    assert np.abs(stolen_latent(played.views, 0)[0] - played.latents[0]).max() < 1e-5
    true = played.model.pictures(played.latents).astype(int)
    assert np.abs(guesses.images - true).max() <= 1


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (AsReleased(**FULL, fresh_keys=True), "too few pairs"),
        (AsReleased(**FULL, flooding_bits=10.0), "noise added"),
        (AsReleased(steps=3, parameters="small"), "partial slots"),
        (AsReleased(**FULL | {"steps": 2}), "too few pairs"),
        (ClientUnet(steps=3), "too few pairs"),
        (FullEncryption(steps=3), "too few pairs"),
        (FullyHardened(steps=3), "too few pairs"),
    ],
)
def test_it_fails_for_a_reason(tiny: Target, play_he, config: HeDiffusion, reason: str) -> None:
    played = play_he(config, tiny, 1)
    assert played.finds_nothing(StolenKey())
    notes = played.attacked(StolenKey()).notes
    assert notes == {"keys recovered": 0, "not recovered": {reason: 1}}


def whole_context(context: Any) -> bytes:
    return bytes(context.serialize(save_secret_key=True))


def test_a_key_in_the_context_is_used(tiny: Target, play_he) -> None:
    broken = FullyHardened(steps=3, procedure=Procedure(export=whole_context))
    played = play_he(broken, tiny, 1)
    assert np.abs(stolen_latent(played.views, 0)[0] - played.latents[0]).max() < 1e-5
    assert played.leakage(StolenKey()) > 0.99
