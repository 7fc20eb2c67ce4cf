"""PIA: does the model's own noise for the clean sample survive at a later time?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .model import Denoiser, Samples
from .scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class PIA(Scorer):
    """Minus `||eps_0 - eps_theta(sqrt(abar) x + sqrt(1 - abar) eps_0, t)||_p^p`.

    `eps_0 = eps_theta(x, 0)`. PIAN rescales it to the mean absolute value of a standard normal.

    Attributes:
        time: t.
        power: p.
        normalized: PIAN.

    References:
        Kong et al., An Efficient Membership Inference Attack for the Diffusion Model by Proximal
        Initialization (2023), https://arxiv.org/abs/2305.18355.
    """

    time: int = 200
    power: float = 4.0
    normalized: bool = False

    @property
    def queries(self) -> int:
        """At time 0 and at t."""
        return 2

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`."""
        first = model.noise(samples.latents, 0, samples.told)
        if self.normalized:
            first = normal(first)
        x = model.noisy(samples.latents, first, self.time)
        gap = model.noise(x, self.time, samples.told) - first
        return -gap.abs().pow(self.power).flatten(1).sum(1)


def normal(noise: Tensor) -> Tensor:
    """Each row scaled to a mean absolute value of sqrt(2 / pi)."""
    mean = noise.abs().flatten(1).mean(1).clamp_min(1e-12)
    return noise * (math.sqrt(2 / math.pi) / mean).view(-1, *[1] * (noise.dim() - 1))
