"""The prompt from what crosses: its encoding where that leaves, its mark on other inputs."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.prompt_fit import PromptFit
from latentleak.adversaries.text_reading import TextReading
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.targets.pipeline import Target

SHARES = ("ring", "real", "partition")


@pytest.mark.parametrize("share", SHARES)
def test_all_servers_read_the_text(tiny: Target, play_shares, share: str) -> None:
    played = play_shares(Ppidm(steps=2, n=2, share=share), tiny, 3, (0, 1))
    assert played.named(TextReading()) == 1
    assert played.swapped.named(TextReading()) == 0


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("preset", PRESETS)
def test_all_servers_tell_the_prompt_by_its_mark(
    tiny: Target, play_shares, share: str, preset: str
) -> None:
    """The tiny model hardly listens to prompts: 100 candidates are tried where inputs are exact."""
    config = Ppidm(steps=2, n=2, share=share, preset=preset)
    played = play_shares(config, tiny, 3, (0, 1))
    assert played.named(PromptFit(likeliest=100)) == 1
    assert played.swapped.named(PromptFit(likeliest=100)) == 0


def test_finite_masks_do_not_hide_the_text_from_one_server(embedded: Target, play_shares) -> None:
    """Masks of 16 times the input; both games by chance with probability 1e-4."""
    alone = play_shares(Ppidm(steps=4, n=2, share="real"), embedded, 2, (1,))
    assert alone.named(TextReading()) == 1
    assert alone.swapped.named(TextReading()) == 0


def test_a_mark_is_told_without_a_run_for_each_candidate(embedded: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=4, n=2, share="real"), embedded, 2, (0, 1))
    assert played.named(PromptFit(likeliest=0)) == 1
    assert played.swapped.named(PromptFit(likeliest=0)) == 0


@pytest.mark.parametrize("adversary", [TextReading(), PromptFit()])
@pytest.mark.parametrize("server", [0, 1])
def test_one_server_of_a_ring_cannot_choose(
    tiny: Target, play_shares, adversary: TextReading | PromptFit, server: int
) -> None:
    alone = play_shares(Ppidm(steps=2, n=2), tiny, 3, (server,))
    assert not alone.attacked(adversary).scores.any()


def test_masks_without_the_rest_say_nothing(tiny: Target, play_shares) -> None:
    alone = play_shares(Ppidm(steps=2, n=2, share="real"), tiny, 3, (0,))
    assert not alone.attacked(TextReading()).scores.any()
    assert not alone.attacked(PromptFit()).scores.any()


def test_no_text_leaves_under_other_presets(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=2, preset="up_blocks"), tiny, 3, (0, 1))
    assert not played.attacked(TextReading()).scores.any()


@pytest.mark.parametrize("adversary", [TextReading(), PromptFit()])
def test_candidates_are_needed(
    tiny: Target, play_shares, adversary: TextReading | PromptFit
) -> None:
    played = play_shares(Ppidm(steps=2, n=2), tiny, 3, (0, 1))
    aux = Auxiliary(weights=played.aux.weights)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        adversary.attack(played.views, aux, np.random.default_rng(0))


@pytest.mark.parametrize(("name", "value"), [("points", 1), ("likeliest", -1)])
def test_bad_configurations_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be"):
        PromptFit(**{name: value})
