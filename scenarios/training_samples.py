"""Samples that a model was trained on, and others of the same law that it was not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..targets.avatars import SHADOWS, Avatars, trained_on
from ..targets.captions import caption
from ..targets.emoji import Emoji
from ..targets.pipeline import EMBEDDED, Target

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Images with captions, and which of them a model was trained on.

    Attributes:
        images: uint8, shape (n, height, width, 3).
        captions: One an image.
        member: Whether the model in question was trained on it, shape (n,).
        name: Of the collection.
        unit: What a sample stands for.
        model: Number of the shadow model that `member` is about, shape (n,); -1 for samples that
            no model has seen; None where there are no shadow models.
    """

    images: Array
    captions: tuple[str, ...]
    member: npt.NDArray[np.bool_]
    name: str
    unit: str = "image"
    model: Rows | None = None

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def models(self) -> Rows:
        """`model`, 0 where there is none."""
        return np.zeros(len(self), dtype=np.int64) if self.model is None else self.model

    @property
    def repeated(self) -> int:
        """Samples that are another one once more, picture and caption: not draws of their own."""
        every = zip(self.images, self.captions, strict=True)
        return len(self) - len({(image.tobytes(), text) for image, text in every})

    def take(self, rows: Rows) -> Pool:
        """Some of the images."""
        return Pool(
            images=self.images[rows],
            captions=tuple(self.captions[i] for i in rows),
            member=self.member[rows],
            name=self.name,
            unit=self.unit,
            model=self.models[rows],
        )

    def draw(self, members: int, others: int, rng: np.random.Generator) -> tuple[Pool, Pool]:
        """So many members and so many others, in random order; and those that are left.

        Raises:
            ValueError: There are not so many.
        """
        sides = np.flatnonzero(self.member), np.flatnonzero(~self.member)
        for name, side, wanted in zip(("members", "others"), sides, (members, others), strict=True):
            if wanted > len(side):
                raise ValueError(f"{name}={wanted} must be at most {len(side)}, as {self.name} has")
        chosen = np.concatenate(
            [rng.permutation(side)[:n] for side, n in zip(sides, (members, others), strict=True)]
        )
        left = np.setdiff1d(np.arange(len(self)), chosen)
        return self.take(rng.permutation(chosen)), self.take(rng.permutation(left))


def samples_of(name: str, rng: np.random.Generator) -> Pool:
    """Members and non-members of a training.

    Args:
        name: `emoji`, or one of the fine-tunes on portraits.
        rng: Draws what stands for a family.
    """
    return _emoji_families(rng) if name == "emoji" else _portraits(name)


def shadows_of(name: str) -> tuple[str, ...]:
    """Models that were trained alike on other samples: specifications of targets."""
    return tuple(f"embedded+{each}" for each in _shipped()) if name != "emoji" else ()


def shadow_samples(name: str, each: int, rng: np.random.Generator) -> Pool | None:
    """So many members and so many others of every shadow model; None where there is none.

    As many again that none of them has seen, of the same law.
    """
    if not shadows_of(name):
        return None  # the embedded set has none
    pool, parts = Avatars.open("pool"), []
    for number, shadow in enumerate(_shipped()):
        _, rows = trained_on(shadow)
        others = np.setdiff1d(np.arange(2 * len(rows)), rows)
        chosen = [rng.permutation(side)[:each] for side in (rows, others)]
        member = np.repeat([True, False], [len(side) for side in chosen])
        parts.append((np.concatenate(chosen), member, np.full(len(member), number)))
    unseen = np.arange(2 * len(trained_on(SHADOWS[0])[1]), len(pool))[: 2 * each]
    parts.append((unseen, np.zeros(len(unseen), np.bool_), np.full(len(unseen), -1)))
    rows, member, model = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pool(
        images=pool.images[rows],
        captions=tuple(pool.captions[i] for i in rows),
        member=member,
        name="avatars",
        model=model,
    )


def _shipped() -> tuple[str, ...]:
    """The shadow models that are there."""
    return tuple(each for each in SHADOWS if (EMBEDDED / each / "unet").is_dir())


def _portraits(name: str) -> Pool:
    """Those that a fine-tune has seen, and all that nothing has seen: draws of one law."""
    split, rows = trained_on(name)
    seen, unseen = Avatars.open(split), Avatars.open("non-member")
    return Pool(
        images=np.concatenate([seen.images[rows], unseen.images]),
        captions=(*(seen.captions[i] for i in rows), *unseen.captions),
        member=np.repeat([True, False], [len(rows), len(unseen)]),
        name="avatars",
    )


def _emoji_families(rng: np.random.Generator) -> Pool:
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
        images=data.take(rows),
        captions=_captions(data.label[rows], data.style[rows]),
        member=data.member[rows],
        name="emoji",
        unit="family",
    )


def _captions(labels: Iterable[Any], styles: Iterable[Any]) -> tuple[str, ...]:
    return tuple(
        caption(str(label), str(style)) for label, style in zip(labels, styles, strict=True)
    )


def latents(target: Target, images: Array, *, batch: int = 64) -> Array:
    """What the model denoises for each image, float32."""
    import torch

    from ..targets import sampling

    pipe: Any = target.open("vae")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    parts = [sampling.encode(pipe, part) for part in pixels.split(batch)]
    return np.asarray(torch.cat(parts).cpu().numpy())
