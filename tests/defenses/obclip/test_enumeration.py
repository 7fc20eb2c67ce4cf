"""The candidate set is the same set, in the same order, whichever member it is made from."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from latentleak.defenses.obclip import candidates, normal_form
from latentleak.defenses.obclip.grammar import DetectionError
from latentleak.defenses.obclip.lexicon import (
    DEFAULT_SPACE,
    GENDER,
    PRONOUNS,
    Attribute,
    AttributeSpace,
    space_of,
)
from latentleak.defenses.obclip.template import Slot, template_of
from latentleak.scenarios import prompts

PLAYED = (*prompts.CHEAP, *prompts.PRONOUNS)
NOUNS = [form for row in GENDER.nouns for form in row]
NEUTRAL = ["person", "doctor", "firefighter", "nurse", "model", "child", "swordsman", "policemen"]
AGES = ["young", "old", "elderly", "middle-aged", "middle aged", "30-year-old", "80 years old"]
ORIGINS = ["Asian", "african", "European", "black", "white", "dark-skinned", "fair", "pale"]
ADJECTIVES = [*AGES, *ORIGINS, "smiling", "tall", "female", "male", "little", "adult"]
THINGS = ["house", "wall", "dog", "ocean", "hat", "silver mirror", "zorkmid"]
PLACES = ["in the rain", "near a white wall", "by an old house", "on the Indian Ocean", "at dusk"]
VERBS = ["and", "with", "next to", "holding", "behind", ",", "who loves", "gives", "looks at"]
OWN = [form for forms in PRONOUNS.values() for form in forms] + ["they", "their", "themselves"]
SKIN = ["with dark skin", "with Medium Light skin", "whose skin is dark", "with black hair"]


@st.composite
def persons(draw: st.DrawFn) -> str:
    """A noun phrase with its adjectives, and maybe something of its own."""
    article = draw(st.sampled_from(["a", "an", "the", "", "his", "her", "two"]))
    adjectives = draw(st.lists(st.sampled_from(ADJECTIVES), max_size=2))
    noun = draw(st.sampled_from([*NOUNS, *NEUTRAL]))
    tail = draw(st.sampled_from(["", "", *SKIN, "'s hat", ", old and tired", "is young"]))
    return " ".join(filter(None, [article, *adjectives, noun, tail])).replace(" '", "'")


@st.composite
def sentences(draw: st.DrawFn) -> str:
    """One to three persons, things, places and pronouns in every role, in any case."""
    parts = [draw(st.sampled_from(["", "a photo of", "Portrait of", "in the style of a comic,"]))]
    for number in range(draw(st.integers(1, 3))):
        parts.append(draw(st.sampled_from(VERBS)) if number else "")
        parts.append(draw(persons()))
        if draw(st.booleans()):
            parts += [draw(st.sampled_from(OWN)), draw(st.sampled_from([*THINGS, "", "and"]))]
        if draw(st.booleans()):
            parts.append(draw(st.sampled_from(PLACES)))
    text = draw(st.sampled_from([" ", "  "])).join(filter(None, parts))
    return draw(st.sampled_from([text, text.capitalize(), text.upper(), text.title()]))


def is_closed(prompt: str) -> None:
    found = candidates(prompt)
    assert len(set(found)) == len(found)
    assert normal_form(prompt) in found
    for index, member in enumerate(found):
        assert candidates(member) == found
        assert template_of(member, DEFAULT_SPACE).real_index == index


@pytest.mark.parametrize("prompt", PLAYED)
def test_closed_on_the_prompts_that_are_played_and_they_are_normal(prompt: str) -> None:
    is_closed(prompt)
    assert prompt in candidates(prompt)


@settings(max_examples=150, deadline=None)
@given(sentences())
def test_the_set_is_the_same_whichever_member_is_given(prompt: str) -> None:
    try:
        found = candidates(prompt, limit=24)
    except DetectionError:
        assume(False)
    assert normal_form(prompt) in found
    for member in found:
        assert candidates(member, limit=24) == found


@settings(max_examples=150, deadline=None)
@given(sentences())
def test_no_word_of_gender_is_left_in_every_candidate(prompt: str) -> None:
    try:
        template = template_of(prompt, DEFAULT_SPACE)
    except DetectionError:
        assume(False)
    fixed = " ".join(part for part in template.parts if isinstance(part, str))
    left = set(re.findall("[a-z]+", fixed))
    gendered = {*NOUNS, *(form for forms in PRONOUNS.values() for form in forms)}
    assert not left & gendered
    for slot in (part for part in template.parts if isinstance(part, Slot)):
        assert len(set(slot.forms)) > 1


@given(st.text(max_size=60))
def test_any_text_has_a_set_or_a_reason(prompt: str) -> None:
    try:
        found = candidates(prompt)
    except DetectionError:
        return
    assert candidates(found[-1]) == found


GOLDEN = {
    "a man and his wife": (
        "a woman and her wife",
        "a woman and her husband",
        "a man and his wife",
        "a man and his husband",
    ),
    "An OLD woman  with her dog": (
        "a young woman with her dog",
        "a young man with his dog",
        "a middle-aged woman with her dog",
        "a middle-aged man with his dog",
        "an old woman with her dog",
        "an old man with his dog",
    ),
    "a photo of a bride and groom": (
        "a photo of a bride and bride",
        "a photo of a bride and groom",
        "a photo of a groom and bride",
        "a photo of a groom and groom",
    ),
    "three policemen on the street": (
        "three policewomen on the street",
        "three policemen on the street",
    ),
    "the hat is hers, she sees herself": (
        "the hat is hers, she sees herself",
        "the hat is his, he sees himself",
    ),
    "Mr. Smith and his dog": ("mrs. smith and her dog", "mr. smith and his dog"),
    "a boy with a kite": (
        "a girl with a kite",
        "a boy with a kite",
        "an adult woman with a kite",
        "an adult man with a kite",
        "an elderly woman with a kite",
        "an elderly man with a kite",
    ),
    "a 30-year-old nurse": ("a young nurse", "a middle-aged nurse", "an old nurse"),
    "an 80 year old with a hat": (
        "a young person with a hat",
        "a middle-aged person with a hat",
        "an old person with a hat",
    ),
    "a young and tired nurse": (
        "a young and tired nurse",
        "a middle-aged and tired nurse",
        "an old and tired nurse",
    ),
    "a white man by a white wall near an old house": (
        "a caucasian woman by a white wall near an old house",
        "a caucasian man by a white wall near an old house",
        "an african woman by a white wall near an old house",
        "an african man by a white wall near an old house",
        "an asian woman by a white wall near an old house",
        "an asian man by a white wall near an old house",
        "an indian woman by a white wall near an old house",
        "an indian man by a white wall near an old house",
        "a european woman by a white wall near an old house",
        "a european man by a white wall near an old house",
    ),
    "the Indian Ocean at dusk": ("the indian ocean at dusk",),
    "two women by themselves": ("two women by themselves", "two men by themselves"),
}


@pytest.mark.parametrize("prompt", GOLDEN)
def test_the_set_in_full(prompt: str) -> None:
    assert candidates(prompt) == GOLDEN[prompt]
    is_closed(prompt)


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("a face with a five o'clock shadow around his eyes", "five o'clock shadow"),
        ("a man with a beard", "beard"),
        ("portrait of Alice in a garden", "alice"),
        ("a japanese woman", "japanese"),
        ("a woman in her early 60s", "early 60s"),
        ("a teenage girl", "teenage"),
        ("a woman and his dog", "his"),
        ("an old boy", "boy"),
        ("a child woman", "child"),
        ("a woman gave him flowers", "him"),
        ("une femme dans un jardin", "une"),
        ("женщина", "женщина"),
        ("a mujer in a garden", "mujer"),
    ],
)
def test_a_prompt_that_cannot_be_hidden_is_refused_by_name(prompt: str, word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(word))):
        candidates(prompt)


@pytest.mark.parametrize("prompt", ["", "  ", "...", "\n", "a" * 1001, "a woman \0", "a \N{WOMAN}"])
def test_empty_long_and_unreadable_prompts_are_refused(prompt: str) -> None:
    with pytest.raises(DetectionError, match=r"must|cannot read"):
        candidates(prompt)


def test_a_prompt_without_attributes_is_alone() -> None:
    assert candidates(" A red  house , at dusk") == ("a red house, at dusk",)


def test_the_size_is_bounded() -> None:
    prompt = "a young asian woman and a young asian man"
    with pytest.raises(DetectionError, match="900 candidates, more than limit=64: raise it"):
        candidates(prompt)
    assert len(candidates(prompt, limit=900)) == 900
    with pytest.raises(ValueError, match="limit=0 must be >= 1"):
        candidates(prompt, limit=0)


def test_attributes_by_name_by_values_and_declared() -> None:
    prompt = "an old woman with red hair"
    assert candidates(prompt, ["age"]) == tuple(
        f"{age} woman with red hair" for age in ("a young", "a middle-aged", "an old")
    )
    assert len(candidates(prompt, ["gender"])) == 2
    assert candidates(prompt, {"hair": ("red", "blond")}) == (
        prompt,
        prompt.replace("red", "blond"),
    )
    hair = Attribute(name="hair", values=("red", "blond"), adjectives=(("red", "blond"),))
    both = AttributeSpace(attributes=(GENDER, hair))
    assert len(candidates(prompt, both)) == 4
    assert candidates("a red house", both) == ("a red house",)
    assert space_of({"age": ("young", "middle-aged", "old")}).entries["elderly"]
    with pytest.raises(ValueError, match=r"'size'.* must be among"):
        candidates(prompt, ["size"])
    with pytest.raises(ValueError, match=r"write \('age',\)"):
        candidates(prompt, "age")


def test_what_is_not_hidden_is_left_alone() -> None:
    assert candidates("a man with a beard", ["age"]) == ("a man with a beard",)
    assert candidates("his old dog", ["age"]) == ("his old dog",)
    assert candidates("a boy", ["gender"]) == ("a girl", "a boy")
    assert candidates("a boy", ["age"]) == ("a boy", "an adult man", "an elderly man")
