"""The plain text of a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.obclip.grammar import MAX_LENGTH, DetectionError, article, pieces_of, plain

TEXT = st.text(st.sampled_from("aAn OlLd,.\t\n'-3_0é\u2019"), min_size=1, max_size=40)


@given(TEXT)
def test_plain_is_idempotent_and_pieces_lose_nothing(text: str) -> None:
    try:
        found = plain(text)
    except DetectionError:
        return
    assert plain(found) == found
    assert found == found.lower()
    assert "  " not in found
    assert "".join(piece.text for piece in pieces_of(found)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("  A Woman\n in\tthe  RAIN ", "a woman in the rain"),
        ("a woman , old ; tired", "a woman, old; tired"),
        ("five o\u2019clock \u2014 \u201cdusk\u201d", 'five o\'clock - "dusk"'),
        ("his Fiancée at the Café", "his fiancee at the cafe"),
        ("old_woman", "old woman"),
        ("\uff37oman", "woman"),
    ],
)
def test_plain(text: str, found: str) -> None:
    assert plain(text) == found


@pytest.mark.parametrize("text", ["", " ", "?!", "\u5973\u4eba", "a \U0001f469", "a\x07b"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(DetectionError, match=r"must hold a word|cannot read"):
        plain(text)


def test_the_length_is_bounded() -> None:
    assert len(plain("a" * MAX_LENGTH)) == MAX_LENGTH
    with pytest.raises(DetectionError, match=f"{MAX_LENGTH + 1} characters.*shorten it"):
        plain("a" * (MAX_LENGTH + 1))


def test_an_or_a() -> None:
    an = "old hour unusual umbrella honest heir 8 80 18 11 asian uninvited apple idea"
    a = "european unicorn user one once 180 110 12 young university utopian house ewe"
    assert {article(word) for word in an.split()} == {"an"}
    assert {article(word) for word in a.split()} == {"a"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5-year-old", 0),
        ("34 years old", 0),
        ("35 year old", 1),
        ("fifty-nine-year-old", 1),
        ("sixty years old", 2),
        ("ninety-nine-year-old", 2),
        ("8yo", 0),
        ("eighteen yr old", 0),
    ],
)
def test_ages_in_years(text: str, value: int) -> None:
    (piece,) = pieces_of(text)
    assert (piece.kind, piece.value) == ("age", value)


@pytest.mark.parametrize("text", ["in her early 60s", "aged 30", "his 40s", "age: 7"])
def test_spans_of_years(text: str) -> None:
    assert pieces_of(text)[-1].kind == "span"


def test_a_decade_of_style_is_no_age() -> None:
    kinds = {piece.kind for piece in pieces_of("1920s style, 8k, 2 dogs, o'clock, she's")}
    assert kinds == {"word", "number", "gap", "clitic"}
