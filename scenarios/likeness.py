"""Pictures that a game is about, and how near a guess comes to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import Scores
from ..defenses.he_diffusion.sampler import Grid, NoisePredictor, sample
from ..defenses.seeds import torch_stream
from ..targets.pipeline import Target

if TYPE_CHECKING:
    from torch import Tensor

Pictures = npt.NDArray[np.uint8]
SMALLEST = 64
"""Side of the smallest picture that LPIPS is asked about [pixels]."""

ROWS = 25
"""Images in one call of the model: as many at once as a small machine likes."""


def decoys(
    target: Target, defense: Any, prompts: Sequence[str], seed: int, *, cache: Path
) -> Pictures:
    """One picture of each prompt, drawn in the clear with the defence's sampler.

    They follow the law of the client's own pictures, so that an attacker who saw nothing finds
    the client's among them no more often than by chance.

    Args:
        target: The model.
        defense: Whose `steps`, `guidance` and, if it has one, `method` are taken.
        prompts: What is drawn.
        seed: Of the initial noise.
        cache: Folder of the run in which they are kept: defences with one sampler share them.

    Returns:
        Shape (prompts, height, width, 3).
    """
    from ..targets import sampling

    sampler = "-".join(map(str, sampler_of(defense)))
    kept = cache / f"decoys-{target.spec == 'tiny'}-{sampler}.npy"
    if kept.exists():
        return np.asarray(np.load(kept, allow_pickle=False))
    pipe: Any = sampling.open_denoiser(target)
    noise = sampling.initial_noise(pipe, len(prompts), torch_stream(seed, "decoys"))
    parts = []
    for start in range(0, len(prompts), ROWS):
        some, part = list(prompts[start : start + ROWS]), noise[start : start + ROWS]
        parts.append(drawn(target, defense, some, part))
    found = np.concatenate(parts)
    partial = kept.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, found, allow_pickle=False)
    os.replace(partial, kept)
    return found


def sampler_of(defense: Any) -> tuple[str, int, float]:
    """Method, steps and guidance with which a defence draws."""
    return getattr(defense, "method", "default"), defense.steps, defense.guidance


def drawn(target: Target, defense: Any, prompts: Sequence[str], noise: Tensor) -> Pictures:
    """Pictures of prompts, drawn in the clear with the defence's sampler.

    Args:
        target: The model.
        defense: Whose sampler is taken.
        prompts: What is drawn; as many as one call of the model takes.
        noise: One initial latent each.
    """
    from ..targets import sampling

    pipe: Any = sampling.open_denoiser(target)
    return pictures(target, _sampled(pipe, defense, list(prompts), noise))


def _sampled(pipe: Any, defense: Any, prompts: list[str], noise: Tensor) -> Tensor:
    import torch

    from ..targets import sampling

    conditioning = sampling.encode_prompts(pipe, prompts)
    steps, guidance = defense.steps, defense.guidance
    if not hasattr(defense, "method"):
        return sampling.denoise(pipe, noise, conditioning, steps=steps, guidance=guidance).latents
    grid = Grid.of(pipe.scheduler, steps)
    predict = NoisePredictor(pipe=pipe, conditioning=conditioning, guidance=guidance, grid=grid)
    latents = sample(predict, grid, noise.double().cpu().numpy(), defense.method)
    return torch.from_numpy(latents).float()


def pictures(target: Target, latents: Tensor) -> Pictures:
    """Decoded latents, shape (n, height, width, 3)."""
    import torch

    from ..targets import sampling

    images = sampling.decode(target.open("vae"), latents)
    return images.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).cpu().numpy()


def firsts(target: Target, latents: npt.NDArray[np.float32]) -> Pictures:
    """The first picture of each game.

    Args:
        target: The model.
        latents: Shape (games, samples, channels, height, width).

    Returns:
        Shape (games, height, width, 3).
    """
    import torch

    own = torch.from_numpy(np.ascontiguousarray(latents[:, 0]))
    return np.concatenate([pictures(target, part) for part in own.split(ROWS)])


def pixel_scores(guesses: Pictures, galleries: Sequence[Pictures]) -> Scores:
    """Minus the mean squared difference from every picture of a game's gallery.

    Args:
        guesses: Shape (games, height, width, 3).
        galleries: A game's candidates each, shape (candidates, height, width, 3).

    Returns:
        Shape (games, candidates); pixels count from 0 to 1.
    """
    rows = [
        -np.square((guess.astype(np.float32) - gallery) / 255).mean(
            axis=(1, 2, 3), dtype=np.float64
        )
        for guess, gallery in zip(guesses, galleries, strict=True)
    ]
    return np.stack(rows)


class ClipScores:
    """Cosines of CLIP embeddings; a picture that comes up again is not embedded again."""

    def __init__(self) -> None:
        self._known: dict[bytes, npt.NDArray[np.float64]] = {}

    def __call__(self, guesses: Pictures, galleries: Sequence[Pictures]) -> Scores:
        """Score every picture of a game's gallery, shape (games, candidates)."""
        own = self._embedded(guesses)
        return np.stack([self._embedded(g) @ row for g, row in zip(galleries, own, strict=True)])

    def _embedded(self, images: Pictures) -> npt.NDArray[np.float64]:
        from ..targets.clip import Clip

        keys = [image.tobytes() for image in images]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            pixels = tensor(images[list(new.values())])
            vectors = Clip.open().embed_images(pixels).double().cpu().numpy()
            self._known.update(zip(new, vectors, strict=True))
        return np.stack([self._known[key] for key in keys])


def perceptual_scores(guesses: Pictures, originals: Pictures) -> Scores:
    """Minus LPIPS of each guess and the original, shape (games, 1).

    Pictures smaller than the network takes are enlarged first, both alike.
    """
    from ..targets.image_metrics import perceptual_distance

    parts = [
        perceptual_distance(_enlarged(guesses[i : i + ROWS]), _enlarged(originals[i : i + ROWS]))
        for i in range(0, len(guesses), ROWS)
    ]
    return -np.concatenate([part.double().cpu().numpy() for part in parts])[:, None]


def _enlarged(images: Pictures) -> Tensor:
    from torch.nn.functional import interpolate

    pixels = tensor(images)
    if min(pixels.shape[2:]) >= SMALLEST:
        return pixels
    return interpolate(pixels, (SMALLEST, SMALLEST), mode="nearest")


def tensor(images: Pictures) -> Tensor:
    """Pixels from 0 to 1, shape (n, 3, height, width)."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
