"""Soft-token optimization, projected to the vocabulary at every step (PEZ)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...defenses.views import Views
from ...targets.clip import Clip
from ...targets.pipeline import Target
from ..contract import Auxiliary, Guesses, Knowledge, Question
from ..he_views import Pictures
from .encoder import Encoder, vocabulary_tokens
from .plausible import typical
from .seen import PICTURED, READS, Encoding, encodings, pictures_of, texts_of
from .vocabulary import by_words

Loss = Callable[[Tensor], Tensor]
"""From hidden states (n, tokens, width) to one loss a row, shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class SoftTokens:
    """Gradient steps on vectors in place of tokens, their gradients taken at real tokens.

    Soft tokens P are projected to the nearest token embeddings P' (by cosine), the gradient of
    the loss is taken at P', and P moves by it (AdamW). The projection with the least loss over
    all steps is what is said. `EncodingTokens` fits the encoding that crossed, `PictureTokens` the
    embedding of a picture.

    Any text may come out, of tokens that the vocabulary holds. A candidate's score is its token
    F1 with what was said.

    Queries: `steps` forward and backward rows of the text encoder a game.

    References:
        Wen et al., Hard Prompts Made Easy: Gradient-Based Discrete Optimization for Prompt Tuning
        and Discovery (2023), Algorithm 1, https://arxiv.org/abs/2302.03668.

    Attributes:
        tokens: Length of the prompt that is sought, the end included where it is shorter.
        steps: Gradient steps.
        rate: Step size, in units of the token embeddings' root mean square.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]]
    tokens: int = 12
    steps: int = 40
    rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("tokens", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")
        if not self.rate > 0:
            raise ValueError(f"rate={self.rate} must be > 0")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Say one prompt a game, and score candidates by its words."""
        if aux.candidates is None or aux.weights is None:
            raise ValueError(f"{type(self).__name__} needs the facts candidates and weights")
        said = self.said(views, aux, rng)
        texts = tuple(said.get(game, typical()) for game in range(len(views)))
        scores = by_words(texts, aux.candidates)
        scores[[game for game in range(len(views)) if game not in said]] *= 0
        return Guesses(scores=scores, texts=texts, notes={"games read": len(said)})

    def said(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> dict[int, str]:
        """What was found, by game."""
        raise NotImplementedError

    def search(
        self, encoder: Encoder, loss: Loss, rows: int, rng: np.random.Generator
    ) -> list[str]:
        """Texts of least loss.

        Args:
            encoder: The text encoder.
            loss: Of hidden states up to the token after the last soft one.
            rows: How many prompts are sought, side by side.
            rng: Of the first tokens.
        """
        allowed = vocabulary_tokens(encoder)
        table = encoder.table[torch.from_numpy(allowed)]
        unit, scale = functional.normalize(table, dim=1), float(table.square().mean().sqrt())
        first = rng.integers(len(allowed), size=(rows, self.tokens))
        soft = table[torch.from_numpy(first)].clone().requires_grad_()
        ends = [encoder.table[i].expand(rows, 1, -1) for i in encoder.ends]
        optimizer = torch.optim.AdamW([soft], lr=self.rate * scale, weight_decay=0.1)
        least = torch.full((rows,), torch.inf)
        best = torch.zeros(rows, self.tokens, dtype=torch.long)
        for _ in range(self.steps):
            with torch.no_grad():
                chosen = (functional.normalize(soft, dim=2) @ unit.T).argmax(dim=2)
            hard = table[chosen].requires_grad_()
            losses = loss(encoder.soft_states(torch.cat([ends[0], hard, ends[1]], dim=1)))
            better = losses.detach() < least
            least = torch.where(better, losses.detach(), least)
            best = torch.where(better[:, None], chosen, best)
            (soft.grad,) = torch.autograd.grad(losses.sum(), hard)
            optimizer.step()
        return [encoder.text(allowed[row].tolist()) for row in best.numpy()]


@dataclass(frozen=True, kw_only=True)
class EncodingTokens(SoftTokens):
    """Against the encoding: squared distance of hidden states, weighted by their precision."""

    reads: ClassVar[frozenset[str]] = READS

    def said(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> dict[int, str]:
        """What was found in games whose encoding crossed."""
        assert aux.weights is not None
        seen = {game: e for game, e in enumerate(encodings(views, aux)) if e is not None}
        if not seen:
            return {}
        encoder = Encoder.of(Target(**aux.weights["open"]))
        loss = distance(list(seen.values()), self.tokens + 2)
        return dict(zip(seen, self.search(encoder, loss, len(seen), rng), strict=True))


@dataclass(frozen=True, kw_only=True)
class PictureTokens(SoftTokens):
    """Against a picture: one minus the cosine of its and the text's embedding."""

    reads: ClassVar[frozenset[str]] = PICTURED

    def said(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> dict[int, str]:
        """What was found in games whose view gives a picture."""
        several = len(texts_of(views, 0)) > 1
        pictures = None if several else pictures_of(views, aux, rng)
        if pictures is None:
            return {}
        clip = Clip.open()
        encoder = Encoder(tokenizer=clip.tokenizer, model=clip.text_encoder)
        loss = unlike(pictures, clip)
        return dict(enumerate(self.search(encoder, loss, len(pictures), rng)))


def distance(seen: Sequence[Encoding], tokens: int) -> Loss:
    """Mean squared distance of the first states from encodings, in units of their variance."""
    values = torch.from_numpy(np.stack([e.values[:tokens] for e in seen])).float()
    weights = torch.from_numpy(np.stack([e.precision[:tokens] for e in seen])).float()
    weights = weights / weights.sum(dim=(1, 2), keepdim=True).clamp_min(1e-30)

    def loss(states: Tensor) -> Tensor:
        return (weights * (states - values).square()).sum(dim=(1, 2))

    return loss


def unlike(pictures: Pictures, clip: Clip) -> Loss:
    """One minus cosine of each text's embedding, read at its last token, and its picture's."""
    pixels = torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float() / 255
    images = clip.embed_images(pixels)

    def loss(states: Tensor) -> Tensor:
        texts = functional.normalize(states[:, -1] @ clip.projection.T, dim=1)
        return 1 - (texts * images).sum(dim=1)

    return loss
