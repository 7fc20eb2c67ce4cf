"""The normal form of a prompt, its pieces, and the few facts of English that the rules need."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

MAX_LENGTH = 1000
"""Characters; a text encoder of 77 tokens reads less than half of it."""

_PLAIN = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014_", "''\"\"-- ")
"""Typographic quotes and dashes."""
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_COUNT = rf"(?P<count>\d{{1,3}}|(?:{_TENS})(?:[- ](?:{_UNITS}))?|{_TEENS}|{_UNITS})"
_AGE = rf"\b{_COUNT}(?:[- ]?(?:years?|yrs?)[- ]old|[- ]?yo|[- ]?y/o)\b"
_PIECE = re.compile(
    rf"(?P<age>{_AGE})"
    r"|(?P<span>(?:(?<=his )|(?<=her )|(?<=their ))(?:(?:early|mid|late)[- ])?\d0s\b"
    r"|\bage(?:d|:)? \d{1,3}\b)"
    r"|(?P<word>[a-z]+(?:'(?!(?:s|ll|d|re|ve|m)\b)[a-z]+)*)"
    r"|(?P<clitic>'(?:s|ll|d|re|ve|m)\b)|(?P<number>\d+)|(?P<gap>[^a-z\d']+|')"
)
_NUMBERS = {
    word: number
    for base, words in ((20, _TENS), (1, _UNITS), (10, _TEENS))
    for word, number in zip(
        words.split("|"), range(base, 100, 10 if base == 20 else 1), strict=False
    )
}
YOUNG_BELOW, OLD_FROM = 35, 60
"""Where an age in years becomes one of the declared values young, middle-aged and old."""

_AN = re.compile(r"(?:[aeio]|u(?!ni(?![nmd])|s[aeu]|t[io]|bi|ro|k)|hour|honest|hono|heir)")
_A = re.compile(r"(?:eu|ew|one(?![a-z])|once)")
_AN_NUMBER = re.compile(r"8|1[18](?!\d)")


class DetectionError(ValueError):
    """A prompt cannot be hidden; nothing was sent."""


class Piece(NamedTuple):
    """A stretch of a prompt.

    Attributes:
        kind: `word`, `clitic` (`'s`), `number`, `gap`, `age` (`30-year-old`) or `span` of years
            (`early 60s`, `aged 30`).
        text: As it stands.
        value: Of an age: 0 (young), 1 (middle-aged) or 2 (old).
    """

    kind: str
    text: str
    value: int = 0


def plain(prompt: str) -> str:
    """The prompt in lower case, ASCII, with single spaces; before words are looked at.

    Accents are dropped, typographic quotes and dashes become ASCII ones, an underscore becomes a
    space, and no space stands before a comma, stop, colon or semicolon. Case is dropped because it
    carries information (`His`, `Asian`) that the text encoders of diffusion models do not read.

    Raises:
        DetectionError: If nothing is left, the prompt is longer than `MAX_LENGTH`, or it holds
            characters that the rules cannot read.
    """
    if len(prompt) > MAX_LENGTH:
        raise DetectionError(
            f"prompt has {len(prompt)} characters, it must have at most {MAX_LENGTH}: shorten it; "
            "text encoders cut it after about 77 tokens anyway"
        )
    text = prompt.translate(_PLAIN)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).translate(_PLAIN)
        text = "".join(c for c in text if not unicodedata.combining(c))
    text = text.lower()
    text = re.sub(r"\s+(?=[,.;:!?])", "", " ".join(text.split()))
    if not (text.isascii() and text.isprintable()):
        word = next(w for w in text.split() if not (w.isascii() and w.isprintable()))
        raise DetectionError(
            f"prompt={prompt!r} holds {word!r}, which the rules cannot read, so it may show an "
            "attribute: write the prompt in English, without symbols"
        )
    if not re.search(r"[a-z\d]", text):
        raise DetectionError(f"prompt={prompt!r} must hold a word: say what to draw")
    return text


def pieces_of(text: str) -> list[Piece]:
    """The pieces of a plain text; joined, they are the text."""
    return [Piece(m.lastgroup or "gap", m.group(), _age(m["count"])) for m in _PIECE.finditer(text)]


def _age(count: str | None) -> int:
    if count is None:
        return 0
    words = re.split("[- ]", count)
    years = int(count) if count.isdigit() else sum(_NUMBERS[word] for word in words)
    return (years >= YOUNG_BELOW) + (years >= OLD_FROM)


def article(following: str) -> str:
    """`a` or `an`, by the sound of the word or number that follows."""
    if following[:1].isdigit():
        return "an" if _AN_NUMBER.match(following) else "a"
    return "an" if _AN.match(following) and not _A.match(following) else "a"
