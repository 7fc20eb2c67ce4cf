"""Which words count, and about whom."""

from __future__ import annotations

import pytest

from latentleak.defenses.obclip.lexicon import DEFAULT_SPACE
from latentleak.defenses.obclip.reading import read

ABOUT = {
    "an old smiling woman": "old woman",
    "an old house": "",
    "an old house and a young man": "young man",
    "a woman in an old garden": "woman",
    "a woman, asian, old": "woman asian old",
    "the woman is very old": "woman old",
    "the house is old, a woman stands": "woman",
    "an old and tired nurse": "old",
    "an old face": "old",
    "portrait, old, asian": "old asian",
    "the elderly": "elderly",
    "an asian": "asian",
    "an asian waits at a stop": "asian",
    "two asians wait": "asians",
    "a vintage style, old": "",
    "a white man": "white man",
    "a white wall behind a man": "man",
    "a man with black hair in white": "man",
    "she is black": "black",
    "the wall is white, a man": "man",
    "a white horse rider": "",
    "a black and white photo of a man": "man",
    "a man with dark skin": "man dark",
    "a man whose skin is dark": "man dark",
    "skin tone: dark": "dark",
    "a dark room with a man": "man",
    "a dark elf": "dark",
    "a fair lady at the fair": "fair lady",
    "soft light on skin": "",
    "the Indian ocean": "",
    "an indian restaurant": "",
    "an indian chef": "indian",
    "a female lion": "",
    "a female nurse": "female",
    "male, portrait": "male",
    "a 30-year-old nurse": "30-year-old",
    "a 30-year-old whisky": "",
    "a 200 year old tree": "",
    "an old zorkmid with rust": "",
    "old school building": "",
    "a human and a german": "",
    "a fisherman": "fisherman",
    "an old-fashioned hat on a man": "man",
}


@pytest.mark.parametrize("text", ABOUT)
def test_words_that_count(text: str) -> None:
    reading = read(text.lower(), DEFAULT_SPACE)
    assert " ".join(reading.tokens[i].text for i in reading.mentions) == ABOUT[text]


def test_adjectives_belong_to_the_noun_they_lead_to() -> None:
    reading = read("a young woman and an old asian man, smiling, with dark skin", DEFAULT_SPACE)
    words = {token.text: i for i, token in enumerate(reading.tokens)}
    person = {reading.tokens[i].text: m.person for i, m in reading.mentions.items()}
    assert person["young"] == person["woman"] == words["woman"]
    assert person["old"] == person["asian"] == person["dark"] == words["man"]


def test_the_longest_phrase_is_taken_and_tokens_lose_nothing() -> None:
    text = "a medium-dark skinned woman, a medium dark-skinned man"
    reading = read(text, DEFAULT_SPACE)
    assert "".join(token.text for token in reading.tokens) == text
    forms = [m.entry.forms[m.entry.value] for m in reading.mentions.values()]
    assert forms == ["medium-dark-skinned", "woman", "medium-dark-skinned", "man"]
