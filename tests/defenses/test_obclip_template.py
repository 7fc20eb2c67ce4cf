"""The candidate set is the same set whichever candidate is real."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.obclip.lexicon import AGE, GENDER, SKIN_TONE, Attribute, AttributeSpace
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.obclip.template import DetectionError, template_of
from latentleak.scenarios import prompts

SPACE = AttributeSpace()
ALL_PROMPTS = (*prompts.CHEAP, *prompts.PRONOUNS)
NOUNS = [form for row in GENDER.classes for form in row]
SHE = ["she", "her", "hers", "herself"]
HE = ["he", "his", "him", "himself"]
FILLERS = ["a", "an", "the", "dog", "of", "smiling", "and", "in", "rain", "hat", ",", "."]


def _is_closed(prompt: str) -> None:
    template = template_of(prompt, SPACE)
    candidates = template.candidates()
    for index, candidate in enumerate(candidates):
        again = template_of(candidate, SPACE)
        assert again.candidates() == candidates
        assert again.real_index == index


@pytest.mark.parametrize("prompt", ALL_PROMPTS)
def test_closed_on_the_prompts_that_are_played(prompt: str) -> None:
    _is_closed(prompt)


@st.composite
def sentences(draw: st.DrawFn) -> str:
    feminine = draw(st.booleans())
    nouns = [noun for i, noun in enumerate(NOUNS) if (i % 2 == 0) == feminine]
    words = draw(
        st.lists(
            st.one_of(
                st.sampled_from(nouns),
                st.sampled_from(SHE if feminine else HE),
                st.sampled_from(FILLERS),
                st.sampled_from(["young", "elderly", "middle-aged", "asian", "European"]),
                st.sampled_from(["light skin", "Medium dark skin", "dark-skinned"]),
            ),
            max_size=7,
        )
    )
    cased = [draw(st.sampled_from([word, word.capitalize(), word.upper()])) for word in words]
    return " ".join(cased)


@given(sentences())
def test_closed_on_any_sentence_of_one_gender(prompt: str) -> None:
    template = template_of(prompt, SPACE)
    if template.size <= 64:
        _is_closed(prompt)


@given(st.text(max_size=40))
def test_any_text_is_kept_but_for_the_declared_words(prompt: str) -> None:
    try:
        template = template_of(prompt, SPACE)
    except DetectionError:
        return
    if template.size == 1:
        assert template.realise(()) == prompt


def test_pronouns_follow_their_noun() -> None:
    template = template_of("a queen on her throne, the idea behind her is hers", SPACE)
    assert template.candidates() == (
        "a queen on her throne, the idea behind her is her",
        "a king on his throne, the idea behind him is him",
    )


def test_articles_follow_the_word() -> None:
    assert template_of("An actress", SPACE).candidates() == ("An actress", "An actor")
    assert "a european man" in template_of("an asian man", SPACE).candidates()


def test_light_is_a_skin_tone_only_before_skin() -> None:
    assert template_of("a dark room with light", SPACE).size == 1
    assert template_of("dark-skinned person", SPACE).size == 5


def test_two_persons_are_two_variables() -> None:
    assert template_of("a woman and a man", SPACE).size == 4


def test_a_pronoun_that_contradicts_its_noun_is_refused() -> None:
    with pytest.raises(DetectionError, match="disagrees"):
        template_of("a woman and his dog", SPACE)


def test_without_pronouns_they_stay() -> None:
    template = template_of("a queen on her throne", SPACE, pronouns=False)
    assert template.candidates()[1] == "a king on her throne"


def test_too_few_and_too_many_candidates_are_refused() -> None:
    with pytest.raises(DetectionError, match="no declared attribute"):
        ObClip().candidates("a red house")
    with pytest.raises(DetectionError, match="max_candidates=64"):
        ObClip().candidates("a young asian woman with dark skin")


def test_the_space_can_be_declared() -> None:
    hair = Attribute(name="hair", values=("red", "blond"), classes=(("red", "blond"),))
    space = AttributeSpace(attributes=(hair,))
    assert template_of("red hair", space).candidates() == ("red hair", "blond hair")
    assert template_of("her red hair", space).candidates() == ("her red hair", "her blond hair")


def test_a_word_in_two_classes_is_an_error() -> None:
    double = Attribute(name="tone", values=("dark", "red"), classes=(("dark", "red"),))
    with pytest.raises(ValueError, match="'dark' is in two word classes"):
        AttributeSpace(attributes=(SKIN_TONE, double))
    with pytest.raises(ValueError, match="3 forms"):
        Attribute(name="age", values=AGE.values, classes=(("young", "old"),))
