"""The two samplers, PLMS and DDIM at eta 0, as affine updates z' = f z + a.

Both run on the pipeline's own noise schedule. With abar the cumulative products of the alphas,
one step from time t to the next lower time p is

    f = sqrt(abar_p / abar_t),    a = (sqrt(1 - abar_p) - f sqrt(1 - abar_t)) e'

where e' is the guided noise prediction (DDIM) or combines the last ones (PLMS). f is public; a is
everything that the U-Net says about the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...targets import sampling
from ...targets.sampling import Conditioning
from .selection import Latent

METHODS = ("plms", "ddim")
Predict = Callable[[Latent, int], Latent]
"""Latent and step to the noise that is predicted in it."""

_ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Weights of the newest and older noise predictions, by how many there are."""

MEMORY = len(_ADAMS_BASHFORTH) - 1
"""Older noise predictions that PLMS looks at."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The time steps of a sampler, numbered from 0 at all noise.

    Attributes:
        times: Time of each step in the noise schedule, descending.
        before: abar before each step.
        after: abar after it.
    """

    times: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def of(cls, scheduler: Any, steps: int) -> Grid:
        """`steps` evenly spaced times, as the released sampler spaces them.

        Args:
            scheduler: Whose `alphas_cumprod` is the noise schedule.
            steps: Number of steps, at most half the schedule's length.

        Raises:
            ValueError: If there are too many steps.
        """
        alphas = np.asarray(scheduler.alphas_cumprod, dtype=np.float64)
        if not 1 <= steps <= len(alphas) // 2:
            raise ValueError(f"steps={steps} must be from 1 to {len(alphas) // 2}")
        ascending = np.arange(steps) * (len(alphas) // steps) + 1
        before = alphas[ascending]
        after = np.concatenate([alphas[:1], before[:-1]])
        return cls(
            times=tuple(int(t) for t in ascending[::-1]),
            before=tuple(float(a) for a in before[::-1]),
            after=tuple(float(a) for a in after[::-1]),
        )

    def factor(self, step: int) -> float:
        """f, which multiplies the latent."""
        return math.sqrt(self.after[step] / self.before[step])

    def term(self, noise: Latent, step: int) -> Latent:
        """a, which is added, for a combined noise prediction e'."""
        shrink = self.factor(step) * math.sqrt(1 - self.before[step])
        return (math.sqrt(1 - self.after[step]) - shrink) * noise


@dataclass(frozen=True, kw_only=True)
class NoisePredictor:
    """A U-Net under classifier-free guidance, its output turned into a noise prediction.

    Attributes:
        pipe: With U-Net and scheduler.
        conditioning: For as many images as there are latents.
        guidance: Scale of classifier-free guidance.
        grid: Time steps.
    """

    pipe: Any
    conditioning: Conditioning
    guidance: float
    grid: Grid

    @torch.no_grad()
    def __call__(self, latent: Latent, step: int) -> Latent:
        """Noise predicted in `latent`, shape (n, channels, height, width), at `step`.

        Raises:
            ValueError: If the U-Net predicts neither noise nor velocity.
        """
        images = torch.from_numpy(latent).to(self.pipe.unet.device, torch.float32)
        time = torch.tensor(self.grid.times[step])
        output = sampling.predict(self.pipe, images, time, self.conditioning, self.guidance)
        predicted = output.cpu().numpy().astype(np.float64)
        kind, alpha = self.pipe.scheduler.config.prediction_type, self.grid.before[step]
        if kind == "epsilon":
            return np.asarray(predicted)
        if kind == "v_prediction":
            return np.asarray(math.sqrt(alpha) * predicted + math.sqrt(1 - alpha) * latent)
        raise ValueError(f"prediction_type={kind!r} must be 'epsilon' or 'v_prediction'")


class Solver:
    """Turns latents into update terms, and remembers what PLMS needs.

    Args:
        predict: The noise predictor.
        grid: Its time steps.
        method: `plms` or `ddim`.
    """

    def __init__(self, predict: Predict, grid: Grid, method: str) -> None:
        self._predict = predict
        self._grid = grid
        self._method = method
        self._older: list[Latent] = []

    def term(self, latent: Latent, step: int) -> Latent:
        """The update term a of `step`; steps come in order.

        PLMS starts with a pseudo improved Euler step, which asks the U-Net twice, and goes on
        with Adams-Bashforth of order 2, 3 and 4.

        References:
            Liu, Ren, Lin, Zhao, Pseudo numerical methods for diffusion models on manifolds
            (2022), https://arxiv.org/abs/2202.09778.
        """
        noise = self._predict(latent, step)
        if self._method == "ddim":
            return self._grid.term(noise, step)
        if self._older:
            combined = adams_bashforth([noise, *self._older])
        else:
            trial = self._grid.factor(step) * latent + self._grid.term(noise, step)
            combined = (noise + self._predict(trial, min(step + 1, len(self._grid) - 1))) / 2
        self._older = [noise, *self._older][:MEMORY]
        return self._grid.term(combined, step)


def adams_bashforth(predictions: Sequence[Latent]) -> Latent:
    """Extrapolate from noise predictions, newest first, at most four."""
    weights = _ADAMS_BASHFORTH[len(predictions) - 1]
    total = sum(w * p for w, p in zip(weights, predictions, strict=True))
    return np.asarray(total, dtype=np.float64)


def sample(predict: Predict, grid: Grid, latent: Latent, method: str) -> Latent:
    """The whole sampler in the clear: what encryption must agree with."""
    solver = Solver(predict, grid, method)
    for step in range(len(grid)):
        latent = grid.factor(step) * latent + solver.term(latent, step)
    return latent
