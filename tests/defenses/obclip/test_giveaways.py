"""What is refused by rule, and what is not."""

from __future__ import annotations

import re

import pytest

from latentleak.defenses.obclip import candidates

REFUSED = {
    "a man with stubble": "stubble",
    "a pregnant woman": "pregnant",
    "a bearded firefighter": "bearded",
    "the doctor is unshaven": "unshaven",
    "a baby in a crib": "baby",
    "a woman with grey hair": "grey hair",
    "an american in paris": "american",
    "an american waits at a stop": "american",
    "two americans wait": "americans",
    "a teenager waits at a stop": "teenager",
    "two teenagers wait": "teenagers",
    "the nurse is japanese": "japanese",
    "a latina chef": "latina",
    "priya smiling": "priya",
    "her friend muhammad": "muhammad",
    "standing by john": "john",
    "a woman aged 30": "aged 30",
    "mr. patel": "patel",
    "a woman of 45 in the rain": "45",
    "nurse, 45, smiling": "45",
    "an oldman": "oldman",
    "santa in the snow": "santa",
    "a 5 o'clock shadow": "5 o'clock shadow",
}
ALLOWED = (
    "a bearded dragon on a rock",
    "a japanese garden with a bridge",
    "a french restaurant and a nurse",
    "a wrinkled shirt on a chair",
    "the temple is japanese, an old man prays",
    "a painting by vincent of a field",
    "in the style of frida, a nurse",
    "a street in san diego with a nurse",
    "a photo of a nurse in virginia",
    "mrs. smith in the rain",
    "dr. smith in the rain",
    "a photo of 12 nurses, 2 dogs",
    "1920s style photo of a nurse",
)


@pytest.mark.parametrize("prompt", REFUSED)
def test_refused_by_name(prompt: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(REFUSED[prompt]) + " shows")):
        candidates(prompt)


@pytest.mark.parametrize("prompt", ALLOWED)
def test_not_about_a_person(prompt: str) -> None:
    assert prompt in candidates(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "eine alte frau mit ihrem hund",
        "una mujer en un jardin",
        "une femme avec un chapeau",
        "um homem com seu cachorro",
        "een oude vrouw met het boek",
    ],
)
def test_other_languages_are_refused(prompt: str) -> None:
    with pytest.raises(ValueError, match="translate it first"):
        candidates(prompt)


def test_english_with_a_foreign_name_of_a_place_is_not() -> None:
    assert candidates("a street in la paz by the sea with a man on it")
