"""The model as prior: exact where a part of the channels gives all, close under finite masks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from latentleak.adversaries import model_inversion
from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.linear_reading import LinearReading
from latentleak.adversaries.model_inversion import ModelInversion, Problem
from latentleak.adversaries.own_views import informative
from latentleak.adversaries.share_inputs import at_step, read
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target

FEW = ModelInversion(examples=48)


@pytest.mark.parametrize("share", ["ring", "real", "partition"])
def test_all_servers_draw_the_picture(embedded: Target, play_shares, share: str) -> None:
    played = play_shares(Ppidm(steps=4, n=2, share=share), embedded, 2, (0, 1))
    assert played.leakage(FEW) > 0.9
    assert played.retrieved(FEW) == 1
    assert played.swapped.leakage(FEW) < 0.05


@pytest.mark.parametrize("preset", PRESETS)
def test_half_of_the_channels_are_enough(tiny: Target, play_shares, preset: str) -> None:
    """The last server's block of the last shortcut's input holds the latent over a skip."""
    config = Ppidm(steps=2, n=2, share="partition", preset=preset)
    played = play_shares(config, tiny, 3, (1,))
    adversary = dataclasses.replace(FEW, rounds=0)
    own, swapped = played.farthest(adversary), played.swapped.farthest(adversary)
    assert own.max() < swapped.min()


def test_finite_masks_leak_more_than_a_linear_guess_finds(embedded: Target, play_shares) -> None:
    alone = play_shares(Ppidm(steps=4, n=2, share="real"), embedded, 2, (1,))
    assert alone.leakage(FEW) > max(0.4, alone.leakage(LinearReading(examples=48)))
    assert alone.swapped.leakage(FEW) < 0.05


def test_descent_lowers_the_objective(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=2, share="real", magnitude=1.0), tiny, 2, (1,))
    model = played.model
    opened = {number: read(model, played.views, number) for number in model.ends}
    seen = informative({step: at_step(opened, step) for step in (0, 1)})
    asked = [played.aux.candidates[0][label] for label in played.labels]
    problem = Problem.of(model, seen, asked, slice(0, 2))
    start = sampling.initial_noise(model.pipe, 2, torch.Generator().manual_seed(0))
    found = problem.descended(start, 6, 0.1)
    with torch.no_grad():
        before, after = (problem._run(x, 2)[1].sum() + x.square().sum() for x in (start, found))
    assert after < before


def test_games_are_alike_however_many_descend_together(
    tiny: Target, play_shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_shares(Ppidm(steps=2, n=2, share="real", magnitude=1.0), tiny, 3, (1,))
    together = FEW.attack(played.views, played.aux, np.random.default_rng(0)).images
    monkeypatch.setattr(model_inversion, "PASSES", 1)
    alone = FEW.attack(played.views, played.aux, np.random.default_rng(1)).images
    assert np.abs(together.astype(int) - alone).max() <= 1  # sums in another order
    assert np.abs(together.astype(int) - together[[1, 2, 0]]).max() > 16


def test_one_server_of_a_ring_sees_nothing(tiny: Target, play_shares) -> None:
    alone = play_shares(Ppidm(steps=2, n=2), tiny, 3, (1,))
    assert np.array_equal(alone.attacked(FEW).images, alone.model.nothing(3))


def test_candidates_are_needed(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=2), tiny, 3, (0, 1))
    aux = Auxiliary(weights=played.aux.weights)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        FEW.attack(played.views, aux, np.random.default_rng(0))


@pytest.mark.parametrize(("name", "value"), [("rounds", -1), ("rate", 0.0), ("examples", 1)])
def test_bad_configurations_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value:g} must be"):
        ModelInversion(**{name: value})
