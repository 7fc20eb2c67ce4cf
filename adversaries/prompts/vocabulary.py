"""The closed vocabulary of prompts, what a prompt says, and which subjects only games use.

Everybody knows the captions of the embedded set: 3,786 labels, in up to four styles each. Games
ask for single persons with one of the `SUBJECTS`; what an attack learns from (`known`) holds
none of their families.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from ...targets.captions import GENDERS, STYLE_NAMES, TONES, PersonPrompt, caption
from ...targets.emoji import Emoji
from ..contract import Scores, empty_scores

ATTRIBUTES = {"gender": GENDERS, "tone": TONES, "style": tuple(STYLE_NAMES)}
"""What a prompt states of a person beside the subject, with the values in order."""

STYLES = ("noto", "twemoji")
"""Styles that games ask for; the names of the others are words that ObCLIP refuses."""

EVERY = 5
"""Each so many subjects, in order of name, three are held out for games."""

WORD = re.compile(r"[a-z0-9']+(?:-[a-z0-9']+)*")
_TONE = re.compile(r"\b(medium-light|medium-dark|light|medium|dark)(?= skin\b)")
_SHOWN = {name: key for key, name in STYLE_NAMES.items()}
_STYLE = re.compile(r"\b(" + "|".join(sorted(_SHOWN, key=len, reverse=True)) + r")\b")
_GENDER = re.compile(r"\b(woman|man)\b")
_TEMPLATE = frozenset({"a", "skin", "tone", "style", "person", "woman", "man"})


def words(text: str) -> tuple[str, ...]:
    """Words in lower case, in order; punctuation is none."""
    return tuple(WORD.findall(text.lower()))


def stated(text: str) -> dict[str, str]:
    """What a prompt says: `subject`, `gender`, `tone`, `style`; empty where it says nothing.

    Who is called neither woman nor man is a person.
    """
    plain = text.lower()
    found = {"gender": _GENDER.search(plain), "tone": _TONE.search(plain)}
    style = _STYLE.search(plain)
    rest = _STYLE.sub(" ", _TONE.sub(" ", plain))
    return {
        "subject": " ".join(word for word in words(rest) if word not in _TEMPLATE),
        "gender": found["gender"][1] if found["gender"] else GENDERS[-1],
        "tone": found["tone"][1] if found["tone"] else "",
        "style": _SHOWN[style[1]] if style else "",
    }


def token_f1(said: str, asked: str) -> float:
    """Harmonic mean of precision and recall of the words of a recovered prompt, as multisets."""
    own, true = sorted(words(said)), sorted(words(asked))
    common = sum(min(own.count(word), true.count(word)) for word in set(own))
    return 2 * common / (len(own) + len(true)) if own and true else 0.0


def by_words(texts: Sequence[str], candidates: Sequence[Sequence[str]]) -> Scores:
    """Scores of each game's candidates: token F1 with what was recovered."""
    scores = empty_scores(candidates)
    for row, text, options in zip(scores, texts, candidates, strict=True):
        row[: len(options)] = [token_f1(text, option) for option in options]
    return scores


@cache
def subjects() -> tuple[str, ...]:
    """Subjects that games ask for: three in `EVERY`, less what ObCLIP refuses."""
    every = (s for s in Emoji.open().subjects if "baby" not in s)
    return tuple(s for i, s in enumerate(every) if i % EVERY < 3)


def game_prompts() -> tuple[str, ...]:
    """Every prompt that a game may ask for."""
    return tuple(
        str(PersonPrompt(gender=gender, tone=tone, subject=subject, style=style))
        for subject in subjects()
        for gender in GENDERS
        for tone in TONES
        for style in STYLES
    )


@cache
def every_prompt() -> tuple[str, ...]:
    """All captions of the set, and all prompts of games (a style may lack some labels)."""
    emoji = Emoji.open()
    pairs = zip(emoji.label.tolist(), emoji.style.tolist(), strict=True)
    return tuple(sorted({caption(label, style) for label, style in pairs} | set(game_prompts())))


@cache
def known() -> tuple[str, ...]:
    """Captions of single persons from families of which no game asks, in random order.

    In the styles that games ask for, and only those whose words tell the gender by woman and man
    alone: no prince, no merman.
    """
    emoji = Emoji.open()
    rows = _order(emoji.person & emoji.member & ~_asked_for())
    pairs = ((caption(str(emoji.label[i]), str(emoji.style[i])), emoji.gender[i]) for i in rows)
    return tuple(text for text, gender in pairs if _like_games(stated(text), str(gender)))


def _like_games(said: dict[str, str], gender: str) -> bool:
    return said["gender"] == gender and said["style"] in STYLES


@cache
def public() -> tuple[str, ...]:
    """Captions of anything from families of which no game asks, in random order."""
    emoji = Emoji.open()
    rows = _order(~_asked_for())
    return tuple(caption(str(emoji.label[i]), str(emoji.style[i])) for i in rows)


def _order(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return np.random.default_rng(0).permutation(np.flatnonzero(chosen))


def _asked_for() -> npt.NDArray[np.bool_]:
    """Images whose family holds a label that games ask for."""
    emoji = Emoji.open()
    ends = {f"{gender} {subject}" for gender in GENDERS for subject in subjects()}
    ends |= set(subjects())
    heads = np.array([label.partition(":")[0] for label in emoji.label.tolist()])
    held = set(emoji.family[np.isin(heads, list(ends))].tolist())
    return np.isin(emoji.family, list(held))
