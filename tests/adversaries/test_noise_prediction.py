"""Update terms in the clear give prompt and picture away; encrypted ones give nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.noise_prediction import NoisePrediction, surprise
from latentleak.adversaries.trace import traces_of
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
        FullEncryption(steps=6, method="ddim"),
        FullEncryption(steps=20, method="plms"),
        ClientUnet(steps=8, method="ddim", threshold=0.2),
    ],
    ids=["all, ddim", "all, plms", "partly, ddim"],
)
def test_terms_in_the_clear_give_picture_and_prompt(
    embedded: Target, play_he, config: HeDiffusion
) -> None:
    played = play_he(config, embedded, 2)
    guesses = played.attacked(NoisePrediction())
    assert np.array_equal(guesses.scores.argmax(axis=1), played.labels)
    assert guesses.notes == {"games with terms in the clear": 2, "games fitted": 2}
    assert played.leakage_of(guesses.images) > 0.99


def test_a_candidate_is_ranked_without_a_call_of_its_own(embedded: Target, play_he) -> None:
    """By chance, 1 in 20, six or more of eight come first with probability 4e-7."""
    played = play_he(FullEncryption(steps=4, method="ddim"), embedded, 8, candidates=20)
    _, trace = traces_of(played.views, played.model.grid)
    assert trace is not None
    unlikely = surprise(played.model, trace, played.aux.candidates, points=2)
    assert (unlikely.argmin(axis=1) == played.labels).sum() >= 6


def test_games_with_fewer_candidates_keep_their_gaps(embedded: Target, play_he) -> None:
    played = play_he(FullEncryption(steps=4, method="ddim"), embedded, 2)
    short = (played.aux.candidates[0], played.aux.candidates[1][:2])
    aux = dataclasses.replace(played.aux, candidates=short)
    adversary = NoisePrediction(points=1, likeliest=1, rounds=2)
    scores = adversary.attack(played.views, aux, np.random.default_rng(0)).scores
    assert np.array_equal(np.isnan(scores), [[False] * 4, [False, False, True, True]])


def test_other_views_give_nothing(embedded: Target, play_he) -> None:
    """Candidates of another game do not explain the terms, so that no fit is believed."""
    swapped = play_he(FullEncryption(steps=6, method="ddim"), embedded, 2).swapped
    assert swapped.leakage(NoisePrediction(likeliest=1)) < 0.05


@pytest.mark.parametrize("kind", [AsReleased, EncryptedTerm, FullyHardened])
def test_without_terms_in_the_clear_it_abstains(
    tiny: Target, play_he, kind: type[HeDiffusion]
) -> None:
    played = play_he(kind(steps=2), tiny, 2)
    assert played.finds_nothing(NoisePrediction())
    assert not played.attacked(NoisePrediction()).scores.any()


def test_candidates_are_needed(tiny: Target, play_he) -> None:
    played = play_he(FullEncryption(steps=1), tiny, 1)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        NoisePrediction().attack(
            played.views, Auxiliary(weights=played.aux.weights), np.random.default_rng(0)
        )


@pytest.mark.parametrize("name", ["points", "likeliest", "rounds"])
def test_bad_configurations_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0 must be >= 1"):
        NoisePrediction(**{name: 0})
