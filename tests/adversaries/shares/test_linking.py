"""Two executions of one prompt are told from two of different ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.linking import Linking, log_odds
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.views import Views
from latentleak.targets.pipeline import Target


def crossed(played, path):
    """The same games, the second execution of each taken from the next game."""
    games = len(played.views)
    views = [
        [_view(played.views, game, 0), _view(played.views, (game + 1) % games, 1)]
        for game in range(games)
    ]
    return dataclasses.replace(played, views=Views.of(views, path))


def _view(views: Views, game: int, session: int):
    from latentleak.defenses.transcript import View

    seen = views.view(game, session)
    return View(
        coalition=frozenset(seen.coins),
        messages=views.messages(game, session),
        coins=seen.coins,
        public=seen.public,
    )


@pytest.mark.parametrize(
    ("share", "preset", "servers"),
    [
        ("ring", "all_linear", (0, 1)),
        ("real", "all_linear", (0, 1)),
        ("partition", "all_linear", (1,)),
        ("partition", "up_blocks", (0, 1)),
    ],
)
def test_one_prompt_is_told_from_two(
    tiny: Target, play_shares, tmp_path, share: str, preset: str, servers: tuple[int, ...]
) -> None:
    config = Ppidm(steps=2, n=2, share=share, preset=preset, precision="fp32")
    played = play_shares(config, tiny, 3, servers, sessions=2)
    same = played.attacked(Linking()).scores
    other = crossed(played, tmp_path / "views").attacked(Linking()).scores
    assert same.shape == (3, 1)
    assert same.min() > other.max()


def test_one_server_of_a_ring_links_nothing(tiny: Target, play_shares) -> None:
    alone = play_shares(Ppidm(steps=2, n=2), tiny, 3, (1,), sessions=2)
    assert np.allclose(alone.attacked(Linking()).scores, 0)


def test_odds_are_those_of_two_posteriors() -> None:
    """Written out for three candidates, and for a game with two."""
    first = np.log(np.array([[0.5, 0.3, 0.2], [0.9, 0.1, np.nan]]))
    second = np.log(np.array([[0.1, 0.8, 0.1], [0.5, 0.5, np.nan]])) + 7
    expected = np.log([3 * (0.05 + 0.24 + 0.02), 2 * 0.5])
    assert np.allclose(log_odds(first, second), expected)


def test_candidates_are_needed(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=2), tiny, 3, (1,), sessions=2)
    aux = Auxiliary(weights=played.aux.weights)
    with pytest.raises(ValueError, match="needs the fact candidates"):
        Linking().attack(played.views, aux, np.random.default_rng(0))
