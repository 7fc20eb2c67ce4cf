"""The declared attribute space: sensitive attributes, their values, and the words that show them.

A *word class* is a row of interchangeable forms, one for each value of an attribute. Forms are
disjoint, so that a form names its class and its value; whether the word is about a person is
decided in `reading`, and the role of a pronoun (`her`: `his` or `him`) in `template`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import cast

from .declared import (
    AGE,
    AGE_AND_GENDER,
    BUILT_IN,
    ETHNICITY,
    GENDER,
    SKIN_TONE,
    Attribute,
    Joint,
    Row,
)
from .vocabulary import NOT_PERSONS

__all__ = [
    "AGE",
    "DEFAULT_SPACE",
    "ETHNICITY",
    "FUNCTION_WORDS",
    "GENDER",
    "OBLIQUE",
    "PRONOUNS",
    "SKIN_TONE",
    "About",
    "Attribute",
    "AttributeSpace",
    "Declared",
    "Entry",
    "Joint",
    "space_of",
]

PRONOUNS = {
    "subject": ("she", "he"),
    "possessive": ("her", "his"),
    "objective": ("her", "him"),
    "independent": ("hers", "his"),
    "reflexive": ("herself", "himself"),
}
"""Third-person pronouns by grammatical role: (woman, man)."""

OBLIQUE = {"her": 0, "hers": 0, "his": 1, "him": 1}
"""Pronouns of which some role shows only in the sentence, with their gender value."""

_FUNCTION_WORDS = """
a an the and or but nor so yet of in on at by to from with without for as into onto over under
near behind before after while when where who whom that which is are was were be been has have
had will would can could may might then than if because until since about above across along
around beside between beyond down during off out through toward towards up upon inside outside
against among amid below beneath within per via like not no am being does do did looks looking
this these those there here some any each every its it they them their theirs themselves
we us our you your i my me today now alone together too also only
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words before which a pronoun is an object: `behind her and`, not `her dog`."""


class About(Enum):
    """Where a word counts."""

    ALWAYS = "wherever it stands"
    PERSON = "about a person"
    COLOR = "right before a noun for a person"
    SKIN = "about skin"


@dataclass(frozen=True)
class Entry:
    """What a declared word says.

    Attributes:
        names: Its attributes, one or two.
        forms: The forms of its class, by value (of the first attribute, then of the second).
        value: Its place among the forms.
        about: Where it counts.
        noun: Whether it names a person.
    """

    names: tuple[str, ...]
    forms: Row
    value: int
    about: About
    noun: bool


@dataclass(frozen=True, kw_only=True)
class AttributeSpace:
    """The attributes that are hidden, in canonical order (paper: F = {F_1 .. F_m}).

    Attributes:
        attributes: What is hidden.
        joint: Word classes over two attributes; they count where the first is hidden.
    """

    attributes: tuple[Attribute, ...] = field(default=BUILT_IN)
    joint: tuple[Joint, ...] = AGE_AND_GENDER

    def __post_init__(self) -> None:
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) < len(names) or not names:
            raise ValueError(f"attributes={names} must be distinct, and at least one")
        seen: set[str] = set()
        for attribute in self.attributes:
            for word in (word for row in attribute.rows for word in row):
                if word in seen:
                    raise ValueError(f"{attribute.name}: the word {word!r} is in two word classes")
                seen.add(word)
        for joint in self._joint:
            shape = tuple(
                len(self.values.get(n, f)) for n, f in zip(joint.names, _axes(joint), strict=True)
            )
            if shape != (len(joint.forms), len(joint.forms[0])):
                raise ValueError(
                    f"joint: {joint.forms} must have a row for each value of {joint.names[0]} and "
                    f"a column for each of {joint.names[1]}: pass joint=() or classes that fit"
                )

    @property
    def _joint(self) -> tuple[Joint, ...]:
        return tuple(joint for joint in self.joint if joint.names[0] in self.values)

    @cached_property
    def values(self) -> dict[str, Row]:
        """The values of each attribute."""
        return {attribute.name: attribute.values for attribute in self.attributes}

    @cached_property
    def words(self) -> dict[str, tuple[Attribute, Row, int]]:
        """Every declared word with its attribute, word class and value index."""
        table: dict[str, tuple[Attribute, Row, int]] = {}
        for attribute in self.attributes:
            own = {
                word: (attribute, row, index)
                for row in attribute.rows
                for index, word in enumerate(row)
            }
            pairs = (*attribute.colors, *attribute.aliases)
            table |= {alias: own[form] for alias, form in pairs} | own
        return table

    @cached_property
    def entries(self) -> dict[str, tuple[Entry, ...]]:
        """Everything that a word or phrase can say, first choice first; hyphens are spaces."""
        table: dict[str, list[Entry]] = {}
        for word, entry in itertools.chain(
            *map(self._of_joint, self._joint), *map(_of_attribute, self.attributes)
        ):
            table.setdefault(word.replace("-", " "), []).append(entry)
        return {word: tuple(found) for word, found in table.items()}

    @cached_property
    def marks(self) -> dict[str, str]:
        """Giveaways without a counterpart, with their attribute; hyphens are spaces."""
        return {
            mark.replace("-", " "): attribute.name
            for attribute in self.attributes
            for mark in attribute.marks
        }

    @cached_property
    def origins(self) -> dict[str, str]:
        """The same, of adjectives."""
        return {
            origin.replace("-", " "): attribute.name
            for attribute in self.attributes
            for origin in attribute.origins
        }

    @cached_property
    def phrases(self) -> dict[str, tuple[Row, ...]]:
        """Everything of several words that is looked up, by first word, longest first."""
        table: dict[str, set[Row]] = {}
        for phrase in itertools.chain(self.entries, self.marks, self.origins, NOT_PERSONS):
            words = tuple(phrase.split())
            if len(words) > 1:
                table.setdefault(words[0], set()).add(words)
        return {
            first: tuple(sorted(found, key=lambda w: (-len(w), w)))
            for first, found in table.items()
        }

    @property
    def hides_gender(self) -> bool:
        """Whether pronouns are sensitive."""
        return GENDER.name in self.values

    def _of_joint(self, joint: Joint) -> Iterator[tuple[str, Entry]]:
        """Both attributes, or the rows of the second one's value where only the first is hidden."""
        both = joint.names[1] in self.values
        blocks = [tuple(itertools.chain(*joint.forms))] if both else zip(*joint.forms, strict=True)
        names = joint.names if both else joint.names[:1]
        own = {
            form: Entry(names, forms, value, About.ALWAYS, noun=True)
            for forms in blocks
            for value, form in enumerate(forms)
        }
        yield from own.items()
        yield from ((alias, own[form]) for alias, form in joint.aliases)


def _axes(joint: Joint) -> tuple[Row, Row]:
    return tuple(row[0] for row in joint.forms), joint.forms[0]


def _of_attribute(attribute: Attribute) -> Iterator[tuple[str, Entry]]:
    kinds = (
        (attribute.classes, About.ALWAYS, False),
        (attribute.nouns, About.ALWAYS, True),
        (attribute.of_skin, About.SKIN, False),
        (attribute.adjectives, About.PERSON, False),
    )
    own = {
        form: Entry((attribute.name,), row, value, about, noun)
        for rows, about, noun in kinds
        for row in rows
        for value, form in enumerate(row)
    }
    yield from own.items()
    yield from ((alias, own[form]) for alias, form in attribute.aliases)
    for alias, form in attribute.colors:
        entry = own[form]
        yield alias, Entry(entry.names, entry.forms, entry.value, About.COLOR, noun=False)


Declared = AttributeSpace | Mapping[str, Iterable[str]] | Iterable[Attribute | str]
"""What an attribute space can be made from, see `space_of`."""
DEFAULT_SPACE = AttributeSpace()
"""Age, gender, skin tone and ethnicity."""


def space_of(attributes: Declared) -> AttributeSpace:
    """An attribute space from what is at hand.

    Args:
        attributes: A space; or attributes, the built-in ones by name; or a mapping from names to
            values, whose words are the values themselves unless the attribute is built in with
            these values.

    Raises:
        ValueError: If a name is unknown.
    """
    if isinstance(attributes, AttributeSpace):
        return attributes
    if isinstance(attributes, str):
        raise ValueError(f"attributes={attributes!r} must be a sequence: write ({attributes!r},)")
    built_in = {attribute.name: attribute for attribute in BUILT_IN}
    if isinstance(attributes, Mapping):
        declared = cast("Mapping[str, Iterable[str]]", attributes)
        return AttributeSpace(attributes=tuple(_declared(n, v) for n, v in declared.items()))
    attributes = tuple(attributes)
    unknown = [a for a in attributes if isinstance(a, str) and a not in built_in]
    if unknown:
        raise ValueError(
            f"attributes: {unknown} must be among {sorted(built_in)}; declare others with Attribute"
        )
    return AttributeSpace(
        attributes=tuple(built_in[a] if isinstance(a, str) else a for a in attributes)
    )


def _declared(name: str, values: Iterable[str]) -> Attribute:
    row = tuple(values)
    own = next((a for a in BUILT_IN if a.name == name and a.values == row), None)
    return own or Attribute(name=name, values=row, classes=(row,))
