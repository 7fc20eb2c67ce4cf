"""Membership from generated pictures alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..defenses.codec import Array
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question


@dataclass(frozen=True, kw_only=True)
class LookAlike:
    """Do the pictures look more like the image in question than like its replacement?

    Score = mean over the pictures of a game of cos(picture, image) - cos(picture, replacement),
    in the features of the embedded image encoder.

    References:
        Pang, Wang, Black-box Membership Inference Attacks against Fine-tuned Diffusion Models
        (2023), Section IV, https://arxiv.org/abs/2312.08207.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_USED})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET})
    reads: ClassVar[frozenset[str]] = frozenset({"pictures"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        if aux.target is None:
            raise ValueError("LookAlike needs the fact target")
        both = np.stack([aux.target["image"], aux.target["replacement image"]])
        image, replacement = features(both)
        games = [np.asarray(rows) for chunk in views.column(0, "pictures") for rows in chunk]
        seen = features(np.concatenate(games)).reshape(len(games), -1, len(image))
        return Guesses(scores=(seen @ (image - replacement)).mean(axis=1)[:, None])


def features(images: Array) -> Any:
    """Unit vectors of pictures, uint8 of shape (n, height, width, 3); shape (n, width)."""
    from ..defenses.dp_adaptation.objective import as_pixels
    from ..targets.features import ImageEncoder

    return ImageEncoder.open().embed(as_pixels(images)).double().numpy()
