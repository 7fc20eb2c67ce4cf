"""The shipped detector, and what it does to prompts."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from latentleak.defenses.obclip import candidates
from latentleak.defenses.obclip.detector import (
    BUCKETS,
    FILE,
    KINDS,
    PRIORS,
    Kind,
    buckets_of,
    detect,
    load,
    pack,
    unpack,
)
from latentleak.defenses.obclip.lexicon import DEFAULT_SPACE
from latentleak.defenses.obclip.reading import read
from latentleak.targets.emoji import Emoji


def test_the_file_is_small_and_its_arrays_fit() -> None:
    model = load()
    assert FILE.stat().st_size < 1_000_000
    assert model.priors.shape == (len(model.words), len(KINDS) // 2)
    assert model.weights.shape == (PRIORS + BUCKETS, len(KINDS))
    assert np.all(np.diff(model.words.astype(np.int64)) > 0)


def test_a_known_word_and_an_unknown_one() -> None:
    model = load()
    known = model.prior("garden")
    at = int(np.searchsorted(model.words, zlib.crc32(b"garden")))
    np.testing.assert_array_equal(known[:-1], unpack(model.priors[at]))
    assert model.prior("qqzzx")[-1] == 1
    assert known[:-1].argmax() == KINDS.index(Kind.OTHER)


def test_log_probabilities_are_kept_to_half_a_step() -> None:
    values = np.log(np.random.default_rng(0).dirichlet(np.ones(6) / 3, size=50))
    kept = np.stack([unpack(row) for row in pack(values)])
    np.testing.assert_allclose(kept, np.maximum(values, -7.5), atol=0.25 + 1e-6)


def test_probabilities_are_those_of_the_plain_sum() -> None:
    model = load()
    context = ("<a>", "photo", "of", "jane", "smiling")
    buckets, prior = buckets_of(context, 3), model.prior("jane")
    row = np.zeros(PRIORS + BUCKETS)
    row[:PRIORS] = prior
    for bucket in buckets:
        row[PRIORS + bucket] += 1
    logits = row @ model.weights.astype(np.float64) + model.bias
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(model.probabilities(prior, buckets), expected, rtol=1e-4, atol=1e-6)
    assert detect(context, 3) is Kind.NAME


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("portrait of zelda in a garden", "zelda"),
        ("a moldovan nurse with a hat", "moldovan"),
        ("a dowager in a red coat", "dowager"),
        ("a photo of mahmoud and a dog", "mahmoud"),
        ("an albanian farmer in the rain", "albanian"),
    ],
)
def test_words_that_no_list_holds_are_refused(prompt: str, word: str) -> None:
    space = DEFAULT_SPACE
    assert word not in {*space.entries, *space.marks, *space.origins}
    with pytest.raises(ValueError, match=f"'{word}' shows"):
        candidates(prompt)


def test_it_says_the_same_for_every_candidate() -> None:
    found = candidates("a courier and his zorkmid by an old snooker table, with a friend's dog")
    kinds = {tuple(read(text, DEFAULT_SPACE).kinds.values()) for text in found}
    assert len(kinds) == 1


def test_it_is_not_asked_where_nothing_it_finds_is_hidden() -> None:
    assert (
        candidates("portrait of zelda, an old woman", ["age"])[2]
        == "portrait of zelda, an old woman"
    )


def test_few_captions_of_the_embedded_set_are_refused_by_it() -> None:
    refused = 0
    subjects = Emoji.open().subjects
    for subject in subjects:
        reading = read(f"woman {subject}: dark skin tone".lower(), DEFAULT_SPACE)
        refused += any(kind not in (Kind.OTHER, Kind.PERSON) for kind in reading.kinds.values())
    assert refused == 0
