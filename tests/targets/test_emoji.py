"""The emoji set: counts, attributes, families and split."""

import re

import numpy as np
import pytest
from latentleak.targets import Emoji
from latentleak.targets.captions import GENDERS, PersonPrompt, caption, vary
from latentleak.targets.emoji import STYLES
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
        rows = data.person & (data.style == style)
        red = [
            float(np.median(skin_like(data.images[rows & (data.tone == tone)])))
            for tone in range(1, 6)
        ]
        assert red == sorted(red, reverse=True), style


def skin_like(images: np.ndarray) -> np.ndarray:
    """Luma of warm pixels: red above green above blue, not near white."""
    red, green, blue = (images[..., i].astype(int) for i in range(3))
    warm = (red > green + 12) & (green > blue + 5) & (red < 252)
    return (0.3 * red + 0.59 * green + 0.11 * blue)[warm]


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
