"""The prompt of a closed vocabulary that a noisy encoding comes from, found token by token."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ...targets.pipeline import Target
from .encoder import Encoder
from .vocabulary import every_prompt

Floats = npt.NDArray[np.float64]
Prefix = tuple[int, ...]

MARGIN = 50.0
"""Log-likelihood below the best at which a prefix is given up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trie:
    """Prompts by their tokens.

    The encoder is causal: the state of a token depends on those before it. So a prefix that does
    not explain the states seen so far need not be continued, and a vocabulary of N prompts is
    searched with a few hundred rows of the encoder instead of N.

    Attributes:
        encoder: The public text encoder.
        texts: The vocabulary.
        ids: Its padded tokens, shape (texts, length).
        under: Rows of `ids` under each prefix that any has.
        states: What was computed, by prefix.
    """

    encoder: Encoder
    texts: tuple[str, ...]
    ids: npt.NDArray[np.int64]
    under: dict[Prefix, list[int]]
    states: dict[Prefix, tuple[list[int], npt.NDArray[np.float32]]] = field(default_factory=dict)

    @staticmethod
    def of(encoder: Encoder, texts: tuple[str, ...]) -> Trie:
        """The trie of a vocabulary.

        Raises:
            ValueError: It is empty.
        """
        if not texts:
            raise ValueError("texts is empty; give at least one prompt")
        ids, end = encoder.ids(texts), encoder.ends[1]
        under: dict[Prefix, list[int]] = defaultdict(list)
        for row, own in enumerate(ids.tolist()):
            last = own.index(end, 1) if end in own[1:] else len(own) - 1
            for length in range(1, last + 2):
                under[tuple(own[:length])].append(row)
        return Trie(encoder=encoder, texts=texts, ids=ids, under=dict(under))

    def nearest(self, values: Floats, precision: Floats, beam: int) -> str:
        """The likeliest prompt under Gaussian noise.

        Args:
            values: The encoding that was seen, shape (length, width).
            precision: One over the variance of each entry, 0 where nothing is known.
            beam: Prefixes that are kept at each length.
        """
        live: list[tuple[float, Prefix]] = [(0.0, (int(self.ids[0, 0]),))]
        whole: dict[int, float] = {}
        while live:
            grown: list[tuple[float, Prefix]] = []
            for score, prefix in live:
                rows = self.under[prefix]
                if len(rows) == 1:
                    whole[rows[0]] = self._likelihood(rows[0], values, precision)
                    continue
                place = len(prefix)
                tokens, states = self._children(prefix)
                misses = np.square(states - values[place]) @ precision[place] / 2
                grown += [
                    (score - float(miss), (*prefix, token))
                    for token, miss in zip(tokens, misses, strict=True)
                ]
            grown.sort(reverse=True)
            live = [each for each in grown[:beam] if each[0] > grown[0][0] - MARGIN]
        return self.texts[max(sorted(whole), key=lambda row: whole[row])]

    def _likelihood(self, row: int, values: Floats, precision: Floats) -> float:
        """Of a whole prompt, padding included."""
        own = tuple(self.ids[row].tolist())
        if own not in self.states:
            self.states[own] = [], self.encoder.states(self.ids[row : row + 1])[0]
        return -float((np.square(self.states[own][1] - values) * precision).sum()) / 2

    def _children(self, prefix: Prefix) -> tuple[list[int], npt.NDArray[np.float32]]:
        """Tokens that may follow, and the state of each, shape (tokens, width)."""
        if prefix not in self.states:
            place = len(prefix)
            tokens = sorted({int(self.ids[row, place]) for row in self.under[prefix]})
            ids = np.array([[*prefix, token] for token in tokens], dtype=np.int64)
            self.states[prefix] = tokens, self.encoder.states(ids)[:, -1]
        return self.states[prefix]


@lru_cache(maxsize=2)
def vocabulary_of(target: Target) -> Trie:
    """The trie of everything that the embedded set is captioned with."""
    return Trie.of(Encoder.of(target), every_prompt())
