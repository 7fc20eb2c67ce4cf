"""Read what an undefended server is sent: the prompt itself, and the latent that it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores

GRAY = 128
"""Value of every pixel of a picture of nothing."""


@dataclass(frozen=True, kw_only=True)
class PlainReading:
    """No attack: the server of the undefended pipeline looks at what it did.

    It decodes the last latent that it returned, and looks the prompt up among the candidates.
    Where neither is in the view it scores all candidates alike and shows a gray picture.
    """

    plays: ClassVar[frozenset[Question]] = frozenset(
        {Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}
    )
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({"generate"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Name the prompt and show the picture of every game."""
        if aux.candidates is None or aux.weights is None:
            raise ValueError("PlainReading needs the facts candidates and weights")
        scores = empty_scores(aux.candidates)
        for row, texts, game in zip(scores, aux.candidates, range(len(views)), strict=True):
            seen = views.texts(game, "generate", "prompts")
            for column in (i for i, text in enumerate(texts) if text in seen):
                row[column] = 1.0
        return Guesses(scores=scores, images=_pictures(views, aux.weights["open"]))


def _pictures(views: Views, reference: Any) -> npt.NDArray[np.uint8]:
    """Decoded last latents, shape (games, height, width, 3)."""
    import torch

    from ..targets import sampling
    from ..targets.pipeline import Target

    pipe: Any = Target(**reference).open("vae", "unet")
    latents = torch.zeros((len(views), *sampling.latent_shape(pipe)))
    read = np.zeros(len(views), dtype=np.bool_)
    for game in range(len(views)):
        returned = [b["latents"] for b in views.arrays(game, "generate") if "latents" in b]
        if returned:
            latents[game] = torch.from_numpy(returned[-1][0].astype(np.float32))
            read[game] = True
    images = torch.cat([sampling.decode(pipe, part).cpu() for part in latents.split(32)])
    pixels = images.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).numpy()
    return np.where(read[:, None, None, None], pixels, np.uint8(GRAY))
