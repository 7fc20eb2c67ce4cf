"""Portraits: counts, one law, disjoint splits, captions in words that were trained."""

import re
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from latentleak.targets import Emoji, TargetError, avatars, load
from latentleak.targets.avatars import (
    ATTRIBUTES,
    MODELS,
    PRIVATE,
    SHADOWS,
    SPLITS,
    WHOLE,
    Avatars,
    trained_on,
)
from latentleak.targets.pipeline import EMBEDDED
from latentleak.targets.rebuild import avatars as rebuild


@pytest.fixture(scope="module")
def sets() -> Mapping[str, Avatars]:
    return {split: Avatars.open(split) for split in SPLITS}


@pytest.mark.parametrize("split", list(SPLITS))
def test_sheets_hold_the_stated_pictures(split: str) -> None:
    data = Avatars.open(split)
    assert data.images.shape == (SPLITS[split], 64, 64, 3)
    assert len(data) == len(data.captions) == SPLITS[split]
    assert (data.images[:, 0, 0] > 250).all()
    assert len({image.tobytes() for image in data.images}) == len(data)


def test_small_and_licensed() -> None:
    assert sum(path.stat().st_size for path in avatars.FOLDER.iterdir()) < 12e6
    text = (EMBEDDED / "LICENSES.md").read_text(encoding="utf-8")
    assert "`python-avatars` 1.4.1" in text


def test_the_table_is_what_the_seed_gives(sets: Mapping[str, Avatars]) -> None:
    for split, rows in rebuild.splits(rebuild.SEED):
        shipped = zip(*(sets[split].attributes[name] for name in ATTRIBUTES), strict=True)
        assert [tuple(map(str, row)) for row in shipped] == rows


def test_any_two_pictures_differ_in_several_attributes(sets: Mapping[str, Avatars]) -> None:
    codes = np.concatenate([data.codes for data in sets.values()]).astype(np.int8)
    same = np.zeros((len(codes), len(codes)), np.int8)
    for column in codes.T:
        same += column[:, None] == column
    np.fill_diagonal(same, 0)
    assert same.max() == len(ATTRIBUTES) - rebuild.APART


def test_shipped_pictures_are_those_of_their_attributes(sets: Mapping[str, Avatars]) -> None:
    for data in sets.values():
        row = tuple(str(data.attributes[name][7]) for name in ATTRIBUTES)
        drawn = np.frombuffer(rebuild.picture(row), np.uint8).reshape(64, 64, 3)
        assert np.abs(drawn - data.images[7].astype(float)).mean() < 6


def test_members_and_non_members_follow_one_law(sets: Mapping[str, Avatars]) -> None:
    # Permuted within one population: each test has level 1e-6 / 14.
    for name in ATTRIBUTES:
        both = [sets[split].attributes[name] for split in ("member", "non-member")]
        table = [[(column == value).sum() for value in np.unique(both[0])] for column in both]
        assert chi2_contingency(table).pvalue > 1e-6 / len(ATTRIBUTES)


def test_captions_are_of_trained_words_and_short(sets: Mapping[str, Avatars]) -> None:
    emoji = Emoji.open()
    labels = " ".join(emoji.label[emoji.member].tolist()).lower()
    captions = [text for data in sets.values() for text in data.captions]
    words = {word for text in captions for word in re.findall("[a-z]+", text)}
    assert words <= set(re.findall("[a-z]+", labels))
    tokenizer = load("embedded").open("tokenizer").tokenizer
    assert max(len(ids) for ids in tokenizer(captions[::5]).input_ids) <= tokenizer.model_max_length
    assert len(set(captions)) > 0.99 * len(captions)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(TargetError, match="split='test' must be one of member, non-member"):
        Avatars.open("test")
    with pytest.raises(TargetError, match="name='x' must be one of avatars-overfitted"):
        trained_on("x")


def test_trainings_have_pictures_of_their_own() -> None:
    for name in MODELS:
        split, rows = trained_on(name)
        assert len(set(rows.tolist())) == (2500 if name in (WHOLE, PRIVATE) else 128)
        assert rows.max() < SPLITS[split]
        assert (split == "pool") == (name in SHADOWS)
    assert len({trained_on(name)[1].tobytes() for name in SHADOWS}) == len(SHADOWS)
