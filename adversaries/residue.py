"""Read the sensitive words that are the same in every row: what substitution left behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.obclip.lexicon import OBLIQUE, PRONOUNS, AttributeSpace
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .rows import GENERATE, rows_of

WORD = re.compile(r"(?:medium-)?[A-Za-z]+")


@dataclass(frozen=True, kw_only=True)
class TemplateResidue:
    """Score = residual words that agree with the candidate, less those that contradict it.

    A word that stands in every row was not substituted. If it shows a value of a sensitive
    attribute ("around his eyes", as in a template of the ObCLIP paper itself), it shows the real
    one. On an undefended request every word is residue.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        space = AttributeSpace()
        for game, texts in enumerate(candidates):
            rows = rows_of(views, game, texts)
            scores[game, : len(texts)] = agreement(rows.prompts, texts, space)
        return Guesses(scores=scores)


def agreement(rows: Sequence[str], candidates: Sequence[str], space: AttributeSpace) -> Scores:
    """How well each candidate fits the sensitive words common to all rows, shape (candidates,)."""
    if not rows:
        return np.zeros(len(candidates))
    common = set.intersection(*(set(WORD.findall(row.lower())) for row in rows))
    shown = _shown(common, space)
    return np.array(
        [
            sum(
                (1.0 if value in mine[attribute] else -1.0)
                for attribute, value in shown
                if attribute in mine
            )
            for mine in (values_of(text, space) for text in candidates)
        ]
    )


def _shown(words: set[str], space: AttributeSpace) -> list[tuple[str, int]]:
    shown = []
    for word in sorted(words):
        if word in space.words:
            attribute, _, value = space.words[word]
            shown.append((attribute.name, value))
        elif word in OBLIQUE:
            shown.append(("gender", OBLIQUE[word]))
        else:
            shown += [("gender", f.index(word)) for f in PRONOUNS.values() if word in f]
    return shown


def values_of(text: str, space: AttributeSpace) -> dict[str, set[int]]:
    """The values that a text shows of each attribute that it mentions."""
    values: dict[str, set[int]] = {}
    for attribute, value in _shown(set(WORD.findall(text.lower())), space):
        values.setdefault(attribute, set()).add(value)
    return values
