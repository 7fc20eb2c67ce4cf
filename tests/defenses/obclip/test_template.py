"""Slots, variables and pronouns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.obclip.lexicon import GENDER, AttributeSpace
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.obclip.template import DetectionError, template_of

SPACE = AttributeSpace()
NOUNS = [form for row in GENDER.nouns for form in row]
SHE = ["she", "her", "hers", "herself"]
HE = ["he", "his", "him", "himself"]
FILLERS = ["a", "an", "the", "dog", "of", "smiling", "and", "in", "rain", "hat", ",", "."]


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
            min_size=1,
            max_size=7,
        )
    )
    return " ".join(
        draw(st.sampled_from([word, word.capitalize(), word.upper()])) for word in words
    )


@given(sentences())
def test_each_candidate_has_the_same_template_and_its_own_values(prompt: str) -> None:
    try:
        template = template_of(prompt, SPACE)
    except DetectionError:
        return
    if template.size > 64:
        return
    for values in template.combinations():
        try:
            again = template_of(template.realise(values), SPACE)
        except DetectionError:
            continue
        if again.parts == template.parts:
            assert again.candidates() == template.candidates()
            assert again.real == values


def test_pronouns_follow_their_noun_in_every_role() -> None:
    template = template_of(
        "a queen on her throne, the idea behind her is hers, she told herself", SPACE
    )
    assert template.candidates() == (
        "a queen on her throne, the idea behind her is hers, she told herself",
        "a king on his throne, the idea behind him is his, he told himself",
    )


@pytest.mark.parametrize(
    ("prompt", "other"),
    [
        ("a friend of hers", "a friend of his"),
        ("I see her", "i see him"),
        ("I see her daily", "i see him daily"),
        ("her daily walk", "his daily walk"),
        ("her (red) hat", "his (red) hat"),
        ("her, at dusk", "him, at dusk"),
        ("behind her and", "behind him and"),
        ("she's tall, she'll run", "he's tall, he'll run"),
        ("with her two dogs", "with his two dogs"),
    ],
)
def test_the_role_of_a_pronoun(prompt: str, other: str) -> None:
    found = template_of(prompt, SPACE).candidates()
    assert found == (prompt.lower(), other)


def test_a_pronoun_before_its_noun_and_one_that_is_another_person() -> None:
    assert template_of("in her garden, a woman", SPACE).size == 2
    assert template_of("her husband in the rain", SPACE).candidates() == (
        "her wife in the rain",
        "his wife in the rain",
        "her husband in the rain",
        "his husband in the rain",
    )


def test_articles_follow_the_word() -> None:
    assert template_of("An actress", SPACE).candidates() == ("an actress", "an actor")
    assert "a european man" in template_of("an asian man", SPACE).candidates()
    assert template_of("a hour, an unicorn", SPACE).realise(()) == "an hour, a unicorn"


def test_persons_are_variables_of_their_own_and_words_about_one_share_them() -> None:
    assert template_of("a woman and a man", SPACE).size == 4
    assert template_of("a young boy", SPACE).size == 6
    assert template_of("a female waitress", SPACE).candidates() == (
        "a female waitress",
        "a male waiter",
    )
    assert template_of("an old woman who looks old", SPACE).size == 6


def test_variables_stand_in_order_of_appearance_and_the_last_runs_fastest() -> None:
    template = template_of("an old man with dark skin", SPACE)
    assert template.names == ("age", "gender", "skin tone")
    assert template.real == (2, 1, 4)
    assert template.real_index == template.size - 1
    assert template.candidates()[1] == "a young woman with medium-light skin"


@pytest.mark.parametrize(
    ("prompt", "word"),
    [("a woman and his dog", "his"), ("he hugs her", "her"), ("an old young man", "young")],
)
def test_words_that_disagree_about_a_person_are_refused(prompt: str, word: str) -> None:
    with pytest.raises(DetectionError, match=f"'{word}' disagrees"):
        template_of(prompt, SPACE)


def test_without_pronouns_they_stay() -> None:
    template = template_of("a queen on her throne", SPACE, pronouns=False)
    assert template.candidates()[1] == "a king on her throne"
    assert template_of("a woman and his dog", SPACE, pronouns=False).size == 2


def test_too_few_and_too_many_candidates_are_refused() -> None:
    with pytest.raises(DetectionError, match="no declared attribute"):
        ObClip().candidates("a red house")
    with pytest.raises(DetectionError, match="max_candidates=64"):
        ObClip().candidates("a young asian woman with dark skin")
