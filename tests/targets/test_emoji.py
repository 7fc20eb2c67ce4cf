"""The emoji set: counts, attributes, families and split."""

import re

import numpy as np
import pytest

from latentleak.targets import Emoji
from latentleak.targets.captions import GENDERS, PersonPrompt, caption, vary
from latentleak.targets.emoji import STYLES, attribute_space
from latentleak.targets.rebuild.concepts import family


@pytest.fixture(scope="module")
def data() -> Emoji:
    return Emoji.open()


def test_counts(data: Emoji) -> None:
    # emojibase, minus what a style lacks; two of Fluent 3D's files come twice.
    counts = dict(zip(STYLES, (3786, 3786, 3372, 3256), strict=True))
    assert {style: int((data.style == style).sum()) for style in STYLES} == counts
    assert len(set(data.label.tolist())) == 3786
    assert data.images.shape == (14_200, 64, 64, 3)
    assert data.images.dtype == np.uint8


def test_single_persons(data: Emoji) -> None:
    assert data.person.sum() == 5045
    for tone in range(1, 6):
        rows = data.person & (data.tone == tone)
        counts = [int((data.gender[rows] == gender).sum()) for gender in GENDERS]
        assert counts == [327, 323, 359]


def test_skin_darkens_with_the_tone_in_every_style(data: Emoji) -> None:
    for style in STYLES:
        hands = (data.kind == "hand") & (data.style == style)  # little on them but skin
        luma = [mean_luma(data.images[hands & (data.tone == tone)]) for tone in range(1, 6)]
        assert luma == sorted(luma, reverse=True), style


def mean_luma(images: np.ndarray) -> float:
    pixels = images.reshape(-1, 3).astype(float)
    return float((pixels[pixels.min(axis=1) < 245] @ (0.3, 0.59, 0.11)).mean())


def test_families_are_split_whole(data: Emoji) -> None:
    for style in STYLES:
        rows = data.style == style
        splits: dict[str, set[str]] = {}
        for name, part in zip(data.family[rows], data.split[rows], strict=True):
            splits.setdefault(str(name), set()).add(str(part))
        assert all(len(parts) == 1 for parts in splits.values())
    held = set(data.family[data.split == "concept"].tolist())
    assert not held & set(data.family[data.member].tolist())
    assert 0.75 < data.member.mean() < 0.9
    assert {"member", "concept", "style"} == set(data.split.tolist())


@pytest.mark.parametrize(
    ("label", "kind", "expected"),
    [
        ("woman firefighter: medium-dark skin tone", "person", "firefighter"),
        ("man: light skin tone, red hair", "person", "red hair"),
        ("person running facing right: dark skin tone", "person", "running"),
        ("mermaid", "person", "mer"),
        ("women holding hands: light skin tone, dark skin tone", "people", "holding hands"),
        ("three o\u2019clock", "thing", "clock"),
        ("red apple", "thing", "red apple"),
    ],
)
def test_family(label: str, kind: str, expected: str) -> None:
    assert family(label, kind) == expected


def test_attributes_of_known_labels(data: Emoji) -> None:
    seen = {
        str(label): (str(gender), int(tone), str(age))
        for label, gender, tone, age in zip(
            data.label, data.gender, data.tone, data.age, strict=True
        )
    }
    assert seen["woman firefighter: medium-dark skin tone"] == ("woman", 4, "adult")
    assert seen["firefighter: light skin tone"] == ("person", 1, "adult")
    assert seen["Santa Claus: dark skin tone"] == ("man", 5, "adult")
    assert seen["girl: medium skin tone"] == ("woman", 3, "child")
    assert seen["older person: medium skin tone"] == ("person", 3, "older")
    assert seen["snowman"] == ("", 0, "")


def test_captions_keep_gender_and_tone(data: Emoji) -> None:
    rng = np.random.default_rng(0)
    for i in rng.choice(np.flatnonzero(data.person), 300, replace=False):
        text = vary(str(data.label[i]), str(data.style[i]), str(data.gender[i]), rng)
        tone = re.search(r"((?:medium-)?(?:light|medium|dark)) skin", str(data.label[i]))
        assert tone is not None
        assert f"{tone[1]} skin" in text
        for word in ("woman", "man", "girl", "boy"):
            was = re.search(rf"\b{word}\b", str(data.label[i])) is not None
            assert (re.search(rf"\b{word}\b", text) is not None) == was


def test_prompt_forms() -> None:
    prompt = PersonPrompt(gender="woman", tone="dark", subject="firefighter", style="noto")
    assert str(prompt) == caption("woman firefighter: dark skin tone", "noto")
    assert prompt.natural() == "a woman firefighter with dark skin, noto style"


def test_prompts_of_persons(data: Emoji) -> None:
    assert "firefighter" in data.subjects
    assert len(data.subjects) > 40
    prompts = data.prompts(20, np.random.default_rng(0))
    assert all(p.gender in attribute_space()["gender"] for p in prompts)
    assert all(p.tone in attribute_space()["tone"] for p in prompts)
    assert len({str(p) for p in prompts}) > 15


def test_some_images_are_those_of_all(data: Emoji) -> None:
    rows = np.random.default_rng(0).permutation(len(data))[:40]
    assert np.array_equal(data.take(rows), data.images[rows])
    assert data.take(rows[:0]).shape == (0, 64, 64, 3)
