"""Samples that a model was trained on, and others of the same law that it was not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..targets.captions import caption
from ..targets.emoji import Emoji
from ..targets.pipeline import Target

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Images with captions, and which of them were trained on.

    Attributes:
        images: uint8, shape (n, height, width, 3).
        captions: One an image.
        member: Whether the model in question was trained on it, shape (n,).
        name: Of the collection.
        unit: What a sample stands for.
    """

    images: Array
    captions: tuple[str, ...]
    member: npt.NDArray[np.bool_]
    name: str
    unit: str = "image"

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, rows: Rows) -> Pool:
        """Some of the images."""
        return Pool(
            images=self.images[rows],
            captions=tuple(self.captions[i] for i in rows),
            member=self.member[rows],
            name=self.name,
            unit=self.unit,
        )

    def draw(self, members: int, others: int, rng: np.random.Generator) -> Pool:
        """So many members and so many others, in random order.

        Raises:
            ValueError: There are not so many.
        """
        sides = np.flatnonzero(self.member), np.flatnonzero(~self.member)
        for name, side, wanted in zip(("members", "others"), sides, (members, others), strict=True):
            if wanted > len(side):
                raise ValueError(f"{name}={wanted} must be at most {len(side)}, as {self.name} has")
        chosen = [
            rng.permutation(side)[:n] for side, n in zip(sides, (members, others), strict=True)
        ]
        return self.take(rng.permutation(np.concatenate(chosen)))


def emoji_families(rng: np.random.Generator) -> Pool:
    """One image of every family of the embedded set, in a style drawn beforehand.

    The split was drawn by family, and by family and style: siblings share their fate, so that two
    of them are not two samples. Style and image are drawn without a look at the split, hence
    members and others have one law.
    """
    data = Emoji.open()
    families, place = np.unique(data.family, return_inverse=True)
    rows = np.zeros(len(families), dtype=np.int64)
    for number in range(len(families)):
        own = np.flatnonzero(place == number)
        style = rng.choice(np.unique(data.style[own]))
        rows[number] = rng.choice(own[data.style[own] == style])
    return Pool(
        images=data.images[rows],
        captions=tuple(
            caption(str(label), str(style))
            for label, style in zip(data.label[rows], data.style[rows], strict=True)
        ),
        member=data.member[rows],
        name="emoji",
        unit="family",
    )


def latents(target: Target, images: Array, *, batch: int = 64) -> Array:
    """What the model denoises for each image, float32."""
    import torch

    from ..targets import sampling

    pipe: Any = target.open("vae")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    parts = [sampling.encode(pipe, part) for part in pixels.split(batch)]
    return np.asarray(torch.cat(parts).cpu().numpy())
