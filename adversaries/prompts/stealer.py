"""Subject and modifiers of a picture: what it shows, then how it was asked to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch

from ...defenses.views import Views
from ...targets.captions import GENDERS, PersonPrompt
from ...targets.clip import Clip
from ...targets.emoji import Emoji
from ..contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .attributes import AttributeClassifiers, PictureClassifiers, likeliest, sums
from .encoder import Floats
from .plausible import typical
from .seen import PICTURED
from .signals import PIXELS, Signals
from .vocabulary import known, stated, subjects

SHARPNESS = 50.0
"""Log-odds of two subjects per unit of cosine: a contrastive encoder's inverse temperature."""


@dataclass(frozen=True, kw_only=True)
class SubjectAndModifiers:
    """PromptStealer's two parts on this vocabulary, from the picture that a view gives.

    1. Modifiers (gender, tone, style): classifiers trained on the attacker's own pictures.
    2. The subject: of all subjects of single persons, the one whose text lies nearest to the
       picture in the image encoder's space. No picture of it was trained on.

    A candidate's score adds its modifiers' log-probabilities and its subject's cosine.

    Queries: two U-Net rows an own execution and step, a row of the text encoder a subject.

    References:
        Shen, Qu, Backes, Zhang, Prompt Stealing Attacks Against Text-to-Image Generation Models
        (USENIX Security 2024), Section 4, https://arxiv.org/abs/2302.09923.

    Attributes:
        examples: Own executions.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = PICTURED
    examples: int = AttributeClassifiers.examples

    def __post_init__(self) -> None:
        if self.examples < 16:
            raise ValueError(f"examples={self.examples} must be >= 16, or a value may be missing")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game's candidates, and say a whole prompt."""
        candidates = aux.candidates or ()
        scores, said = empty_scores(candidates), [typical()] * len(candidates)
        found = Signals(views=views, aux=aux, rng=rng, count=self.examples).read("picture")
        if found is None:
            return Guesses(scores=scores, texts=tuple(said), notes={"games read": 0})
        labels = [stated(text) for text in known()[: self.examples]]
        chances = PictureClassifiers(examples=self.examples).chances(found, labels)
        shown = np.asarray(found.seen[:, 3 * PIXELS**2 :])
        for row, game in enumerate(found.games):
            options = [stated(text) for text in candidates[game]]
            told = {k: {v: float(c[row]) for v, c in chances[k].items()} for k in chances}
            like = {g: embedded(g, people()) @ shown[row] for g in GENDERS}
            near = [like[o["gender"]][_place(o["subject"])] for o in options]
            scores[game, : len(options)] = sums(told, options) + SHARPNESS * np.array(near)
            best = likeliest(told, options)
            said[game] = _prompt(best, like[best["gender"]])
        return Guesses(scores=scores, texts=tuple(said), notes={"games read": len(found.games)})


def _prompt(modifiers: dict[str, str], like: Scores) -> str:
    subject = people()[int(np.argmax(like))]
    return str(PersonPrompt(subject=subject, **modifiers))


def _place(subject: str) -> int:
    return [each.lower() for each in people()].index(subject.lower())


@cache
def people() -> tuple[str, ...]:
    """Subjects of single persons in the set, in order of name."""
    emoji = Emoji.open()
    heads = {label.partition(":")[0] for label in emoji.label[emoji.person].tolist()}
    found = {stated(head)["subject"]: head for head in sorted(heads) if stated(head)["subject"]}
    asked = {subject.lower(): subject for subject in subjects()}
    return tuple(asked.get(name, name) for name in sorted(found))


@cache
def embedded(gender: str, names: Sequence[str]) -> Floats:
    """Unit vectors of subjects of one gender, shape (names, width)."""
    texts = [f"{gender} {name}" for name in names]
    with torch.no_grad():
        return np.asarray(Clip.open().embed_texts(texts).double().cpu().numpy())
