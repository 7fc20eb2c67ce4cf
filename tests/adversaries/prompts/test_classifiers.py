"""Classifiers of attributes: above chance on what they read, at chance on other games' views."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from latentleak.adversaries.he_views import Model
from latentleak.adversaries.prompts.attention import maps
from latentleak.adversaries.prompts.attributes import (
    AttentionClassifiers,
    AttributeClassifiers,
    EncodingClassifiers,
    LatentClassifiers,
    NoiseClassifiers,
    PictureClassifiers,
)
from latentleak.adversaries.prompts.noise_fit import NoiseFit
from latentleak.adversaries.prompts.plausible import typical
from latentleak.adversaries.prompts.signals import Examples, Signals
from latentleak.adversaries.prompts.stealer import SubjectAndModifiers, people
from latentleak.adversaries.prompts.vocabulary import subjects
from latentleak.adversaries.trace import predictor
from latentleak.defenses.he_diffusion.variants import AsReleased, ClientUnet, FullyHardened
from latentleak.defenses.plain import Plain
from latentleak.targets.pipeline import Target

GAMES = 12
STEPS = 4
EXAMPLES = 48
ATTRIBUTES = ("tone", "style")
Strings = npt.NDArray[np.str_]


def mean_rank(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Mean share of candidates that score above the real one."""
    own = scores[np.arange(len(labels)), labels]
    return float((scores > own[:, None]).mean())


@pytest.mark.parametrize(
    "kind", [EncodingClassifiers, AttentionClassifiers], ids=lambda k: k.signal
)
def test_attributes_are_read_off_the_encoding_and_its_keys(
    kind: type[AttributeClassifiers], embedded: Target, play_prompts
) -> None:
    """Tone and style of 12 games, 1/5 and 1/2 right by chance."""
    played = play_prompts(Plain(steps=STEPS), embedded, GAMES)
    adversary = kind(examples=EXAMPLES)
    own = played.right(played.attacked(adversary).texts, *ATTRIBUTES)
    other = played.swapped.right(played.swapped.attacked(adversary).texts, *ATTRIBUTES)
    assert own > other
    assert own > 10


def test_attributes_are_read_off_noise_latents_and_pictures(embedded: Target, play_prompts) -> None:
    """The same over three signals of one execution: 25 of 72 right by chance."""
    played = play_prompts(Plain(steps=STEPS), embedded, GAMES)
    kinds = (NoiseClassifiers, LatentClassifiers, PictureClassifiers)

    def right(games: Any) -> int:
        told = [games.attacked(kind(examples=EXAMPLES)).texts for kind in kinds]
        return sum(games.right(texts, *ATTRIBUTES) for texts in told)

    assert right(played) > right(played.swapped)


def test_labels_teach_and_permuted_labels_do_not() -> None:
    """With balanced classes, permuting and renaming labels is permuting: as often above as below.

    The number of permutations above chance is binomial (20, 1/2) but for ties, so within 1 to 19
    with probability 1 - 2e-6.
    """
    rng = np.random.default_rng(4)
    tones = np.tile(["light", "dark"], 200)
    features = (tones == "dark")[:, None] + 0.5 * rng.standard_normal((400, 3))
    found = Examples(own=features[:200], games=list(range(200)), seen=features[200:])

    def right(labels: Strings) -> int:
        rows = [{"gender": str(t), "tone": str(t), "style": str(t)} for t in labels]
        told = EncodingClassifiers(examples=200, strength=1.0).chances(found, rows)["tone"]
        return int((np.where(told["dark"] > told["light"], "dark", "light") == tones[200:]).sum())

    assert right(tones[:200]) > binom.ppf(1 - 1e-6, 200, 0.5)
    above = sum(right(rng.permutation(tones[:200])) > 100 for _ in range(20))
    assert 1 <= above <= 19


def test_a_fully_hardened_server_says_the_prior(tiny: Target, play_prompts) -> None:
    played = play_prompts(FullyHardened(steps=2, method="ddim"), tiny, 2)
    for adversary in (NoiseClassifiers(), NoiseFit()):
        guesses = played.attacked(adversary)
        assert set(guesses.texts or ()) == {typical()}
        assert not guesses.scores.any()


def test_attention_maps_are_distributions_over_tokens(tiny: Target, play_prompts) -> None:
    played = play_prompts(AsReleased(steps=2, parameters="lean", method="ddim"), tiny, 2)
    model = Model.open(played.aux, played.views)
    noise = np.random.default_rng(0).standard_normal((2, *model.shape))
    found = maps(model, noise, predictor(model, played.asked).conditioning)
    assert np.allclose(found.sum(axis=2), 1)
    assert np.abs(found[0] - found[1]).max() > 1e-6
    own = Signals(views=played.views, aux=played.aux, rng=np.random.default_rng(0), count=16).read(
        "latent"
    )
    assert own is not None
    assert own.games == [0, 1]


def test_update_terms_in_the_clear_name_the_candidate(embedded: Target, play_prompts) -> None:
    """Of the prompts of all six games, each game's own; on other views, no game's."""
    played = play_prompts(ClientUnet(steps=4, method="ddim", parameters="lean"), embedded, 6)
    asked = tuple(sorted(set(played.asked)))
    few = dataclasses.replace(
        played,
        aux=dataclasses.replace(played.aux, candidates=(asked,) * 6),
        labels=np.array([asked.index(text) for text in played.asked]),
    )
    assert few.named(NoiseFit()) > few.swapped.named(NoiseFit())


def test_subject_and_modifiers_say_a_whole_prompt(embedded: Target, play_prompts) -> None:
    played = play_prompts(Plain(steps=STEPS), embedded, GAMES)
    adversary = SubjectAndModifiers(examples=EXAMPLES)
    guesses = played.attacked(adversary)
    other = played.swapped.attacked(adversary)
    assert played.right(guesses.texts, *ATTRIBUTES) > played.right(other.texts, *ATTRIBUTES)
    rank = mean_rank(guesses.scores, played.labels)
    assert rank < mean_rank(other.scores, played.labels)
    assert {subject.lower() for subject in subjects()} <= {name.lower() for name in people()}


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="examples=8 must be >= 16"):
        EncodingClassifiers(examples=8)
    with pytest.raises(ValueError, match=r"strength=0 must be > 0"):
        NoiseClassifiers(strength=0)
