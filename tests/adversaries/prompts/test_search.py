"""Corrector and soft tokens: words come back from an encoding, and not from another game's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentleak.adversaries.prompts.corrector import Corrector, as_noisy
from latentleak.adversaries.prompts.encoder import Encoder, vocabulary_tokens
from latentleak.adversaries.prompts.pez import EncodingTokens, PictureTokens, distance, unlike
from latentleak.adversaries.prompts.plausible import typical
from latentleak.adversaries.prompts.seen import Encoding
from latentleak.adversaries.prompts.vocabulary import every_prompt, token_f1
from latentleak.defenses.he_diffusion.variants import AsReleased
from latentleak.defenses.plain import Plain
from latentleak.defenses.ppidm.variants import RingShares
from latentleak.targets.clip import Clip
from latentleak.targets.emoji import Emoji
from latentleak.targets.pipeline import Target

GAMES = 10
RELEASED = AsReleased(steps=1, parameters="lean", method="ddim")
SEARCHES = [Corrector(examples=150, rounds=1), EncodingTokens(steps=30)]


@pytest.fixture(scope="module")
def encoder(tiny: Target) -> Encoder:
    return Encoder.of(tiny)


def test_the_corrector_finds_words_and_not_in_anothers_view(tiny: Target, play_prompts) -> None:
    played, search = play_prompts(RELEASED, tiny, GAMES), SEARCHES[0]
    own, other = (each.attacked(search).texts for each in (played, played.swapped))
    assert played.f1(own) > played.f1(other) + 0.05


def test_soft_tokens_find_words_and_not_in_anothers_view(embedded: Target, play_prompts) -> None:
    played = play_prompts(Plain(steps=4), embedded, 12).first(6)
    own, other = (
        each.attacked(EncodingTokens(steps=40)).texts for each in (played, played.swapped)
    )
    assert played.f1(own) > played.f1(other) + 0.03


@pytest.mark.parametrize("search", SEARCHES, ids=lambda s: type(s).__name__)
def test_where_no_encoding_crosses_the_prior_is_said(
    search: Corrector | EncodingTokens, tiny: Target, play_prompts
) -> None:
    defense = RingShares(steps=2)
    played = play_prompts(defense, tiny, 3, defense.servers[1:])
    guesses = played.attacked(search)
    assert set(guesses.texts or ()) == {typical()}
    assert not guesses.scores.any()


def test_corrections_bring_the_hypothesis_nearer(encoder: Encoder) -> None:
    texts = every_prompt()[::1500]
    states = encoder.states(encoder.ids(texts)).astype(np.float64)
    seen = [Encoding(values=s, precision=np.ones(s.shape)) for s in states]

    def misfit(rounds: int) -> float:
        search = Corrector(examples=150, rounds=rounds)
        said = search.said(encoder, seen, np.random.default_rng(0))
        own = encoder.states(encoder.ids(said))[:, : search.tokens]
        return float(np.square(own - states[:, : search.tokens]).mean())

    assert misfit(2) < misfit(0)


def test_examples_are_as_noisy_and_as_patchy_as_what_was_seen() -> None:
    precision = np.full((3, 4), 0.25)
    precision[:, 1] = 0
    seen = Encoding(values=np.zeros((3, 4)), precision=precision)
    noisy = as_noisy(np.ones((2000, 3, 4)), seen, np.random.default_rng(0))
    assert not noisy[..., 1].any()
    # Chi-square of 18,000 values: 8 standard deviations.
    assert noisy[..., 0].var() == pytest.approx(4, rel=8 * np.sqrt(2 / 6000))


def test_the_projection_is_what_gradients_are_taken_at(encoder: Encoder) -> None:
    """The best text's own loss is the least one: soft vectors are never what is said."""
    texts = every_prompt()[5:7]
    states = encoder.states(encoder.ids(texts)).astype(np.float64)
    seen = [Encoding(values=s, precision=np.ones(s.shape)) for s in states]
    search = EncodingTokens(tokens=6, steps=8)
    loss = distance(seen, 8)
    losses: list[torch.Tensor] = []

    def watched(hidden: torch.Tensor) -> torch.Tensor:
        losses.append(loss(hidden))
        return losses[-1]

    said = search.search(encoder, watched, 2, np.random.default_rng(0))
    assert len(losses) == 8
    tokens = vocabulary_tokens(encoder)
    for text in said:
        ids = encoder.tokenizer(text, add_special_tokens=False).input_ids
        assert set(ids) <= set(tokens.tolist())


def test_soft_states_of_real_tokens_are_the_encoders_own(encoder: Encoder) -> None:
    ids = encoder.ids(every_prompt()[:3])
    soft = encoder.soft_states(encoder.table[torch.from_numpy(ids)])
    assert np.allclose(soft.detach().numpy(), encoder.states(ids), atol=1e-5)
    assert np.allclose(encoder.states(ids[:, :4]), encoder.states(ids)[:, :4], atol=1e-5)


def test_soft_tokens_come_near_a_picture() -> None:
    """Each text lies nearer to its own picture than any text to another's."""
    emoji = Emoji.open()
    rows = np.flatnonzero(emoji.person & emoji.member)[[0, 700, 1400]]
    pictures, clip = emoji.images[rows], Clip.open()
    encoder = Encoder(tokenizer=clip.tokenizer, model=clip.text_encoder)
    search = PictureTokens(tokens=6, steps=12)
    said = search.search(encoder, unlike(pictures, clip), 3, np.random.default_rng(0))
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    cosines = clip.score(pixels, said).numpy()
    others = cosines[~np.eye(3, dtype=np.bool_)]
    assert np.diagonal(cosines).min() > others.max()


@pytest.mark.parametrize(
    ("values", "message"),
    [({"steps": 0}, "steps=0 must be >= 1"), ({"rate": 0.0}, "rate=0.0 must be > 0")],
)
def test_settings_are_checked(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncodingTokens(**values)  # type: ignore[arg-type]


def test_encodings_need_the_model(tiny: Target, play_prompts) -> None:
    played = play_prompts(Plain(steps=1), tiny, GAMES)
    aux = type(played.aux)(candidates=played.aux.candidates)
    with pytest.raises(ValueError, match="Corrector needs the facts"):
        Corrector().attack(played.views, aux, np.random.default_rng(0))
    assert token_f1("", "a prompt") == 0
