"""Fill in unknown entries of a latent with the diffusion model as prior."""

from __future__ import annotations

import math

import numpy as np

from ..defenses.he_diffusion.sampler import Grid, NoisePredictor
from ..defenses.he_diffusion.selection import Latent, Mask
from .he_views import ROWS, Model


def repaint(
    model: Model,
    latents: Latent,
    known: Mask,
    rng: np.random.Generator,
    *,
    steps: int,
    resample: int,
) -> Latent:
    """One sample each of latents that agree with the known entries.

    From noise, at every step t: put the known entries, noised to level t, in their places; predict
    the clean latent; draw the next, less noisy one from it. All but the last of `resample` visits
    noise it back to t and begin again, which lets the unknown entries fit the known ones.

    Args:
        model: The model; used without a prompt and without guidance.
        latents: Shape (n, channels, height, width).
        known: Which entries are right, same shape.
        rng: For noise.
        steps: Steps of the sampler.
        resample: Visits to each step.

    References:
        Lugmayr et al., RePaint (2022), Algorithm 1, https://arxiv.org/abs/2201.09865.
    """
    from ..targets import sampling

    grid = Grid.of(model.pipe.scheduler, steps)
    parts = []
    for first in range(0, len(latents), ROWS):
        own, mask = latents[first : first + ROWS], known[first : first + ROWS]
        conditioning = sampling.encode_prompts(model.pipe, [""] * len(own))
        predict = NoisePredictor(
            pipe=model.pipe, conditioning=conditioning, guidance=1.0, grid=grid
        )
        parts.append(_chunk(predict, own, mask, rng, resample))
    return np.concatenate(parts)


def _chunk(
    predict: NoisePredictor, own: Latent, known: Mask, rng: np.random.Generator, resample: int
) -> Latent:
    grid = predict.grid
    latent = rng.standard_normal(own.shape)
    for step in range(len(grid)):
        for visit in range(resample):
            noised = _noised(own, grid.before[step], rng)
            latent = _drawn(predict, np.where(known, noised, latent), step, rng)
            if visit + 1 < resample:
                latent = _noised(latent, grid.before[step] / grid.after[step], rng)
    return np.where(known, own, latent)


def _drawn(predict: NoisePredictor, latent: Latent, step: int, rng: np.random.Generator) -> Latent:
    """A latent one step later, from the forward process's posterior given the clean prediction.

    References:
        Ho, Jain, Abbeel, Denoising diffusion probabilistic models (2020), Equation 7,
        https://arxiv.org/abs/2006.11239.
    """
    before, after = predict.grid.before[step], predict.grid.after[step]
    noise = predict(latent, step)
    clean = (latent - math.sqrt(1 - before) * noise) / math.sqrt(before)
    ratio = before / after
    mean = math.sqrt(after) * (1 - ratio) / (1 - before) * clean
    mean = mean + math.sqrt(ratio) * (1 - after) / (1 - before) * latent
    deviation = math.sqrt((1 - after) / (1 - before) * (1 - ratio))
    return np.asarray(mean + deviation * rng.standard_normal(latent.shape))


def _noised(latent: Latent, share: float, rng: np.random.Generator) -> Latent:
    """A sample of the forward process: sqrt(share) latent + sqrt(1 - share) noise."""
    noise = rng.standard_normal(latent.shape)
    return np.asarray(math.sqrt(share) * latent + math.sqrt(1 - share) * noise)
