"""All servers draw the client's picture; what fewer draw depends on the mode."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from latentleak.adversaries import share_latent
from latentleak.adversaries.naive_decode import NaiveDecode
from latentleak.adversaries.share_inputs import read
from latentleak.adversaries.share_latent import read_ends
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.ring import RingSharing
from latentleak.defenses.ppidm.sharing import Shared
from latentleak.targets.pipeline import Target

ALL = (0, 1)


@pytest.mark.parametrize("share", ["ring", "real", "partition"])
@pytest.mark.parametrize("preset", PRESETS)
def test_all_servers_draw_the_picture(tiny: Target, play_shares, share: str, preset: str) -> None:
    played = play_shares(Ppidm(steps=2, n=2, share=share, preset=preset), tiny, 3, ALL)
    assert played.farthest(NaiveDecode()).max() <= 1
    assert played.swapped.farthest(NaiveDecode()).min() > 10


@pytest.mark.parametrize("share", ["ring", "real"])
def test_on_the_trained_model(embedded: Target, play_shares, share: str) -> None:
    played = play_shares(Ppidm(steps=4, n=2, share=share), embedded, 2, ALL)
    assert played.leakage(NaiveDecode()) > 0.9
    assert played.retrieved(NaiveDecode()) == 1
    assert played.swapped.leakage(NaiveDecode()) < 0.05
    alone = play_shares(Ppidm(steps=4, n=2, share=share), embedded, 2, (1,))
    assert alone.leakage(NaiveDecode()) < 0.05


def test_ring_inputs_are_opened_bit_for_bit(
    tiny: Target, play_shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared with what the client's session divided, number for number."""
    sent: dict[tuple[int, int], np.ndarray] = {}
    split = RingSharing.split

    def remember(self, x, layers, group, step) -> Shared:
        shared = split(self, x, layers, group, step)
        whole = np.round(x.double().numpy() * 2.0**shared.bits)
        sent[group.number, step] = whole * 2.0**-shared.bits
        return shared

    monkeypatch.setattr(RingSharing, "split", remember)
    played = play_shares(Ppidm(steps=2, n=3, modulus_bits=50), tiny, 1, (0, 1, 2))
    assert len(sent) > 100
    for number in (*played.model.ends, played.model.text[0]):
        for step, inputs in read(played.model, played.views, number).items():
            assert np.array_equal(inputs.values[0], sent[number, step])


@pytest.mark.parametrize("unit", [2.0**-3, 1.0, 2.0])
def test_the_skip_connection_gives_the_latents_unit_away(
    tiny: Target, play_shares, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    played = play_shares(Ppidm(steps=2, n=2), tiny, 2, (0, 1))
    model, number = played.model, played.model.numbers["conv_in"]
    right = read_ends(model, played.views)[number][1]

    def wrong(model, views, asked, session=0):
        opened = read(model, views, asked, session)
        if asked != number:
            return opened
        return {s: dataclasses.replace(x, values=x.values * unit) for s, x in opened.items()}

    monkeypatch.setattr(share_latent, "read", wrong)
    assert np.array_equal(read_ends(model, played.views)[number][1].values, right.values)


def test_without_messages_it_shows_the_prior(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=1, n=2), tiny, 2, ())
    images = played.attacked(NaiveDecode()).images
    assert np.array_equal(images, played.model.nothing(2))


def test_steps_are_counted_from_the_end() -> None:
    with pytest.raises(ValueError, match="step=0 must be < 0"):
        NaiveDecode(step=0)
