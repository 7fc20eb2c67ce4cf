"""An embedding in the clear is the prompt; without one all candidates score alike."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.conditioning import NearestConditioning
from latentleak.adversaries.contract import Auxiliary
from latentleak.defenses.he_diffusion.protocol import HeDiffusion
from latentleak.defenses.he_diffusion.variants import VARIANTS, AsReleased
from latentleak.targets.pipeline import Target


def test_the_embedding_names_the_prompt(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(steps=1, parameters="lean"), tiny, 5, candidates=30)
    scores = played.attacked(NearestConditioning()).scores
    assert np.array_equal(scores.argmax(axis=1), played.labels)
    assert np.allclose(scores.max(axis=1), 0, atol=1e-6)
    assert (np.sort(scores, axis=1)[:, -2] < -1e-4).all()


def test_another_view_names_none_of_them(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(steps=1, parameters="lean"), tiny, 5, candidates=4).swapped
    assert (played.attacked(NearestConditioning()).scores < -1e-4).all()


@pytest.mark.parametrize("kind", VARIANTS[1:])
def test_without_an_embedding_it_abstains(tiny: Target, play_he, kind: type[HeDiffusion]) -> None:
    assert not play_he(kind(steps=1), tiny, 2).attacked(NearestConditioning()).scores.any()


def test_candidates_are_needed(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(steps=1), tiny, 1)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        NearestConditioning().attack(
            played.views, Auxiliary(weights=played.aux.weights), np.random.default_rng(0)
        )
