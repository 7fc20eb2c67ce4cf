"""Linear guesses: exact where all is known, better with every step where masks are finite."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.linear_reading import Dual, LinearReading, pointwise
from latentleak.adversaries.own_executions import executions
from latentleak.adversaries.share_inputs import at_step, read
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.targets.pipeline import Target

FEW = LinearReading(examples=48)


@pytest.mark.parametrize(
    ("share", "preset"),
    [("ring", "all_linear"), ("real", "all_linear"), ("ring", "up_blocks"), ("real", "up_blocks")],
)
def test_all_servers_draw_the_picture(
    embedded: Target, play_shares, share: str, preset: str
) -> None:
    played = play_shares(Ppidm(steps=4, n=2, share=share, preset=preset), embedded, 2, (0, 1))
    assert played.leakage(FEW) > 0.9
    assert played.retrieved(FEW) == 1
    assert played.swapped.leakage(FEW) < 0.05


def test_one_server_of_a_ring_sees_nothing(embedded: Target, play_shares) -> None:
    alone = play_shares(Ppidm(steps=4, n=2), embedded, 2, (1,))
    assert np.array_equal(alone.attacked(FEW).images, alone.model.nothing(2))


def test_more_steps_average_finite_masks_away(embedded: Target, play_shares) -> None:
    config = Ppidm(steps=4, n=2, share="real", magnitude=16.0)
    alone = play_shares(config, embedded, 2, (1,))
    one, all_steps = FEW, dataclasses.replace(FEW, steps=0)
    assert alone.leakage(all_steps) > max(0.2, alone.leakage(one))
    assert alone.swapped.leakage(all_steps) < 0.05


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("servers", [(0, 1), (1,)])
def test_every_preset_and_a_part_of_the_channels(
    tiny: Target, play_shares, preset: str, servers: tuple[int, ...]
) -> None:
    played = play_shares(Ppidm(steps=2, n=2, share="partition", preset=preset), tiny, 3, servers)
    own, swapped = played.farthest(FEW), played.swapped.farthest(FEW)
    assert own.max() < swapped.min()


def test_the_dual_form_is_the_best_linear_guess(tiny: Target, play_shares) -> None:
    """Against the primal form, with the covariance written out."""
    played = play_shares(Ppidm(steps=2, n=2, share="real"), tiny, 3, (1,))
    model, number = played.model, played.model.numbers["conv_in"]
    own = executions(model, played.aux.candidates[0], 20)
    opened = {0: at_step({number: read(model, played.views, number)}, 0)}
    found = Dual.of(model, own, opened)(own.final.double().numpy())

    x = own.inputs["conv_in", 0].double().flatten(1).numpy()
    y = own.final.double().flatten(1).numpy()
    inputs = opened[0][number]
    noise = inputs.variance.mean() + 0.03 * np.square(x).mean()
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    gain = np.linalg.solve(a.T @ a / 20 + noise * np.eye(a.shape[1]), a.T @ b / 20)
    slow = y.mean(axis=0) + (inputs.values.reshape(3, -1) - x.mean(axis=0)) @ gain
    assert np.allclose(found.reshape(3, -1), slow, atol=1e-4)


def test_a_pointwise_map_is_found() -> None:
    rng = np.random.default_rng(0)
    x, matrix = rng.standard_normal((9, 5, 4, 4)), rng.standard_normal((3, 5))
    y = np.einsum("oc,nchw->nohw", matrix, x) + 1
    assert np.allclose(pointwise(x[:6], y[:6], x[6:]), y[6:], atol=1e-3)


def test_executions_are_the_clients(tiny: Target, play_shares) -> None:
    """The same sampler: the last step's clean latent is what comes out."""
    model = play_shares(Ppidm(steps=2, n=2), tiny, 1, (0, 1)).model
    own = executions(model, ["a man", "a woman"], 3)
    conv, h = model.pipe.unet.conv_out, own.inputs["conv_out", 1].float()
    with torch.no_grad():
        empty, full = conv(h[:, 0]), conv(h[:, 1])
    output = empty + model.guidance * (full - empty)
    assert torch.allclose(model.clean(own.latents[1], output, 1), own.final, atol=0.02)


def test_candidates_are_needed(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=1, n=2), tiny, 2, (0, 1))
    aux = Auxiliary(weights=played.aux.weights)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        LinearReading().attack(played.views, aux, np.random.default_rng(0))


@pytest.mark.parametrize(("name", "value"), [("steps", -1), ("examples", 1)])
def test_bad_configurations_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be"):
        LinearReading(**{name: value})
