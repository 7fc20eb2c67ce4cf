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


def test_another_view_names_another_prompt(tiny: Target, play_he) -> None:
    """A candidate fits only where it happens to be the prompt of the other execution."""
    played = play_he(AsReleased(steps=1, parameters="lean"), tiny, 5, candidates=4)
    real = [row[i] for row, i in zip(played.aux.candidates, played.labels, strict=True)]
    sent = np.roll(real, 1)
    scores = played.swapped.attacked(NearestConditioning()).scores
    fits = np.array(
        [[c == p for c in row] for row, p in zip(played.aux.candidates, sent, strict=True)]
    )
    assert np.array_equal(scores > -1e-4, fits)
    assert fits.sum() < len(fits)


@pytest.mark.parametrize("kind", VARIANTS[1:])
def test_without_an_embedding_it_abstains(tiny: Target, play_he, kind: type[HeDiffusion]) -> None:
    assert not play_he(kind(steps=1), tiny, 2).attacked(NearestConditioning()).scores.any()


def test_candidates_are_needed(tiny: Target, play_he) -> None:
    played = play_he(AsReleased(steps=1), tiny, 1)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        NearestConditioning().attack(
            played.views, Auxiliary(weights=played.aux.weights), np.random.default_rng(0)
        )
