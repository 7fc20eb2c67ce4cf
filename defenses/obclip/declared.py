"""What is declared sensitive, and the words that show it: data, and the types that hold it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .vocabulary import AGE_MARKS, ETHNICITY_MARKS, GENDER_MARKS, ORIGINS, SKIN_MARKS

Row = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A sensitive attribute, as data.

    Attributes:
        name: Such as `gender`.
        values: Its values, in canonical order.
        classes: Word classes that count wherever they stand, each with one form a value.
        nouns: The same, of nouns that name a person.
        adjectives: The same, of words that count where they are about a person.
        of_skin: The same, of words that count where they are about skin.
        aliases: Other words for a form, mapped to that form.
        colors: Aliases that are colours too: they count right before the noun for a person.
        marks: Words that show the attribute and have no counterpart: refused near a person.
        origins: The same, of adjectives: refused where they are about a person.
    """

    name: str
    values: Row
    classes: tuple[Row, ...] = ()
    nouns: tuple[Row, ...] = ()
    adjectives: tuple[Row, ...] = ()
    of_skin: tuple[Row, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    colors: tuple[tuple[str, str], ...] = ()
    marks: Row = ()
    origins: Row = ()

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise ValueError(f"{self.name}: values={self.values} must hold at least two values")
        if not self.rows:
            raise ValueError(f"{self.name}: classes=() must hold a word class")
        for row in self.rows:
            if len(row) != len(self.values):
                raise ValueError(
                    f"{self.name}: word class {row} must have {len(self.values)} forms, one a value"
                )
        forms = {form for row in self.rows for form in row}
        for alias, form in (*self.aliases, *self.colors):
            if form not in forms:
                raise ValueError(
                    f"{self.name}: alias {alias!r} must stand for a form, not {form!r}"
                )

    @property
    def rows(self) -> tuple[Row, ...]:
        """All word classes."""
        return (*self.classes, *self.nouns, *self.adjectives, *self.of_skin)


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A word class over two attributes: its words say both.

    Attributes:
        names: The two attributes.
        forms: One row for each value of the first, one column for each value of the second.
        aliases: Other words for a form, mapped to that form.
    """

    names: tuple[str, str]
    forms: tuple[Row, ...]
    aliases: tuple[tuple[str, str], ...] = ()


GENDER_NOUNS = (
    "woman man",
    "women men",
    "girl boy",
    "girls boys",
    "lady gentleman",
    "ladies gentlemen",
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
    "landlady landlord",
    "landladies landlords",
    "baroness baron",
    "fiancee fiance",
    "bridesmaid groomsman",
    "bridesmaids groomsmen",
    "heiress heir",
    "sorceress sorcerer",
    "godmother godfather",
    "stepmother stepfather",
    "stepdaughter stepson",
    "stepsister stepbrother",
    "schoolmistress schoolmaster",
    "lass lad",
    "gal guy",
    "gals guys",
    "wives husbands",
    "aunts uncles",
    "queens kings",
    "brides grooms",
    "princesses princes",
    "actresses actors",
    "waitresses waiters",
    "witches wizards",
    "nuns monks",
    "goddesses gods",
    "heroines heroes",
    "grandmothers grandfathers",
    "matriarch patriarch",
)
"""Word classes of gender that name a person: (woman, man)."""


def _rows(text: Iterable[str]) -> tuple[Row, ...]:
    return tuple(tuple(row.split()) for row in text)


GENDER = Attribute(
    name="gender",
    values=("woman", "man"),
    nouns=_rows(GENDER_NOUNS),
    adjectives=(("female", "male"), ("feminine", "masculine")),
    aliases=(
        ("ms", "mrs"),
        ("miss", "mrs"),
        ("mister", "mr"),
        ("gentlewoman", "lady"),
        ("countess", "duchess"),
        ("damsel", "lady"),
        ("maiden", "lady"),
        ("dame", "lady"),
        ("mama", "mom"),
        ("mommy", "mom"),
        ("papa", "daddy"),
        ("bridegroom", "groom"),
        ("chap", "guy"),
        ("bloke", "guy"),
        ("dude", "guy"),
        ("gent", "gentleman"),
        ("schoolgirl", "girl"),
        ("schoolboy", "boy"),
        ("granny", "grandma"),
    ),
    marks=GENDER_MARKS,
)
SKIN_TONE = Attribute(
    name="skin tone",
    values=("light", "medium-light", "medium", "medium-dark", "dark"),
    of_skin=(("light", "medium-light", "medium", "medium-dark", "dark"),),
    classes=(
        (
            "light-skinned",
            "medium-light-skinned",
            "medium-skinned",
            "medium-dark-skinned",
            "dark-skinned",
        ),
    ),
    aliases=(
        ("pale", "light"),
        ("fair", "light"),
        ("white", "light"),
        ("light brown", "medium-light"),
        ("olive", "medium"),
        ("tan", "medium"),
        ("tanned", "medium"),
        ("brown", "medium-dark"),
        ("dark brown", "dark"),
        ("black", "dark"),
        ("pale-skinned", "light-skinned"),
        ("fair-skinned", "light-skinned"),
        ("white-skinned", "light-skinned"),
        ("olive-skinned", "medium-skinned"),
        ("brown-skinned", "medium-dark-skinned"),
        ("black-skinned", "dark-skinned"),
    ),
    colors=(
        ("pale", "light-skinned"),
        ("fair", "light-skinned"),
        ("tan", "medium-skinned"),
        ("tanned", "medium-skinned"),
        ("brown", "medium-dark-skinned"),
        ("dark", "dark-skinned"),
    ),
    marks=SKIN_MARKS,
)
AGE = Attribute(
    name="age",
    values=("young", "middle-aged", "old"),
    adjectives=(("young", "middle-aged", "old"),),
    nouns=(("child", "adult", "elder"), ("children", "adults", "elders")),
    aliases=(
        ("elderly", "old"),
        ("aged", "old"),
        ("younger", "young"),
        ("older", "old"),
        ("youngest", "young"),
        ("oldest", "old"),
        ("kid", "child"),
        ("kids", "children"),
        ("youngster", "child"),
        ("youngsters", "children"),
        ("grown-up", "adult"),
        ("grown-ups", "adults"),
        ("senior", "elder"),
        ("seniors", "elders"),
        ("pensioner", "elder"),
        ("pensioners", "elders"),
    ),
    marks=AGE_MARKS,
)
ETHNICITY = Attribute(
    name="ethnicity",
    values=("caucasian", "african", "asian", "indian", "european"),
    adjectives=(("caucasian", "african", "asian", "indian", "european"),),
    nouns=(("caucasians", "africans", "asians", "indians", "europeans"),),
    aliases=(("african-american", "african"), ("east asian", "asian"), ("south asian", "indian")),
    colors=(("white", "caucasian"), ("black", "african")),
    marks=ETHNICITY_MARKS,
    origins=tuple(sorted(ORIGINS)),
)
BUILT_IN = (AGE, GENDER, SKIN_TONE, ETHNICITY)


AGE_AND_GENDER = (
    Joint(
        names=("age", "gender"),
        forms=(("girl", "boy"), ("adult woman", "adult man"), ("elderly woman", "elderly man")),
        aliases=(
            ("little girl", "girl"),
            ("little boy", "boy"),
            ("schoolgirl", "girl"),
            ("schoolboy", "boy"),
            ("lass", "girl"),
            ("lad", "boy"),
            ("maiden", "girl"),
            ("damsel", "girl"),
            ("grown woman", "adult woman"),
            ("grown man", "adult man"),
            ("grandmother", "elderly woman"),
            ("grandfather", "elderly man"),
            ("grandma", "elderly woman"),
            ("grandpa", "elderly man"),
            ("granny", "elderly woman"),
            ("elderly lady", "elderly woman"),
            ("elderly gentleman", "elderly man"),
        ),
    ),
    Joint(
        names=("age", "gender"),
        forms=(("girls", "boys"), ("adult women", "adult men"), ("elderly women", "elderly men")),
        aliases=(
            ("grandmothers", "elderly women"),
            ("grandfathers", "elderly men"),
            ("little girls", "girls"),
            ("little boys", "boys"),
        ),
    ),
)
"""Where age is hidden, these stand before the classes of gender alone: `boy` is young and a man."""
