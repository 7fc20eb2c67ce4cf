"""The training of the detector, on word vectors made up for the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentleak.defenses.obclip import training
from latentleak.defenses.obclip.detector import FILE, KINDS, Floats, Kind, buckets_of, load
from latentleak.targets.rebuild import glove


def test_every_word_has_one_label_and_the_lists_keep_their_kind() -> None:
    kinds = training.labelled()
    words = [word for members in kinds.values() for word in members]
    assert len(words) == len(set(words))
    assert tuple(kinds) == KINDS
    assert "queen" in kinds[Kind.GENDER]
    assert "japanese" in kinds[Kind.ORIGIN]
    assert "house" in kinds[Kind.OTHER]


def test_sentences_repeat_and_hold_their_word() -> None:
    kinds = training.labelled()
    examples = list(training.sentences(60, kinds, seed=1))
    assert examples == list(training.sentences(60, kinds, seed=1))
    assert examples != list(training.sentences(60, kinds, seed=2))
    for example in examples:
        word = example.context[example.place]
        assert not word.startswith(("{", "<"))
        assert word in kinds[example.kind]


def test_it_learns_kinds_that_vectors_tell_apart_and_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = training.labelled()
    known = [(word, k) for k, members in enumerate(kinds.values()) for word in members]
    vectors = np.random.default_rng(0).normal(0, 0.1, (len(known), 50)).astype(np.float32)
    vectors[np.arange(len(known)), [k for _, k in known]] += 1

    def read(cache: Path, count: int) -> tuple[list[str], Floats]:
        return [word for word, _ in known], vectors

    monkeypatch.setattr(glove, "read", read)
    monkeypatch.setattr(training, "SENTENCES", 600)
    files = [training.write(training.train(tmp_path), tmp_path / name) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    model = load(files[0])
    for word, kind in (("priya", Kind.NAME), ("house", Kind.OTHER), ("peruvian", Kind.ORIGIN)):
        context = ("a", "photo", "of", word, "here")
        probabilities = model.probabilities(model.prior(word), buckets_of(context, 3))
        assert model.decide(probabilities) is kind


def test_the_shipped_threshold_is_that_of_the_script() -> None:
    assert float(load(FILE).thresholds[1]) == training.PERSON_FROM
    assert 0.5 <= float(load(FILE).thresholds[0]) < 1
