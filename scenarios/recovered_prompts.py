"""How near a recovered prompt comes to the one that was asked for, in words and in pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import Scores
from ..adversaries.prompts.plausible import typical
from ..adversaries.prompts.vocabulary import stated, token_f1
from ..defenses.seeds import torch_stream
from . import likeness
from .contract import Setting, Trials
from .drawn import BLIND, PROMPT, Drawn, Said

Floats = npt.NDArray[np.float64]
Compare = Callable[[Sequence[str], Sequence[str]], Floats]
"""From what was said and what was asked for to a value of each pair, shape (said, asked)."""

MATCH, TOKENS, MEANING, PICTURE = (
    "exact match",
    "token F1",
    "embedding similarity",
    "picture similarity",
)
STATED = ("subject", "gender", "tone", "style")
SHARES = (MATCH, *STATED)
"""Measures that are 0 or 1 in every game."""

MEASURES = (*SHARES, TOKENS, MEANING, PICTURE)
"""First part of the names under which the measures of recovered prompts are kept."""


class Compared:
    """Compares recovered prompts with those asked for; embeds and draws nothing twice.

    Args:
        setting: Of the run.
        drawn: First games of an arm in which recovered prompts are drawn again.
    """

    def __init__(self, setting: Setting, drawn: int) -> None:
        self._setting = setting
        self._drawn = drawn
        self._embedded: dict[str, Floats] = {}
        self._pictured: dict[tuple[str, str], Floats] = {}

    def trials(self, played: Drawn, heard: Mapping[str, Said]) -> Trials:
        """Trials of an arm: scores of candidates, and measures of what was said.

        Measures have shape (games, 2): of the game's own prompt, and the mean over the prompts of
        all other games (labels permuted).
        """
        asked = [secret.candidates[secret.real] for secret in played.secrets]
        said = {name: each.own.texts for name, each in heard.items() if each.own.texts is not None}
        said[BLIND] = (typical(),) * len(asked)
        scores: dict[str, Scores] = {}
        swapped: dict[str, Scores] = {}
        for name, texts in said.items():
            scores |= {f"{key}/{name}": v for key, v in self.measured(texts, asked, played).items()}
        for name, each in heard.items():
            scores[f"{PROMPT}/{name}"] = each.own.scores
            if each.swapped is not None:
                swapped[f"{PROMPT}/{name}"] = each.swapped.scores
                texts = each.swapped.texts or ()
                found = self.measured(texts, asked, played, pictures=False) if texts else {}
                swapped |= {f"{key}/{name}": values for key, values in found.items()}
        return Trials(
            arm=played.arm.name,
            truth=played.truth,
            counts=np.full(len(asked), played.arm.candidates, dtype=np.int64),
            scores=scores,
            swapped=swapped,
            facts={**played.facts, "majority": _majority(played.secrets[0].candidates)},
        )

    def measured(
        self, texts: Sequence[str], asked: Sequence[str], played: Drawn, *, pictures: bool = True
    ) -> dict[str, Floats]:
        """Every measure of one adversary's prompts, shape (games, 2) each."""
        tables = {MATCH: _equal, TOKENS: _token_f1, MEANING: self._meaning}
        found = {key: paired(table(texts, asked)) for key, table in tables.items()}
        own, true = [stated(text) for text in texts], [stated(text) for text in asked]
        for key in STATED:
            found[key] = paired(_equal([o[key] for o in own], [t[key] for t in true]))
        if pictures and self._drawn > 1:
            found[PICTURE] = paired(self._picture(texts[: self._drawn], played))
        return found

    def _meaning(self, texts: Sequence[str], asked: Sequence[str]) -> Floats:
        """Cosines of text embeddings."""
        return np.asarray(self._texts(texts) @ self._texts(asked).T)

    def _texts(self, texts: Sequence[str]) -> Floats:
        from ..targets.clip import Clip

        if new := [text for text in dict.fromkeys(texts) if text not in self._embedded]:
            vectors = Clip.open().embed_texts(new).double().cpu().numpy()
            self._embedded.update(zip(new, vectors, strict=True))
        return np.stack([self._embedded[text] for text in texts])

    def _picture(self, texts: Sequence[str], played: Drawn) -> Floats:
        """Cosines of image embeddings: of what the prompt draws, and of what clients got."""
        target = self._setting.target(played.arm.model)
        true = _embedded_images(likeness.firsts(target, played.latents[: len(texts)]))
        sampler = repr(likeness.sampler_of(played.arm.defense))
        missing = [t for t in dict.fromkeys(texts) if (sampler, t) not in self._pictured]
        for start in range(0, len(missing), likeness.ROWS):
            some = missing[start : start + likeness.ROWS]
            images = likeness.drawn(target, played.arm.defense, some, self._noise(played, some))
            keys = [(sampler, text) for text in some]
            self._pictured.update(zip(keys, _embedded_images(images), strict=True))
        drawn = np.stack([self._pictured[sampler, text] for text in texts])
        return np.asarray(drawn @ true.T, dtype=np.float64)

    def _noise(self, played: Drawn, texts: Sequence[str]) -> Any:
        """One noise for all prompts: what differs between pictures is what the prompts say."""
        from ..targets import sampling

        pipe = sampling.open_denoiser(self._setting.target(played.arm.model))
        coins = torch_stream(self._setting.seed, "prompts drawn again")
        return sampling.initial_noise(pipe, 1, coins).repeat(len(texts), 1, 1, 1)


def _embedded_images(images: likeness.Pictures) -> Floats:
    from ..targets.clip import Clip

    return np.asarray(Clip.open().embed_images(likeness.tensor(images)).double().cpu().numpy())


def paired(table: Floats) -> Floats:
    """A game's own value, and its mean over the others, from a table (games, games)."""
    own, n = np.diagonal(table), len(table)
    others = (table.sum(axis=1) - own) / max(1, n - 1)
    return np.stack([own, others], axis=1)


def _equal(said: Sequence[str], asked: Sequence[str]) -> Floats:
    return np.array([[float(s == a) for a in asked] for s in said])


def _token_f1(said: Sequence[str], asked: Sequence[str]) -> Floats:
    return np.array([[token_f1(s, a) for a in asked] for s in said])


def _majority(candidates: Sequence[str]) -> dict[str, float]:
    """Share of candidates that the commonest value of each attribute is right for."""
    found = [stated(text) for text in candidates]
    return {
        key: max(values.count(value) for value in set(values)) / len(values)
        for key in STATED
        for values in ([each[key] for each in found],)
    }
