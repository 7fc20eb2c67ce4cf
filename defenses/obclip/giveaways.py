"""Words that show a hidden attribute and have no counterpart: the prompt is refused.

First by rule: marks (`beard`), origins (`japanese`), first names, nouns of other languages. Then
every word that no list knows goes to the trained detector.
"""

from __future__ import annotations

from .detector import Kind
from .grammar import DetectionError
from .lexicon import AGE, ETHNICITY, FUNCTION_WORDS, GENDER, SKIN_TONE, AttributeSpace
from .reading import Head, Reading, compound_of
from .vocabulary import FOREIGN, FOREIGN_FUNCTION, NAMES, SURNAMES, THINGS, TITLES, words

_MADE_BY = words("painting painted drawing drawn photo photographed art artwork directed designed")
_SHOWN_BY_NAMES = (GENDER.name, ETHNICITY.name, SKIN_TONE.name)
_REMEDY = "take the word out, or declare an attribute with a class that holds it"


def check_language(text: str) -> None:
    """Refuse a text that has more function words of other languages than of English."""
    found = text.replace(",", " ").replace(".", " ").split()
    foreign = [word for word in found if word in FOREIGN_FUNCTION]
    if len(foreign) > sum(word in FUNCTION_WORDS for word in found):
        raise DetectionError(
            f"prompt={text!r} does not read as English ({foreign[0]!r}), so its attributes cannot "
            "be found: translate it first"
        )


def check_giveaways(reading: Reading) -> None:
    """Refuse what shows a hidden attribute in every candidate.

    Raises:
        DetectionError: That names the word, the attribute and what to do.
    """
    for index, token in enumerate(reading.tokens):
        shown = _by_rule(reading, index) or _by_detector(reading, index)
        if shown is not None:
            raise DetectionError(
                f"prompt: the word {token.text!r} shows {shown} and would stand in every "
                f"candidate: {_REMEDY}"
            )


def _by_rule(reading: Reading, index: int) -> str | None:
    token, space = reading.tokens[index], reading.space
    if (stem := compound_of(token.key)) and stem in space.entries:
        return space.entries[stem][0].names[0]
    if token.kind == "gap" or index in reading.mentions or token.noun:
        return None
    if token.key in space.marks:
        said_of_thing = reading.is_predicate(index) and reading.of_thing(index)
        return None if said_of_thing or _modifies_thing(reading, index) else space.marks[token.key]
    if token.key in space.origins:
        plural = token.key.removesuffix("s") in space.origins.keys() - {token.key}
        about = plural or reading.about_person(index)
        return space.origins[token.key] if about else None
    if token.kind == "span" or _is_age(reading, index):
        return _first_hidden(space, (AGE.name,))
    if token.key in NAMES and not _is_credit(reading, index):
        return _first_hidden(space, _SHOWN_BY_NAMES)
    if token.key in FOREIGN:
        return _first_hidden(space, (GENDER.name, AGE.name))
    return None


def _by_detector(reading: Reading, index: int) -> str | None:
    kind = reading.kinds.get(index)
    if kind is Kind.NAME and not _is_credit(reading, index):
        return _first_hidden(reading.space, _SHOWN_BY_NAMES)
    if kind is Kind.ORIGIN and reading.about_person(index):
        return _first_hidden(reading.space, (ETHNICITY.name, SKIN_TONE.name))
    if kind in (Kind.GENDER, Kind.AGE) and not _modifies_thing(reading, index):
        return _first_hidden(reading.space, (kind.value,))
    return None


def _modifies_thing(reading: Reading, index: int) -> bool:
    """`bearded dragon`: a noun that a list holds; an unknown word may be a verb."""
    head, at = reading.head(index)
    return head is Head.THING and reading.word(at) in THINGS


def _is_age(reading: Reading, index: int) -> bool:
    """`a woman of 45`, `woman, 45, smiling`."""
    if reading.tokens[index].kind != "number":
        return False
    before, ends = reading.tokens[index - 1].text, reading.word(index + 2) in FUNCTION_WORDS | {""}
    ends = ends or reading.tokens[index + 1].text != " "
    of = before == " " and reading.word(index - 2) == "of" and index - 4 in reading.persons
    return ends and (of or (before == ", " and index - 2 in reading.persons))


def _first_hidden(space: AttributeSpace, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in space.values), None)


def _is_credit(reading: Reading, index: int) -> bool:
    """Names of places, of artists, and plain ones: `san diego`, `painted by`, `mr. smith`."""
    if reading.word(index - 2) in TITLES and reading.word(index) in SURNAMES:
        return True
    at = index - 2
    while at >= 0 and reading.word(at) and reading.word(at) not in FUNCTION_WORDS:
        if reading.word(at) == "san":
            return True
        at -= 2
    before, word = reading.word(at - 2), reading.word(at)
    return (
        word == "in" or (word == "by" and before in _MADE_BY) or (word, before) == ("of", "style")
    )
