"""A prompt with its sensitive words taken out: what all candidates share.

The oblivious guarantee needs more than substitution: the candidate set must be the *same set*
whichever candidate is real (paper, Appendix C: candidate_prompt(p) = candidate_prompt(p')).
So a template is a normal form. Every rule looks only at what all candidates share:

- text is lower case with single spaces (`grammar.plain`), an alias stands as its form;
- each declared word that counts (`reading`) is a slot; slots of one person and attribute share a
  variable, and variables stand in order of appearance;
- a pronoun shares the variable of the nearest gendered person before it, else of the first after it
  (but `his wife` is not the wife), else all that are left share one of their own;
- `her` and `his` are determiners before a word of content; elsewhere `her` is an object and `his`
  stands alone (`hers`);
- `a` or `an` goes by the sound of what follows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from .giveaways import check_giveaways, check_language
from .grammar import DetectionError, article, plain
from .lexicon import AGE, FUNCTION_WORDS, GENDER, OBLIQUE, PRONOUNS, AttributeSpace
from .reading import PRONOUN_WORDS, Head, Mention, Reading, read

__all__ = ["Article", "DetectionError", "Slot", "Template", "template_of"]

Key = tuple[int | None, str]
"""A person's token (None: nobody named) and an attribute."""


@dataclass(frozen=True)
class Slot:
    """A place whose word depends on one variable, or on two.

    Attributes:
        variables: Numbers of its variables.
        forms: Words by value, the last variable fastest.
    """

    variables: tuple[int, ...]
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Article:
    """`a` or `an`, by the word that follows."""


@dataclass(frozen=True)
class Template:
    """A prompt's normal form.

    Attributes:
        parts: Literal text, articles and slots.
        names: Attribute of each variable.
        values: Value names of each variable, in canonical order.
        real: The values that the original prompt has: the secret.
    """

    parts: tuple[str | Slot | Article, ...]
    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    real: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of candidates, N."""
        return math.prod(map(len, self.values))

    def combinations(self) -> list[tuple[int, ...]]:
        """All value combinations in canonical order."""
        return list(itertools.product(*(range(len(v)) for v in self.values)))

    def realise(self, values: tuple[int, ...]) -> str:
        """The candidate prompt with these values."""
        text = ""
        for part in reversed(self.parts):
            if isinstance(part, Slot):
                text = self.form(part, values) + text
            elif isinstance(part, Article):
                text = article(text.lstrip()) + text
            else:
                text = part + text
        return text

    def form(self, slot: Slot, values: tuple[int, ...]) -> str:
        """The word in a slot."""
        place = 0
        for variable in slot.variables:
            place = place * len(self.values[variable]) + values[variable]
        return slot.forms[place]

    def candidates(self) -> tuple[str, ...]:
        """All candidate prompts in canonical order (paper, `all_combinations`)."""
        return tuple(self.realise(values) for values in self.combinations())

    @property
    def real_index(self) -> int:
        """Row of the real prompt among `candidates()`."""
        return self.combinations().index(self.real)


def template_of(
    prompt: str, space: AttributeSpace, *, pronouns: bool = True, trained: bool = True
) -> Template:
    """Detect the sensitive words of `prompt` and take them out.

    Args:
        prompt: The real prompt.
        space: Declared attributes.
        pronouns: Substitute third-person pronouns with their noun. False is a known mistake: it
            leaves the secret in every candidate (see `selfcheck`).
        trained: Ask the trained detector about words that no list knows. False is for measuring
            what the rules alone find.

    Raises:
        DetectionError: If a word shows a hidden attribute and has no counterpart, or two words
            about one person disagree, so that no closed candidate set holds this prompt.
    """
    text = plain(prompt)
    check_language(text)
    reading = read(text, space, trained=trained)
    if text != (completed := _completed(reading)):
        reading = read(completed, space, trained=trained)
    check_giveaways(reading)
    return _Builder(reading, pronouns=pronouns and space.hides_gender).template()


def _completed(reading: Reading) -> str:
    """The text with `an elderly` and `a 30-year-old` made `an elderly person` and so on."""
    text = ""
    for index, token in enumerate(reading.tokens):
        mention = reading.mentions.get(index)
        bare = mention is not None and mention.entry.names == (AGE.name,) and not token.noun
        bare = bare and reading.word(index - 2) in ("a", "an")
        text += token.text + " person" * (bare and reading.head(index)[0] is Head.NOTHING)
    return text


class _Builder:
    def __init__(self, reading: Reading, *, pronouns: bool) -> None:
        self._reading = reading
        self._pronouns = pronouns
        self._variables: dict[Key, int] = {}
        self._names: list[str] = []
        self._values: list[tuple[str, ...]] = []
        self._real: list[int] = []
        self._gendered: dict[int, Key] = {}

    def template(self) -> Template:
        """The finished normal form."""
        slots = {i: self._mentioned(i, m) for i, m in self._reading.mentions.items()}
        parts: list[str | Slot | Article] = []
        for index in range(len(self._reading.tokens)):
            part = slots.get(index) or self._part(index)
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
        return Template(tuple(parts), tuple(self._names), tuple(self._values), tuple(self._real))

    def _part(self, index: int) -> str | Slot | Article:
        word, text = self._reading.word(index), self._reading.tokens[index].text
        if word in ("a", "an") and self._reading.word(index + 2):
            return Article()
        if not self._pronouns or word not in PRONOUN_WORDS:
            return text
        role = _role(self._reading, index)
        value = OBLIQUE.get(word)
        value = PRONOUNS[role].index(word) if value is None else value
        key = self._referent(index, possessive=role == "possessive")
        return Slot((self._variable(key, GENDER.values, value, word),), PRONOUNS[role])

    def _mentioned(self, index: int, mention: Mention) -> Slot:
        entry, space = mention.entry, self._reading.space
        values = [space.values[name] for name in entry.names]
        shape = [len(v) for v in values]
        places = (entry.value // shape[-1], entry.value % shape[-1])[-len(shape) :]
        text = self._reading.tokens[index].text
        variables = []
        for name, row, place in zip(entry.names, values, places, strict=True):
            key = (mention.person, name)
            variables.append(self._variable(key, row, place, text))
            if name == GENDER.name:
                self._gendered[index] = key
        return Slot(tuple(variables), entry.forms)

    def _variable(self, key: Key, values: tuple[str, ...], real: int, word: str) -> int:
        if key not in self._variables:
            self._variables[key] = len(self._names)
            self._names.append(key[1])
            self._values.append(values)
            self._real.append(real)
        variable = self._variables[key]
        if self._real[variable] != real:
            raise DetectionError(
                f"prompt: the word {word!r} disagrees in {key[1]} with another word about the same "
                "person, so the prompt is in no closed candidate set: reword it, or name the other "
                "person by a noun"
            )
        return variable

    def _referent(self, index: int, *, possessive: bool) -> Key:
        before = [at for at in self._gendered if at < index]
        if before:
            return self._gendered[before[-1]]
        head, owned = self._reading.head(index)
        own = owned if possessive and head is Head.PERSON else -1
        after = [at for at, key in self._gendered.items() if key[0] != own]
        return self._gendered[after[0]] if after else (None, GENDER.name)


def _role(reading: Reading, index: int) -> str:
    word = reading.word(index)
    if word not in OBLIQUE:
        return "subject" if word in PRONOUNS["subject"] else "reflexive"
    following, joined = reading.word(index + 2), reading.word(index + 1) == ""
    ends = following.endswith("ly") and reading.word(index + 4) in FUNCTION_WORDS | {""}
    spaced = index + 1 < len(reading.tokens) and reading.tokens[index + 1].text in (" ", ' "', " (")
    content = joined and spaced and following and following not in FUNCTION_WORDS | PRONOUN_WORDS
    if word == "him":
        return "objective"
    if word == "hers":
        return "independent"
    if content and not ends:
        return "possessive"
    return "objective" if word == "her" else "independent"
