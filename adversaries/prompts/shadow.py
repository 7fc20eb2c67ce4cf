"""Executions that the attacker makes itself, on prompts of families that no game asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from ...defenses.he_diffusion.sampler import Solver
from ...defenses.he_diffusion.selection import Latent
from ...defenses.seeds import stream
from ...targets import sampling
from ...targets.pipeline import Target
from ..he_views import ROWS, Model, Pictures
from ..trace import Trace, predictor
from .vocabulary import known

METHOD = "ddim"
"""Sampler under which what the U-Net does is compared, whatever the client's."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Executions:
    """n executions in the clear.

    Attributes:
        prompts: What was asked for.
        latents: Before each step and after the last, shape (steps + 1, n, channels, h, w).
        terms: Update terms, shape (steps, n, channels, h, w).
    """

    prompts: tuple[str, ...]
    latents: Latent
    terms: Latent

    @property
    def trace(self) -> Trace:
        """What a server that only adds update terms would have seen."""
        empty = np.zeros(self.terms.shape[1:])
        return Trace(terms=self.terms, known=empty.astype(np.bool_), values=empty)


def executed(model: Model, prompts: Sequence[str], noise: Latent) -> Executions:
    """Run prompts from given initial latents, shape (n, channels, h, w)."""
    parts = [
        _run(model, prompts[start : start + ROWS], noise[start : start + ROWS])
        for start in range(0, len(prompts), ROWS)
    ]
    return Executions(
        prompts=tuple(prompts),
        latents=np.concatenate([latents for latents, _ in parts], axis=1),
        terms=np.concatenate([terms for _, terms in parts], axis=1),
    )


def _run(model: Model, prompts: Sequence[str], noise: Latent) -> tuple[Latent, Latent]:
    solver = Solver(predictor(model, prompts), model.grid, model.method)
    latents, terms = [noise], []
    for step in range(len(model.grid)):
        terms.append(solver.term(latents[-1], step))
        latents.append(model.grid.factor(step) * latents[-1] + terms[-1])
    return np.stack(latents), np.stack(terms)


@lru_cache(maxsize=4)
def own(target: Target, steps: int, guidance: float, count: int) -> Executions:
    """The first `count` public prompts, each from noise of its own; a process makes them once."""
    model = Model.of(target, steps=steps, guidance=guidance, method=METHOD)
    return executed(model, known()[:count], _noise(model, count))


@lru_cache(maxsize=4)
def own_pictures(target: Target, steps: int, guidance: float, count: int, method: str) -> Pictures:
    """What clients would have got for the same prompts and noise, shape (count, height, width, 3).

    Args:
        target: The model.
        steps: Of the client's sampler.
        guidance: Of the client.
        count: Own executions.
        method: `ddim` or `plms` where the client's sampler is HE-Diffusion's, else empty.
    """
    model = Model.of(target, steps=steps, guidance=guidance, method=METHOD)
    if method:
        return model.pictures(own(target, steps, guidance, count).latents[-1])
    prompts, noise = known()[:count], torch.from_numpy(_noise(model, count)).float()
    ends = [
        sampling.denoise(
            model.pipe,
            part,
            sampling.encode_prompts(model.pipe, prompts[ROWS * i : ROWS * i + len(part)]),
            steps=steps,
            guidance=guidance,
        ).latents
        for i, part in enumerate(noise.split(ROWS))
    ]
    return model.pictures(torch.cat(ends).double().cpu().numpy())


def _noise(model: Model, count: int) -> Latent:
    return stream(0, "own noise").standard_normal((count, *model.shape))


def first_guess(model: Model, latents: Latent, terms: Latent) -> npt.NDArray[np.float64]:
    """The clean latent that the first update means, x0 = (z_1 - s_1 e) / a_1; shape as a latent.

    Args:
        model: The model, its method `ddim`.
        latents: Before the first step.
        terms: Of the first step, a = s_1 e - F s_0 e.
    """
    grid = model.grid
    noise = terms / grid.term(np.ones(()), 0)
    share = np.sqrt(1 - grid.before[0])
    return np.asarray((latents - share * noise) / np.sqrt(grid.before[0]))
