"""The U-Net's server draws the picture; without whole latents it has nothing."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.he_views import condition_of, steps_of
from latentleak.adversaries.latent_reading import LatentReading, finish
from latentleak.defenses.he_diffusion.protocol import HeDiffusion
from latentleak.defenses.he_diffusion.variants import VARIANTS, AsReleased
from latentleak.targets.pipeline import Target


@pytest.mark.parametrize("method", ["plms", "ddim"])
def test_the_released_roles_show_the_picture(tiny: Target, play_he, method: str) -> None:
    played = play_he(AsReleased(steps=4, method=method, parameters="lean"), tiny, 3)
    guesses = played.attacked(LatentReading())
    true = played.model.pictures(played.latents).astype(int)
    assert np.abs(guesses.images - true).max() <= 1
    assert guesses.scores.shape == (3, 0)
    assert guesses.notes == {"games read": 3}


@pytest.mark.parametrize("seen", [1, 2])
def test_steps_that_are_left_are_run(tiny: Target, play_he, seen: int) -> None:
    played = play_he(AsReleased(steps=4, parameters="lean"), tiny, 1)
    steps = steps_of(played.views, 0)[:seen]
    latents = np.stack([step.asked["latent"] for step in steps])
    conditioning = condition_of(played.views, [0])
    assert conditioning is not None
    final = finish(played.model, conditioning, latents)
    assert np.abs(final - played.latents).max() < 1e-3


def test_flooding_does_not_hide_it(tiny: Target, play_he) -> None:
    config = AsReleased(steps=3, parameters="lean", flooding_bits=30.0, fresh_keys=True)
    assert play_he(config, tiny, 2).leakage(LatentReading()) > 0.99


@pytest.mark.parametrize("kind", VARIANTS[1:])
def test_without_whole_latents_it_finds_nothing(
    tiny: Target, play_he, kind: type[HeDiffusion]
) -> None:
    assert play_he(kind(steps=2), tiny, 2).finds_nothing(LatentReading())


def test_the_picture_is_that_of_the_view(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(steps=2, parameters="lean"), tiny, 3)
    own, other = played.attacked(LatentReading()), played.swapped.attacked(LatentReading())
    assert np.array_equal(other.images, np.roll(own.images, 1, axis=0))


def test_weights_are_needed(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(steps=1), tiny, 1)
    with pytest.raises(ValueError, match="need the fact weights"):
        LatentReading().attack(played.views, Auxiliary(), np.random.default_rng(0))
