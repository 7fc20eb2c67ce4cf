"""What noisy aggregation is compared with: no noise, one inversion of everything, and DP-SGD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...targets import sampling
from ...targets.pipeline import Target
from ..claims import Claim, Neighbours
from ..codec import Array
from ..protocol import Space, Terms
from ..seeds import stream, torch_stream
from .cache import Images, Vectors
from .dp_sgd import Descent, DpSgdInversion
from .inversion import PARTS, Progress, Recipe
from .objective import denoising_losses, latents_of, noise_schedule
from .token import assign_rows, token_vector, with_rows

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


@dataclass(frozen=True, kw_only=True)
class PlainMean:
    """The mean of the records, without clipping and without noise: no privacy at all."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Nothing is promised."""
        return ()

    @property
    def space(self) -> Space:
        """Records are embeddings of images as tokens."""
        return Space.TOKEN

    def terms(self, records: int) -> Terms:
        """Everything is public but the records: there is no noise."""
        return Terms(
            neighbours=Neighbours.REPLACE_ONE,
            clip=None,
            normalize=False,
            divisor=records,
            rate=1.0,
            sigma=0.0,
            rounds=1,
        )

    def release(
        self, records: Sequence[Any] | Array, rng: np.random.Generator, *, trials: int
    ) -> Array:
        """The mean, `trials` times the same, shape `(trials, d)`."""
        values = np.asarray(records, dtype=np.float64)
        if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
            raise ValueError(
                f"records has shape {values.shape}; it must be finite numbers, (n, d), n >= 1"
            )
        return np.tile(values.mean(axis=0), (trials, 1))


def invert_together(
    target: Target,
    images: Images,
    recipe: Recipe | None = None,
    *,
    progress: Progress | None = None,
) -> Vectors:
    """One embedding for all images, without privacy: ordinary textual inversion, `(d,)`.

    Each step takes `recipe.rows` images, drawn anew.

    Args:
        target: The model.
        images: uint8 `(n, height, width, 3)`.
        recipe: Start, rate, steps and templates; None is the default of single images.
        progress: Called with the steps done and the steps to do.
    """
    recipe = recipe or Recipe()
    problem = _Problem(target, images, recipe)
    row = problem.start.clone()[None].requires_grad_()
    optimizer = torch.optim.Adam([row], lr=recipe.rate)
    for step in range(recipe.steps):
        places = stream(recipe.seed, "batch", step).integers(len(images), size=recipe.rows)
        rows = row.detach().expand(len(places), -1)
        row.grad = problem.gradients(rows, places.tolist(), step).mean(0, keepdim=True)
        optimizer.step()
        if progress is not None:
            progress(step + 1, recipe.steps)
    return np.asarray(row.detach()[0].cpu().numpy(), dtype=np.float32)


def invert_dp_sgd(
    target: Target,
    images: Images,
    mechanism: DpSgdInversion,
    recipe: Recipe | None = None,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Descent:
    """One embedding for all images under differential privacy.

    Args:
        target: The model.
        images: uint8 `(n, height, width, 3)`; one image added or removed makes a neighbour.
        mechanism: Budget, clip, steps and rate.
        recipe: Start and templates; its steps and rate are the mechanism's.
        seed: Secret: of sampling and noise.
        progress: Called with the steps done and the steps to do.
    """
    problem = _Problem(target, images, recipe or Recipe())
    generator = torch_stream(seed, "dp-sgd")
    start = problem.start
    return mechanism.descend(problem.gradients, len(images), start, generator, progress)


def gradient_norms(target: Target, images: Images, recipe: Recipe | None = None) -> Vectors:
    """Norm of each image's gradient at the initializer, `(n,)`: on public images, a choice of C."""
    problem = _Problem(target, images, recipe or Recipe())
    rows = problem.start.expand(len(images), -1)
    norms = problem.gradients(rows, list(range(len(images))), 0).norm(dim=1)
    return np.asarray(norms.cpu().numpy(), dtype=np.float32)


class _Problem:
    """Gradients of single images' denoising losses, each at a row of its own."""

    def __init__(self, target: Target, images: Images, recipe: Recipe) -> None:
        parts = tuple(part for part in PARTS if part in target.parts())
        pipe = replace(target, dtype=recipe.dtype).open(*parts)
        self.recipe = recipe
        self.latents = latents_of(replace(target, dtype="float32").open(*parts), images)
        self.start = token_vector(pipe, recipe.initializer).cpu()
        self.names = [f"<own-{row}>" for row in range(recipe.rows)]
        self.pipe: DiffusionPipeline = with_rows(
            pipe, self.names, self.start.expand(recipe.rows, -1)
        )
        self.levels = int(noise_schedule(pipe).config.num_train_timesteps)

    def gradients(self, rows: Tensor, places: Sequence[int], step: int) -> Tensor:
        """Shape `(b, d)`; the randomness of an image in a step is a public function of both."""
        leaf = rows.clone().requires_grad_()
        for chosen, own in zip(
            torch.tensor(places).split(self.recipe.rows), leaf.split(self.recipe.rows), strict=True
        ):
            self._losses(own, chosen.tolist(), step).sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    def _losses(self, rows: Tensor, places: Sequence[int], step: int) -> Tensor:
        assign_rows(self.pipe, rows)
        seed, texts = self.recipe.seed, self.recipe.templates
        draws = [stream(seed, "image", place, step) for place in places]
        times = torch.tensor([int(rng.integers(self.levels)) for rng in draws])
        shape = sampling.latent_shape(self.pipe)
        noise = torch.stack(
            [torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) for rng in draws]
        )
        chosen = [texts[int(rng.integers(len(texts)))] for rng in draws]
        prompts = [text.format(name) for text, name in zip(chosen, self.names, strict=False)]
        latents = self.latents[list(places)]
        device = latents.device
        return denoising_losses(self.pipe, latents, noise.to(device), times.to(device), prompts)
