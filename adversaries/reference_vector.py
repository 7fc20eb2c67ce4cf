"""Membership from the released vector and the model, without knowing any other record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ReferenceVector:
    """How much better the released vector explains the image than it explains the replacement.

    Score = mean over noise levels and noises of `l(x', v) - l(x, v)`, with `l` the denoising loss
    of an image under a prompt that holds the vector, x the image in question and x' the one that
    stands in its place. Both are held against the same vector, so what makes a vector good or bad
    for every image falls out: x' plays the part of the reference.

    Queries: 2 U-Net calls for each draw and game.

    Attributes:
        draws: Noise levels and noises, spread evenly over the schedule.
        prompt: With `{}` for the vector.
        batch: Rows of one U-Net call.

    References:
        Zhai et al., CLiD (2024), Section 3, https://arxiv.org/abs/2405.14800, with an image in
        place of the empty condition as reference.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_USED})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET, Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset({"release"})
    draws: int = 8
    prompt: str = "{} style"
    batch: int = 32

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        if aux.target is None or aux.weights is None:
            raise ValueError("ReferenceVector needs the facts target and weights")
        import torch

        pipe = _open(aux.weights)
        images = np.stack([aux.target["image"], aux.target["replacement image"]])
        seed = int(rng.integers(2**31))
        vectors = np.concatenate([np.asarray(c) for c in views.column(0, "vector")])
        width = len(aux.target["record"])
        rows = torch.from_numpy(vectors.reshape(len(vectors), -1, width).mean(1)).float()
        parts = [self._scores(pipe, images, chunk, seed) for chunk in rows.split(self.batch)]
        return Guesses(scores=np.concatenate(parts)[:, None])

    def _scores(self, pipe: Any, images: Array, vectors: Tensor, seed: int) -> Floats:
        import torch

        from ..defenses.dp_adaptation.objective import denoising_losses, draw, latents_of
        from ..defenses.dp_adaptation.token import with_rows

        names = [f"<own-{row}>" for row in range(len(vectors))]
        adapted = with_rows(pipe, names, vectors)
        prompts = [self.prompt.format(name) for name in names]
        latents = latents_of(pipe, images)
        total = torch.zeros(len(vectors))
        with torch.no_grad():
            for step in range(self.draws):
                drawn = draw(pipe, seed, step, 1)
                losses = [
                    denoising_losses(
                        adapted,
                        latent.expand(len(vectors), *latent.shape),
                        drawn.noise.expand(len(vectors), *drawn.noise.shape),
                        torch.full((len(vectors),), drawn.time),
                        prompts,
                    )
                    for latent in latents
                ]
                total += losses[1] - losses[0]
        return (total / self.draws).double().numpy()


def _open(weights: Mapping[str, Any]) -> Any:
    from ..targets.pipeline import Target

    target = Target(**weights["open"])
    parts = ("unet", "vae", "scheduler", "tokenizer", "text_encoder")
    return target.open(*parts)
