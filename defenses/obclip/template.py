"""A prompt with its sensitive words taken out: what all candidates share.

The oblivious guarantee needs more than substitution: the candidate set must be the *same set*
whichever candidate is real (paper, Appendix C: candidate_prompt(p) = candidate_prompt(p')).
So a template is a normal form. Every rule below looks only at what all candidates share:

- each noun or adjective of the space is a variable of its own, in order of appearance;
- a pronoun follows the nearest gendered noun before it (else after it, else one of its own);
- `her / hers / his / him` is possessive before a noun and objective elsewhere, whatever the word;
- `a / an` before a variable is chosen by the word that follows.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

from .lexicon import FUNCTION_WORDS, OBLIQUE, PRONOUNS, Attribute, AttributeSpace

_TOKEN = re.compile(
    r"(?P<phrase>\b(?:medium[- ](?:light|dark)|light|medium|dark)(?=[- ]skin)"
    r"|\bmiddle[- ]aged\b)"
    r"|(?P<word>[A-Za-z]+)|(?P<other>[^A-Za-z]+)",
    re.IGNORECASE,
)
_TONES = frozenset({"light", "medium", "dark"})
_CONSONANT_SOUND = frozenset({"european"})


class DetectionError(ValueError):
    """A prompt cannot be hidden; nothing was sent."""


@dataclass(frozen=True)
class Slot:
    """A place whose word depends on a variable: `forms` by value, in the case of the original."""

    variable: int
    forms: tuple[str, ...]
    case: str


@dataclass(frozen=True)
class Article:
    """`a` or `an`, by the word that follows."""

    case: str


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
                text = _cased(part.forms[values[part.variable]], part.case) + text
            elif isinstance(part, Article):
                text = _cased(_article(text), part.case) + text
            else:
                text = part + text
        return text

    def candidates(self) -> tuple[str, ...]:
        """All candidate prompts in canonical order (paper, `all_combinations`)."""
        return tuple(self.realise(values) for values in self.combinations())

    @property
    def real_index(self) -> int:
        """Row of the real prompt among `candidates()`."""
        return self.combinations().index(self.real)


def template_of(prompt: str, space: AttributeSpace, *, pronouns: bool = True) -> Template:
    """Detect the sensitive words of `prompt` and take them out.

    Args:
        prompt: The real prompt.
        space: Declared attributes.
        pronouns: Substitute third-person pronouns with their noun. False is a known mistake: it
            leaves the secret in every candidate (see `selfcheck`).

    Raises:
        DetectionError: If a pronoun disagrees with its noun, so that no candidate set that holds
            this prompt is closed.
    """
    tokens = [(m.lastgroup or "other", m.group()) for m in _TOKEN.finditer(prompt)]
    builder = _Builder(space)
    for kind, raw in tokens:
        builder.variable(kind, raw)
    for index, (kind, raw) in enumerate(tokens):
        builder.part(tokens, index, kind, raw, pronouns=pronouns and space.hides_gender)
    return builder.template(prompt)


class _Builder:
    def __init__(self, space: AttributeSpace) -> None:
        self._space = space
        self._names: list[str] = []
        self._values: list[tuple[str, ...]] = []
        self._real: list[int] = []
        self._parts: list[str | Slot | Article] = []
        self._at: dict[int, int] = {}
        self._token = 0

    def variable(self, kind: str, raw: str) -> None:
        """First pass: one variable for each declared word."""
        found = self._lookup(kind, raw)
        if found is not None:
            attribute, _, value = found
            self._at[self._token] = self._new(attribute.name, attribute.values, value)
        self._token += 1

    def part(
        self, tokens: list[tuple[str, str]], index: int, kind: str, raw: str, *, pronouns: bool
    ) -> None:
        """Second pass: literals, articles and slots."""
        found = self._lookup(kind, raw)
        if found is not None:
            self._parts.append(Slot(self._at[index], found[1], _case(raw)))
            return
        role = _role(tokens, index) if pronouns and kind == "word" else None
        if role is not None:
            value = OBLIQUE.get(raw.lower())
            value = PRONOUNS[role].index(raw.lower()) if value is None else value
            self._parts.append(Slot(self._referent(index, value, raw), PRONOUNS[role], _case(raw)))
        elif raw.lower() in ("a", "an") and index + 2 in self._at and tokens[index + 1][1] == " ":
            self._parts.append(Article("title" if raw[0].isupper() else "lower"))
        else:
            self._parts.append(raw)

    def template(self, prompt: str) -> Template:
        """The finished normal form."""
        if any("\0" in part for part in self._parts if isinstance(part, str)):
            raise DetectionError(f"prompt={prompt!r} must not hold the character U+0000")
        return Template(
            tuple(self._parts), tuple(self._names), tuple(self._values), tuple(self._real)
        )

    def _lookup(self, kind: str, raw: str) -> tuple[Attribute, tuple[str, ...], int] | None:
        word = raw.lower()
        if kind == "other" or (kind == "word" and word in _TONES):
            return None
        return self._space.words.get(word)

    def _new(self, name: str, values: tuple[str, ...], real: int) -> int:
        self._names.append(name)
        self._values.append(values)
        self._real.append(real)
        return len(self._names) - 1

    def _referent(self, index: int, value: int, raw: str) -> int:
        nouns = [(at, v) for at, v in self._at.items() if self._names[v] == "gender"]
        before = [v for at, v in nouns if 0 <= at < index]
        if not nouns:
            self._at[-1] = self._new("gender", ("woman", "man"), value)
            return self._at[-1]
        variable = before[-1] if before else nouns[0][1]
        if self._real[variable] != value:
            raise DetectionError(
                f"the pronoun {raw!r} disagrees with the noun it follows, so the prompt is in no "
                "closed candidate set: reword it, or name the other person by a noun"
            )
        return variable


def _role(tokens: list[tuple[str, str]], index: int) -> str | None:
    word = tokens[index][1].lower()
    if word not in OBLIQUE:
        return next((r for r in ("subject", "reflexive") if word in PRONOUNS[r]), None)
    following = tokens[index + 1 : index + 3]
    if len(following) < 2 or not following[0][1].isspace():
        return "objective"
    pronouns = {form for forms in PRONOUNS.values() for form in forms} | set(OBLIQUE)
    noun_like = following[1][1].lower() not in FUNCTION_WORDS | pronouns
    return "possessive" if noun_like else "objective"


def _article(text: str) -> str:
    word = re.match(r"\s*([A-Za-z]+)", text)
    first = word.group(1).lower() if word else ""
    return "an" if first[:1] in tuple("aeiou") and first not in _CONSONANT_SOUND else "a"


def _case(raw: str) -> str:
    if raw.isupper():
        return "upper"
    return "title" if raw[0].isupper() else "lower"


def _cased(text: str, case: str) -> str:
    if case == "upper":
        return text.upper()
    return text[0].upper() + text[1:] if case == "title" else text
