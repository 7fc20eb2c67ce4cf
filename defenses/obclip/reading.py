"""Which words of a prompt are declared, and whom they are about.

The rules look only at what all candidates share, the words between the declared ones:

- a noun for a person, and a word class that is declared so, counts wherever it stands;
- an adjective counts if the words after it lead to a noun for a person (`an old smiling nurse`) or
  a part of one, and not if they lead to another noun (`an old house`, `a white wall`). With no noun
  after it, it counts if the prompt has a person (`the woman in the garden is old`), unless it is
  said of a thing (`the house is old`);
- a colour counts right before a noun for a person, or said of one (`a black man`, `she is black`);
- a skin tone counts where skin is named (`dark skin`, `her skin is dark`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from .declared import BUILT_IN
from .detector import Kind, detect
from .grammar import Piece, pieces_of
from .lexicon import FUNCTION_WORDS, GENDER, OBLIQUE, PRONOUNS, About, AttributeSpace, Entry
from .vocabulary import (
    BODY,
    FOREIGN,
    NAMES,
    NOT_PERSONS,
    PERSONS,
    PORTRAITS,
    SKIN,
    THINGS,
    words,
)

PRONOUN_WORDS = frozenset({form for forms in PRONOUNS.values() for form in forms} | set(OBLIQUE))
COPULAS = words("is are was were be looks look seems seem appears being")
DEGREES = words("very quite rather too so still visibly really")
NAMED = PERSONS | {
    word
    for attribute in BUILT_IN
    for row in attribute.nouns
    for word in (*row, *(alias for alias, form in attribute.aliases if form in row))
}
"""Nouns for a person, whether what they show is hidden or not."""
_LISTED = (
    NAMED
    | THINGS
    | BODY
    | SKIN
    | FUNCTION_WORDS
    | PRONOUN_WORDS
    | COPULAS
    | DEGREES
    | NAMES
    | FOREIGN
)
_NOT_MEN = words("""
german germans norman normans ottoman shaman shamans talisman caiman brahman specimen regimen
abdomen acumen stamen cyclamen dolmen bitumen superhuman nonhuman cayman turkmen
""")
_MAN = re.compile(r"(?P<stem>[a-z]{3,}?)(?P<end>woman|women|man|men)")
_MODIFIER = re.compile(r"[a-z]+(?:ing|ed|ly|ish|ful|ous|ive|able|less)")
_PLURALS = {"woman": ("woman", "man"), "women": ("women", "men")}


class Head(Enum):
    """What the words after an adjective lead to."""

    PERSON = "a noun for a person"
    BODY = "a part of a person"
    SKIN = "skin"
    THING = "another noun"
    NOTHING = "no noun"


class Token(NamedTuple):
    """A word, a declared phrase, or what stands between words.

    Attributes:
        kind: As of a piece; a declared phrase is one `word`.
        text: As it stands.
        key: The phrase as it is looked up: hyphens are spaces.
        entries: What it can say, if it is declared.
    """

    kind: str
    text: str
    key: str = ""
    entries: tuple[Entry, ...] = ()

    @property
    def noun(self) -> bool:
        """Whether it is a declared noun for a person."""
        return bool(self.entries) and self.entries[0].noun


@dataclass(frozen=True)
class Mention:
    """A declared word that counts: what it says, and the token of the person it is about."""

    entry: Entry
    person: int | None


@dataclass(frozen=True)
class Reading:
    """A plain text in tokens.

    Attributes:
        tokens: Joined, they are the text.
        space: What is declared.
        trained: Whether the trained detector is asked about words that no list knows.
    """

    tokens: tuple[Token, ...]
    space: AttributeSpace
    trained: bool = True

    @cached_property
    def kinds(self) -> dict[int, Kind]:
        """What the trained detector takes each unlisted word for, by token."""
        if not self.trained:
            return {}
        shown = [i for i, token in enumerate(self.tokens) if token.text.strip(" -")]
        context = tuple(self._mask(i) for i in shown)
        return {i: detect(context, at) for at, i in enumerate(shown) if self._is_unlisted(i)}

    @cached_property
    def persons(self) -> tuple[int, ...]:
        """Tokens that name a person, declared or not."""
        return tuple(i for i, _ in enumerate(self.tokens) if self._is_person(i))

    @cached_property
    def mentions(self) -> dict[int, Mention]:
        """Declared words that count, by token."""
        found = {i: self._mention(i) for i, token in enumerate(self.tokens) if token.entries}
        return {i: mention for i, mention in found.items() if mention is not None}

    @cached_property
    def has_person(self) -> bool:
        """Whether anything promises a person."""
        keys = {token.key for token in self.tokens}
        return bool(self.persons) or bool(keys & (PRONOUN_WORDS | PORTRAITS))

    def word(self, index: int) -> str:
        """The word at a token, or an empty string beyond the prompt and at gaps."""
        return self.tokens[index].key if 0 <= index < len(self.tokens) else ""

    def head(self, index: int) -> tuple[Head, int]:
        """What the words after token `index` lead to, and where."""
        thing, unknown, female, loose = -1, -1, -1, False
        for at, joined in self._chain(index):
            word = self.tokens[at].key
            loose = loose or not joined
            if self._is_person(at):
                return Head.PERSON, at
            if loose and word in THINGS:
                break
            if word in SKIN or word in BODY:
                return (Head.SKIN if word in SKIN else Head.BODY), at
            if word in THINGS:
                thing = at
            elif any(entry.names == (GENDER.name,) for entry in self.tokens[at].entries):
                female = at
            elif not (loose or self.tokens[at].entries or self._is_no_noun(index, word)):
                unknown = at
        if thing < 0 and female >= 0:
            return Head.PERSON, female
        thing = max(thing, unknown)
        return (Head.THING, thing) if thing >= 0 else (Head.NOTHING, index)

    def _is_no_noun(self, index: int, word: str) -> bool:
        """`smiling`, and the verb of `an asian waits`: no plural follows `a`."""
        verb = word.endswith("s") and self.word(index - 2) in ("a", "an", "one", "every", "this")
        return verb or _MODIFIER.fullmatch(word) is not None

    def is_predicate(self, index: int) -> bool:
        """Whether token `index` is said of something before it: `is old`, `looks very old`."""
        before = self.word(index - 2)
        if before in DEGREES:
            before = self.word(index - 4)
        return before in COPULAS or self.word(index - 1) in ("'s", "'re", "'m")

    def of_thing(self, index: int) -> bool:
        """Whether the last noun before a predicate is a thing: `the house is old`."""
        for at in range(index - 1, -1, -1):
            if self._is_person(at) or self.word(at) in PRONOUN_WORDS | BODY:
                return False
            if self.word(at) in THINGS:
                return True
        return False

    def nearest(self, index: int) -> int | None:
        """The last person before token `index`, else the first after it."""
        before = [at for at in self.persons if at < index]
        return before[-1] if before else next(iter(self.persons), None)

    def about_person(self, index: int) -> bool:
        """Whether an adjective at token `index` is about a person."""
        head, _ = self.head(index)
        if self.is_predicate(index):
            return not self.of_thing(index)
        if head is not Head.NOTHING:
            return head is not Head.THING
        nominal = self.word(index - 2) in ("a", "an", "the")
        things = any(token.key in THINGS for token in self.tokens)
        return self.has_person or nominal or not things

    def _mention(self, index: int) -> Mention | None:
        for entry in self.tokens[index].entries:
            if entry.noun:
                return Mention(entry, index)
            if self._counts(index, entry):
                return Mention(entry, self._bound(index, entry))
        return None

    def _counts(self, index: int, entry: Entry) -> bool:
        if entry.about is About.ALWAYS:
            return True
        if entry.about is About.PERSON:
            return self.about_person(index)
        head, at = self.head(index)
        if entry.about is About.SKIN:
            return head is Head.SKIN or self._said_of_skin(index)
        between = [self.tokens[i].key for i, _ in self._chain(index) if i < at]
        if self.is_predicate(index) and head is Head.NOTHING:
            return not self.of_thing(index) and self.word(index - 4) not in BODY | SKIN
        return head is Head.PERSON and not THINGS.intersection(between)

    def _bound(self, index: int, entry: Entry) -> int | None:
        head, at = self.head(index)
        if head is Head.PERSON and not self.is_predicate(index):
            return at
        if entry.about is About.ALWAYS:
            return index
        if entry.names == (GENDER.name,) and head is Head.NOTHING and not self.is_predicate(index):
            return index
        return self.nearest(index)

    def _said_of_skin(self, index: int) -> bool:
        """`skin is dark`, `skin tone: dark`."""
        at, between = index - 2, COPULAS | DEGREES | {"tone", "color", "colour"}
        while self.word(at) in between and self.tokens[at + 1].text in (" ", ": "):
            at -= 2
        return self.word(at) in SKIN and self.tokens[at + 1].text in (" ", ": ")

    def _chain(self, index: int) -> list[tuple[int, bool]]:
        """Words that follow without a break; the flag is false after `and` or a comma."""
        chain: list[tuple[int, bool]] = []
        joined, at = True, index + 1
        while at + 1 < len(self.tokens) and self.tokens[at].text in (" ", "-", ", "):
            joined = joined and self.tokens[at].text != ", "
            word = self.word(at + 1)
            if word in ("and", "or", "but"):
                joined = False
            elif self.tokens[at + 1].kind != "word" or word in FUNCTION_WORDS | PRONOUN_WORDS:
                break
            else:
                chain.append((at + 1, joined))
            at += 2
        return chain

    def _is_person(self, index: int) -> bool:
        token = self.tokens[index]
        named = token.noun or token.key in NAMED or _man(token.key) is not None
        return named or self.kinds.get(index) is Kind.PERSON

    def _is_unlisted(self, index: int) -> bool:
        token, space = self.tokens[index], self.space
        listed = token.entries or token.key in _LISTED or token.key in NOT_PERSONS
        marked = token.key in space.marks or token.key in space.origins
        return token.kind == "word" and len(token.key) > 1 and not (listed or marked)

    def _mask(self, index: int) -> str:
        """A token as the detector sees it: the same in every candidate."""
        token = self.tokens[index]
        if token.entries:
            return "<person>" if token.noun else "<attribute>"
        if token.key in PRONOUN_WORDS:
            return "<pronoun>"
        return "<a>" if token.key in ("a", "an") else token.text.strip()


def read(text: str, space: AttributeSpace, *, trained: bool = True) -> Reading:
    """Cut a plain text into words and declared phrases."""
    pieces, tokens, at = pieces_of(text), list[Token](), 0
    while at < len(pieces):
        count = _phrase(pieces, at, space)
        if pieces[at].kind == "gap":
            tokens.append(Token("gap", pieces[at].text))
        else:
            raw = "".join(piece.text for piece in pieces[at : at + count])
            tokens.append(_token(pieces[at], raw, space))
        at += count
    return Reading(tuple(tokens), space, trained)


def _phrase(pieces: list[Piece], at: int, space: AttributeSpace) -> int:
    """Pieces of the longest declared phrase that starts at `at`, else 1."""
    for phrase in space.phrases.get(pieces[at].text, ()):
        found = pieces[at : at + 2 * len(phrase) - 1]
        gaps = {piece.text for piece in found[1::2]}
        if tuple(piece.text for piece in found[::2]) == phrase and gaps <= {" ", "-"}:
            return len(found)
    return 1


def _token(piece: Piece, raw: str, space: AttributeSpace) -> Token:
    if piece.kind == "age":
        return Token("word", raw, raw, _aged(piece.value, space))
    key = raw.replace("-", " ") if piece.kind in ("word", "number") else raw
    if key in NOT_PERSONS:
        return Token("word", raw, key)
    kind = "word" if key != piece.text else piece.kind
    return Token(kind, raw, key, space.entries.get(key) or _compound(key, space))


def _aged(value: int, space: AttributeSpace) -> tuple[Entry, ...]:
    """`30-year-old` says what `young` says, where that is declared."""
    names = ("young", "middle-aged", "old")
    return tuple(e for e in space.entries.get("young", ()) if e.forms == names) and tuple(
        Entry(e.names, e.forms, value, e.about, e.noun) for e in space.entries["young"]
    )


def _compound(word: str, space: AttributeSpace) -> tuple[Entry, ...]:
    """`swordsman` and every other compound of man, woman, men and women."""
    match = _man(word)
    if match is None or space.values.get(GENDER.name) != GENDER.values:
        return ()
    ends = _PLURALS["woman" if match["end"] in ("woman", "man") else "women"]
    forms = tuple(match["stem"] + end for end in ends)
    value = ends.index(match["end"])
    return (Entry((GENDER.name,), forms, value, About.ALWAYS, noun=True),)


def compound_of(word: str) -> str:
    """`old` of `oldman`; empty if the word is no compound of man or woman."""
    match = _man(word)
    return match["stem"] if match else ""


def _man(word: str) -> re.Match[str] | None:
    return None if word in _NOT_MEN else _MAN.fullmatch(word)
