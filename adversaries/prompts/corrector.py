"""From an encoding to text by repeated correction, trained on public captions (vec2text's idea)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...defenses.views import Views
from ...targets.pipeline import Target
from ..contract import Auxiliary, Guesses, Knowledge, Question
from ..ridge import fit
from .encoder import Encoder, Floats, vocabulary_tokens
from .plausible import typical
from .seen import READS, Encoding, encodings
from .vocabulary import by_words, known, public

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Corrector:
    """Two small models: a first hypothesis, and its correction given how its encoding differs.

    With h the state seen at a token's place and E(t) the embedding of token t,

    1. a ridge regression takes h to E(t): the first hypothesis is the nearest token at each place;
    2. the hypothesis is encoded, giving h'; a second regression takes (h, h', E(t')) to E(t).
       Repeat; the hypothesis whose encoding lies nearest is what is said.

    Both learn from public captions, as noisy as what was seen; so any text of their words may
    come out, and none from a list. Morris et al. train a transformer on five million texts; this
    is their loop with a model that fits in seconds.

    A candidate's score is its token F1 with what was said.

    Queries: three rows of the text encoder an example, one a round and game.

    References:
        Morris, Kuleshov, Shmatikov, Rush, Text Embeddings Reveal (Almost) As Much As Text (EMNLP
        2023), Section 3, https://arxiv.org/abs/2310.06816.

    Attributes:
        examples: Captions that are learned from.
        rounds: Corrections.
        tokens: Places that are read, behind the start token.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = READS
    examples: int = 600
    rounds: int = 3
    tokens: int = 14

    def __post_init__(self) -> None:
        for name, least in (("examples", 8), ("rounds", 0), ("tokens", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {least}")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Say one prompt a game, and score candidates by its words."""
        if aux.candidates is None or aux.weights is None:
            raise ValueError("Corrector needs the facts candidates and weights")
        seen = {game: e for game, e in enumerate(encodings(views, aux)) if e is not None}
        said: dict[int, str] = {}
        if seen:
            encoder = Encoder.of(Target(**aux.weights["open"]))
            said = dict(zip(seen, self.said(encoder, list(seen.values()), rng), strict=True))
        texts = tuple(said.get(game, typical()) for game in range(len(views)))
        scores = by_words(texts, aux.candidates)
        scores[[game for game in range(len(views)) if game not in said]] *= 0
        return Guesses(scores=scores, texts=texts, notes={"games read": len(said)})

    def said(
        self, encoder: Encoder, seen: Sequence[Encoding], rng: np.random.Generator
    ) -> list[str]:
        """The texts of encodings.

        Args:
            encoder: The public text encoder.
            seen: Encodings that are alike noisy.
            rng: Of the noise that examples are given.
        """
        places = slice(1, self.tokens + 1)
        ids, states = _encoded(encoder, self._captions(), self.tokens + 1)
        words, told = Words.of(encoder), _told(ids[:, places], encoder.ends[1])
        noisy = as_noisy(states, seen[0], rng)
        wanted = words.table[ids[:, places]][told]
        first = fit(noisy[:, places][told], wanted)
        values = np.stack([each.values[: self.tokens + 1] for each in seen])
        weights = np.stack([each.precision[: self.tokens + 1] for each in seen])
        guess = words.nearest(first(_rows(values[:, places])), first.mean, len(seen))
        second = first
        if self.rounds:
            tried = words.nearest(first(_rows(noisy[:, places])), first.mean, len(ids))
            own = encoder.states(tried).astype(np.float64)
            second = fit(
                _both(noisy[:, places], own[:, places], words.table[tried[:, places]])[
                    told.ravel()
                ],
                wanted,
            )
        best, least = guess, np.full(len(seen), np.inf)
        for turn in range(self.rounds + 1):
            own = encoder.states(guess).astype(np.float64)
            misfit = (weights * np.square(own - values)).sum(axis=(1, 2))
            best = np.where((misfit < least)[:, None], guess, best)
            least = np.minimum(misfit, least)
            if turn < self.rounds:
                x = _both(values[:, places], own[:, places], words.table[guess[:, places]])
                guess = words.nearest(second(x), second.mean, len(seen))
        return [encoder.text(row.tolist()) for row in best]

    def _captions(self) -> tuple[str, ...]:
        """Half of anything, half of single persons: many words, and those that games use often."""
        half = self.examples // 2
        return (*known()[:half], *public()[: self.examples - half])


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """Tokens that a text may hold.

    Attributes:
        start: The token before every prompt.
        allowed: The tokens, shape (m,).
        table: Embeddings of all tokens, shape (vocabulary, width).
    """

    start: int
    allowed: Tokens
    table: Floats

    @staticmethod
    def of(encoder: Encoder) -> Words:
        """The tokens of the closed vocabulary."""
        return Words(
            start=encoder.ends[0],
            allowed=vocabulary_tokens(encoder),
            table=encoder.table.double().cpu().numpy(),
        )

    def nearest(self, vectors: Floats, mean: Floats, rows: int) -> Tokens:
        """Tokens in whose direction from the mean estimates lie, behind the start token.

        Regression shrinks estimates to the mean; directions are left as they are.

        Returns:
            Shape (rows, tokens + 1).
        """
        own = self.table[self.allowed] - mean
        own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
        tokens = self.allowed[((vectors - mean) @ own.T).argmax(axis=1)].reshape(rows, -1)
        return np.concatenate([np.full((rows, 1), self.start), tokens], axis=1)


@lru_cache(maxsize=2)
def _encoded(
    encoder: Encoder, captions: tuple[str, ...], tokens: int
) -> tuple[Tokens, npt.NDArray[np.float32]]:
    """First tokens of captions and their hidden states; a process makes them once."""
    ids = encoder.ids(captions)[:, :tokens]
    return ids, encoder.states(ids)


def _told(tokens: Tokens, end: int) -> npt.NDArray[np.bool_]:
    """Places up to the first end: padding behind it would drown the words."""
    after = np.cumsum(tokens == end, axis=1)
    return np.asarray((after == 0) | ((after == 1) & (tokens == end)))


def as_noisy(states: npt.ArrayLike, seen: Encoding, rng: np.random.Generator) -> Floats:
    """States with the noise and the gaps of what was seen."""
    exact = np.asarray(states, np.float64)
    precision = seen.precision[: exact.shape[1]]
    deviation = np.divide(1, np.sqrt(precision), out=np.zeros_like(precision), where=precision > 0)
    noise = rng.standard_normal(exact.shape) * deviation
    return np.where(precision > 0, exact + noise, 0.0)


def _rows(values: Floats) -> Floats:
    return values.reshape(-1, values.shape[-1])


def _both(*parts: Floats) -> Floats:
    return np.concatenate([_rows(part) for part in parts], axis=1)
