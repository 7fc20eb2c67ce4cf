"""The declared attribute space: sensitive attributes, their values, and the words that show them.

A *word class* is a row of interchangeable forms, one for each value of an attribute. Classes are
disjoint, so that a word names its class and its value without looking at the sentence; words
whose form depends on the sentence (`her`: `his` or `him`) are resolved in `template`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

GENDER_NOUNS = (
    "woman man",
    "women men",
    "girl boy",
    "girls boys",
    "lady gentleman",
    "ladies gentlemen",
    "female male",
    "females males",
    "mother father",
    "mothers fathers",
    "mom dad",
    "mum daddy",
    "daughter son",
    "daughters sons",
    "sister brother",
    "sisters brothers",
    "wife husband",
    "aunt uncle",
    "niece nephew",
    "grandmother grandfather",
    "grandma grandpa",
    "granddaughter grandson",
    "girlfriend boyfriend",
    "bride groom",
    "queen king",
    "princess prince",
    "duchess duke",
    "empress emperor",
    "goddess god",
    "actress actor",
    "waitress waiter",
    "hostess host",
    "heroine hero",
    "stewardess steward",
    "witch wizard",
    "nun monk",
    "widow widower",
    "policewoman policeman",
    "businesswoman businessman",
    "cowgirl cowboy",
    "mermaid merman",
    "madam sir",
    "mrs mr",
    "feminine masculine",
)
"""Word classes of gender that name a person: (woman, man)."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A sensitive attribute.

    Attributes:
        name: Such as `gender`.
        values: Its values, in canonical order.
        classes: Word classes, each with one form a value.
        aliases: Other words for a form, mapped to that form.
    """

    name: str
    values: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    aliases: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise ValueError(f"{self.name}: values={self.values} must hold at least two values")
        for row in self.classes:
            if len(row) != len(self.values):
                raise ValueError(
                    f"{self.name}: word class {row} must have {len(self.values)} forms, one a value"
                )


GENDER = Attribute(
    name="gender",
    values=("woman", "man"),
    classes=tuple((a, b) for a, b in (row.split() for row in GENDER_NOUNS)),
    aliases=(("ms", "mrs"), ("miss", "mrs"), ("gentlewoman", "lady"), ("mama", "mom")),
)
SKIN_TONE = Attribute(
    name="skin tone",
    values=("light", "medium-light", "medium", "medium-dark", "dark"),
    classes=(("light", "medium-light", "medium", "medium-dark", "dark"),),
    aliases=(("medium light", "medium-light"), ("medium dark", "medium-dark")),
)
AGE = Attribute(
    name="age",
    values=("young", "middle-aged", "old"),
    classes=(("young", "middle-aged", "old"),),
    aliases=(("elderly", "old"), ("middle aged", "middle-aged"), ("aged", "old")),
)
ETHNICITY = Attribute(
    name="ethnicity",
    values=("caucasian", "african", "asian", "indian", "european"),
    classes=(("caucasian", "african", "asian", "indian", "european"),),
)

PRONOUNS = {
    "subject": ("she", "he"),
    "possessive": ("her", "his"),
    "objective": ("her", "him"),
    "reflexive": ("herself", "himself"),
}
"""Third-person pronouns by grammatical role: (woman, man)."""

OBLIQUE = {"her": 0, "hers": 0, "his": 1, "him": 1}
"""Pronouns whose role shows only in the sentence, with their gender value."""

_FUNCTION_WORDS = """
a an the and or but nor so yet of in on at by to from with without for as into onto over under
near behind before after while when where who whom that which is are was were be been has have
had will would can could may might then than if because until since about above across along
around beside between beyond down during off out through toward towards up upon
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words before which a pronoun is an object: `behind her and`, not `her dog`."""


@dataclass(frozen=True, kw_only=True)
class AttributeSpace:
    """The attributes that are hidden, in canonical order (papers: F = {F_1 .. F_m})."""

    attributes: tuple[Attribute, ...] = field(default=(AGE, GENDER, SKIN_TONE, ETHNICITY))

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for attribute in self.attributes:
            for word in (word for row in attribute.classes for word in row):
                if word in seen:
                    raise ValueError(f"{attribute.name}: the word {word!r} is in two word classes")
                seen.add(word)

    @cached_property
    def words(self) -> dict[str, tuple[Attribute, tuple[str, ...], int]]:
        """Every declared word with its attribute, word class and value index."""
        table = {
            word: (attribute, row, index)
            for attribute in self.attributes
            for row in attribute.classes
            for index, word in enumerate(row)
        }
        for attribute in self.attributes:
            table |= {alias: table[form] for alias, form in attribute.aliases}
        return table

    @cached_property
    def hides_gender(self) -> bool:
        """Whether pronouns are sensitive."""
        return any(attribute.name == "gender" for attribute in self.attributes)
