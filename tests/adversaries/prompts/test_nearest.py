"""Nearest prompt: exact if the encoder is injective, Q(d / 2 sigma) in noise, else nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.prompts.encoder import Encoder, encoded
from latentleak.adversaries.prompts.nearest import NearestPrompt
from latentleak.adversaries.prompts.plausible import PlausibilityRanking, typical
from latentleak.adversaries.prompts.seen import Encoding, encodings
from latentleak.adversaries.prompts.trie import Trie
from latentleak.adversaries.prompts.vocabulary import game_prompts
from latentleak.defenses.he_diffusion.variants import AsReleased, ClientUnet
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.plain import Plain
from latentleak.defenses.ppidm.variants import Partition, RealShares, RingShares
from latentleak.defenses.wire import Party
from latentleak.targets.pipeline import Target

GAMES = 10
LUCKY = int(binom.ppf(1 - 1e-6, GAMES, 1 / 100))
"""Games that a guesser at the prior wins at most, but once in a million."""


@pytest.fixture(scope="module")
def trie(tiny: Target) -> Trie:
    return Trie.of(Encoder.of(tiny), game_prompts())


def test_an_injective_encoder_gives_every_prompt_of_a_vocabulary(trie: Trie) -> None:
    chosen = np.random.default_rng(1).permutation(len(trie.texts))[:40]
    states = trie.encoder.states(trie.ids).astype(np.float64)
    flat = states.reshape(len(states), -1)
    squares = np.square(flat).sum(axis=1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    assert distances.min() > 1e-3, "the encoder must be injective on this vocabulary"
    precision = np.full(states[0].shape, 1e6)
    found = [trie.nearest(states[row], precision, beam=4) for row in chosen]
    assert found == [trie.texts[row] for row in chosen]


def test_a_beam_as_wide_as_the_vocabulary_is_maximum_likelihood(tiny: Target) -> None:
    some = Trie.of(Encoder.of(tiny), game_prompts()[::40])
    rng = np.random.default_rng(2)
    states = some.encoder.states(some.ids).astype(np.float64)
    for row in range(8):
        precision = rng.uniform(0.1, 1, states[0].shape) * (rng.random(states[0].shape) < 0.5)
        seen = Encoding(values=states[row] + rng.standard_normal(states[row].shape),
                        precision=precision)  # fmt: skip
        likeliest = some.texts[int(np.argmax(seen.scores(states)))]
        assert some.nearest(seen.values, precision, beam=len(some.texts)) == likeliest


def test_two_prompts_in_noise_are_confused_with_probability_q(tiny: Target) -> None:
    pair = game_prompts()[0], game_prompts()[500]
    own = encoded(tiny, pair).astype(np.float64)
    distance = float(np.linalg.norm(own[0] - own[1]))
    sigma, draws = distance / 2, 4000
    rng = np.random.default_rng(3)
    confused = 0
    for _ in range(draws):
        values = own[0] + sigma * rng.standard_normal(own[0].shape)
        scores = Encoding(values=values, precision=np.full(values.shape, sigma**-2)).scores(own)
        confused += bool(scores[1] > scores[0])
    expected = norm.sf(distance / (2 * sigma))
    low, high = binom.ppf((5e-7, 1 - 5e-7), draws, expected)
    assert low <= confused <= high


def servers(defense: RealShares, count: int) -> tuple[Party, ...]:
    return defense.servers[len(defense.servers) - count :]


@pytest.mark.parametrize(
    "defense", [Plain(steps=1), AsReleased(steps=1, parameters="lean", method="ddim")]
)
def test_a_prompt_or_its_encoding_in_the_clear_is_named(
    defense: Plain | AsReleased, tiny: Target, play_prompts
) -> None:
    played = play_prompts(defense, tiny, GAMES)
    assert played.named(NearestPrompt()) == GAMES
    assert played.attacked(NearestPrompt()).texts == played.asked
    assert played.swapped.named(NearestPrompt()) <= LUCKY


@pytest.mark.parametrize("kind", [RingShares, RealShares, Partition])
def test_all_servers_together_name_it(kind: type[RealShares], tiny: Target, play_prompts) -> None:
    played = play_prompts(kind(steps=2), tiny, GAMES)
    assert played.named(NearestPrompt()) == GAMES
    assert played.swapped.named(NearestPrompt()) <= LUCKY


def test_uniform_shares_say_nothing(tiny: Target, play_prompts) -> None:
    defense = RingShares(steps=2)
    played = play_prompts(defense, tiny, GAMES, servers(defense, len(defense.servers) - 1))
    assert encodings(played.views, played.aux) == [None] * GAMES
    guesses = played.attacked(NearestPrompt())
    assert not guesses.scores.any()
    assert set(guesses.texts or ()) == {typical()}


def test_where_no_encoding_crosses_the_prior_is_said(tiny: Target, play_prompts) -> None:
    played = play_prompts(ClientUnet(steps=2, parameters="lean", method="ddim"), tiny, 3)
    assert not played.attacked(NearestPrompt()).scores.any()


def test_of_several_prompts_in_the_clear_one_is_said(tiny: Target, play_prompts) -> None:
    played = play_prompts(ObClip(steps=2, k=1), tiny, GAMES)
    for adversary in (NearestPrompt(), PlausibilityRanking()):
        guesses = played.attacked(adversary)
        assert played.right(guesses.texts, "subject", "style") == 2 * GAMES
        assert all(
            text in ObClip().candidates(asked)
            for text, asked in zip(guesses.texts or (), played.asked, strict=True)
        )
    assert played.swapped.right(played.swapped.attacked(NearestPrompt()).texts, "subject") < GAMES


def test_facts_are_needed(tiny: Target, play_prompts) -> None:
    played = play_prompts(Plain(steps=1), tiny, GAMES)
    with pytest.raises(ValueError, match="needs the facts candidates and weights"):
        NearestPrompt().attack(played.views, Auxiliary(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="beam=0 must be >= 1"):
        NearestPrompt(beam=0)
