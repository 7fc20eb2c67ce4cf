"""Update terms in the clear give prompt and picture away; encrypted ones give nothing."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.noise_prediction import NoisePrediction, trace_of
from latentleak.defenses.he_diffusion.protocol import HeDiffusion
from latentleak.defenses.he_diffusion.variants import (
    AsReleased,
    ClientUnet,
    EncryptedTerm,
    FullEncryption,
    FullyHardened,
)
from latentleak.targets.pipeline import Target


@pytest.mark.parametrize(
    "config",
    [
        FullEncryption(steps=8, method="ddim"),
        FullEncryption(steps=12, method="plms"),
        ClientUnet(steps=8, method="ddim", threshold=0.2),
    ],
    ids=["all, ddim", "all, plms", "partly, ddim"],
)
def test_terms_in_the_clear_give_picture_and_prompt(
    embedded: Target, play_he, config: HeDiffusion
) -> None:
    played = play_he(config, embedded, 3)
    guesses = played.attacked(NoisePrediction())
    assert np.array_equal(guesses.scores.argmax(axis=1), played.labels)
    assert played.leakage(NoisePrediction()) > 0.9


def test_other_views_give_nothing(embedded: Target, play_he) -> None:
    """Candidates of another game do not explain the terms, so that no fit is believed."""
    swapped = play_he(FullEncryption(steps=8, method="ddim"), embedded, 3).swapped
    assert swapped.leakage(NoisePrediction()) < 0.05


@pytest.mark.parametrize("kind", [AsReleased, EncryptedTerm, FullyHardened])
def test_without_terms_in_the_clear_it_abstains(
    tiny: Target, play_he, kind: type[HeDiffusion]
) -> None:
    played = play_he(kind(steps=2), tiny, 2)
    assert played.finds_nothing(NoisePrediction())
    assert not played.attacked(NoisePrediction()).scores.any()


def test_plaintext_entries_fix_entries_of_the_initial_latent(tiny: Target, play_he) -> None:
    played = play_he(ClientUnet(steps=6, threshold=0.3), tiny, 1)
    grid = played.model.grid
    trace = trace_of(played.views, 0, grid)
    assert trace is not None
    assert 0.3 < trace.known.mean() <= 1
    final = trace.latent(grid, trace.values, len(grid))
    assert np.abs(final - played.latents)[trace.known].max() < 1e-4
    one = trace.latent(grid, trace.start(grid, trace.latent(grid, trace.values, 3), 3), 3)
    assert np.allclose(one, trace.latent(grid, trace.values, 3))


def test_candidates_are_needed(tiny: Target, play_he) -> None:
    played = play_he(FullEncryption(steps=1), tiny, 1)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        NoisePrediction().attack(
            played.views, Auxiliary(weights=played.aux.weights), np.random.default_rng(0)
        )
