"""Textual inversion of each image on its own, all side by side.

1. Every image starts from the same initializer's embedding.
2. Step s draws one noise level, noise and template for all images (`objective.draw`).
3. Image i's loss depends on row i alone; the gradient of the sum of losses is each row's own.
4. Adam works by element, so n rows in one tensor are n independent runs.

Batches always have `Recipe.rows` rows, the last one filled up, so that an embedding does not
depend on how many images it was computed with, not even by rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...targets.pipeline import Target
from . import cache as caching
from .cache import SHIPPED, Cache, Images, Vectors
from .objective import denoising_losses, draw, latents_of
from .token import assign_rows, token_vector, with_rows

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

TEMPLATES = ("{} style", "{}", "a {}", "in {} style")
PARTS = ("unet", "vae", "scheduler", "tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2")
CHECKPOINT_S = 60.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an image becomes an embedding: the same for every image, chosen on public images.

    Attributes:
        steps: Gradient steps.
        rate: Adam's learning rate.
        initializer: The word from which every embedding starts; one token.
        templates: Prompts, with `{}` for the token.
        seed: Of noise levels, noises and templates.
        rows: Images a batch.
        dtype: Type of the frozen model; embeddings and Adam are float32.
    """

    steps: int = 200
    rate: float = 0.005
    initializer: str = "icon"
    templates: tuple[str, ...] = TEMPLATES
    seed: int = 0
    rows: int = 16
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps={self.steps} must be >= 0")
        if not self.rate > 0:
            raise ValueError(f"rate={self.rate} must be > 0")
        if self.rows < 1:
            raise ValueError(f"rows={self.rows} must be >= 1")
        if not self.templates or any(text.count("{}") != 1 for text in self.templates):
            raise ValueError(f"templates={self.templates} must each hold {{}} once")


def invert(
    target: Target,
    images: Images,
    recipe: Recipe | None = None,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Vectors:
    """The embedding of each image, float32 `(n, d)`; for SDXL, both encoders' side by side.

    The model stays as it is. What ships with the package is found without computing; what is
    computed is kept in `cache`, with a checkpoint a minute from which an interrupted call goes on.

    Args:
        target: The model; its own `dtype` does not matter.
        images: uint8 `(n, height, width, 3)`, scaled to the model's size.
        recipe: How; None is the recipe that the shipped embeddings were made with.
        cache: Folder to find and keep embeddings in; None keeps nothing.
        progress: Called with the steps done and the steps to do.

    Raises:
        ValueError: The images are not of that form, or the initializer is not one token.

    References:
        Gal et al., An Image is Worth One Word (2022), https://arxiv.org/abs/2208.01618;
        Peetathawatchai et al., DPAgg-TI (2024), https://arxiv.org/abs/2411.14639.
    """
    recipe = recipe or Recipe()
    identity = identity_of(target, recipe)
    own = None if cache is None else Cache(folder=cache)
    found = Cache(folder=SHIPPED, any_versions=True).find(list(images), identity)
    if own is not None:
        found |= own.find(list(images), identity)
    missing = [place for place in range(len(images)) if place not in found]
    if missing or not len(images):
        todo = images[missing]
        checkpoint = None if own is None else _checkpoint(own, list(todo), identity)
        made = _run(target, todo, recipe, checkpoint, progress)
        if own is not None and checkpoint is not None:
            own.add(list(todo), identity, made)
            checkpoint.unlink(missing_ok=True)
        found |= dict(zip(missing, made, strict=True))
    return np.stack([found[place] for place in range(len(images))])


def identity_of(target: Target, recipe: Recipe) -> dict[str, Any]:
    """What an embedding follows from besides its image and the libraries, in JSON values."""
    digests = {f"cloud/{part}" for part in PARTS}
    return {
        "model": {name: value for name, value in target.digests.items() if name in digests},
        "recipe": {**asdict(recipe), "templates": list(recipe.templates)},
    }


def _checkpoint(own: Cache, images: Sequence[Images], identity: dict[str, Any]) -> Path:
    keys = [caching.key(image, identity, caching.versions()) for image in images]
    return own.folder / f"checkpoint-{caching.batch_name(keys)}.safetensors"


def _run(
    target: Target,
    images: Images,
    recipe: Recipe,
    checkpoint: Path | None,
    progress: Progress | None,
) -> Vectors:
    parts = tuple(part for part in PARTS if part in target.parts())
    pipe = replace(target, dtype=recipe.dtype).open(*parts)
    clean = replace(target, dtype="float32").open(*parts)
    latents = latents_of(clean, images).to(pipe.unet.device)
    padded = torch.cat([latents, latents[:1].repeat(-len(latents) % recipe.rows, 1, 1, 1)])
    names = [f"<own-{row}>" for row in range(recipe.rows)]
    start = token_vector(pipe, recipe.initializer).repeat(len(padded), 1)
    state = _State(start, recipe.rate)
    state.load(checkpoint)
    adapted = with_rows(pipe, names, start[: recipe.rows])
    saved = time.monotonic()
    for step in range(state.step, recipe.steps):
        gradient_step(adapted, padded, state.rows, recipe, step, names)
        state.advance()
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_S:
            saved = time.monotonic()
            state.save(checkpoint)
        if progress is not None:
            progress(step + 1, recipe.steps)
    return np.asarray(state.rows.detach()[: len(images)].cpu().numpy(), dtype=np.float32)


def gradient_step(
    adapted: DiffusionPipeline,
    latents: Tensor,
    rows: Tensor,
    recipe: Recipe,
    step: int,
    names: Sequence[str],
) -> None:
    """Add the gradients of step `step` to `rows.grad`, in batches of `recipe.rows`.

    Args:
        adapted: From `with_rows`, with the tokens `names`.
        latents: Shape `(n, channels, height, width)`, n a multiple of `recipe.rows`.
        rows: The embeddings, `(n, d)`, a leaf that requires gradients.
        recipe: Templates, seed and batch size.
        step: Number of the step, which fixes its randomness.
        names: `recipe.rows` tokens.
    """
    drawn = draw(adapted, recipe.seed, step, len(recipe.templates))
    prompts = [recipe.templates[drawn.template].format(name) for name in names]
    noise = drawn.noise.to(latents.device)
    for part, own in zip(latents.split(recipe.rows), rows.split(recipe.rows), strict=True):
        assign_rows(adapted, own)
        times = torch.full((len(part),), drawn.time, device=part.device)
        losses = denoising_losses(adapted, part, noise.expand_as(part), times, prompts)
        losses.sum().backward()


class _State:
    """Embeddings and Adam's moments, and how many steps they have seen."""

    def __init__(self, start: Tensor, rate: float) -> None:
        self.rows = start.clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.rows], lr=rate)
        self.step = 0

    def advance(self) -> None:
        """Apply the gradients and clear them."""
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1

    def save(self, path: Path) -> None:
        moments = self.optimizer.state[self.rows]
        tensors = {"rows": self.rows.detach(), **{k: moments[k] for k in MOMENTS}}
        arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        caching.write(path, arrays, {"step": self.step})

    def load(self, path: Path | None) -> None:
        """Go on from a checkpoint, if there is one."""
        content = None if path is None else caching.read(path)
        if content is None:
            return
        arrays, about = content
        device = self.rows.device
        with torch.no_grad():
            self.rows.copy_(torch.from_numpy(arrays["rows"]))
        self.step = int(about["step"])
        moments = {name: torch.from_numpy(arrays[name]).to(device) for name in MOMENTS}
        self.optimizer.state[self.rows] = {"step": torch.tensor(float(self.step)), **moments}


MOMENTS = ("exp_avg", "exp_avg_sq")
