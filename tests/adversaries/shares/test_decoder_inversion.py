"""A trained decoder draws what all servers see, and no more than a linear guess from noise."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.decoder_inversion import DecoderInversion, Net, learned
from latentleak.adversaries.digested import Digested
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.targets.pipeline import Target

FEW = DecoderInversion(examples=48, rounds=10)


@pytest.mark.parametrize(
    ("share", "preset"), [("ring", "all_linear"), ("real", "all_linear"), ("ring", "up_blocks")]
)
def test_all_servers_draw_the_picture(
    embedded: Target, play_shares, share: str, preset: str
) -> None:
    played = play_shares(Ppidm(steps=4, n=2, share=share, preset=preset), embedded, 2, (0, 1))
    assert played.leakage(FEW) > 0.9
    assert played.retrieved(FEW) == 1
    assert played.swapped.leakage(FEW) < 0.05


def test_a_part_of_the_channels(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=2, share="partition"), tiny, 3, (1,))
    assert played.farthest(FEW).max() < played.swapped.farthest(FEW).min()


def test_one_server_of_a_ring_sees_nothing(tiny: Target, play_shares) -> None:
    alone = play_shares(Ppidm(steps=2, n=2), tiny, 3, (1,))
    assert np.array_equal(alone.attacked(FEW).images, alone.model.nothing(3))


def test_a_net_learns_what_no_linear_map_can() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((96, 2, 4, 4))
    y = np.abs(x[:, :1]) - np.abs(x[:, :1]).mean()
    net = Net.untrained(x, y)
    assert not net(x).any()
    net.train(x[:64], y[:64], rounds=100, rate=0.01)
    assert np.square(net(x[64:]) - y[64:]).mean() < 0.2 * np.square(y).mean()


def test_noise_teaches_nothing() -> None:
    """What it says of examples that it was not trained on decides how far it is trusted."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 3, 4, 4)), rng.standard_normal((64, 2, 4, 4))
    net = learned(Digested(value=(x, y), digest="noise"), 30, FEW.rate)
    assert np.square(net(rng.standard_normal((64, 3, 4, 4)))).mean() < 0.1


def test_candidates_are_needed(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=2), tiny, 3, (1,))
    aux = Auxiliary(weights=played.aux.weights)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        FEW.attack(played.views, aux, np.random.default_rng(0))


@pytest.mark.parametrize(("name", "value"), [("examples", 1), ("rounds", 0), ("rate", 0.0)])
def test_bad_configurations_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value:g} must be"):
        DecoderInversion(**{name: value})
