"""The denoising loss: what training made small on members."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .model import Denoiser, Samples, gaussian
from .scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class Loss(Scorer):
    """Minus the mean of `||eps - eps_theta(x_t, t)||^2 / d` over time steps and draws of noise.

    One time step is the attack of the first reference, several average out the noise.

    Attributes:
        times: Time steps.
        draws: Draws of noise at each.

    References:
        Matsumoto et al., Membership Inference Attacks against Diffusion Models (2023),
        https://arxiv.org/abs/2302.03262; Carlini et al. (2023), https://arxiv.org/abs/2301.13188.
    """

    times: tuple[int, ...] = (100,)
    draws: int = 1

    @property
    def queries(self) -> int:
        """One a time step and draw."""
        return len(self.times) * self.draws

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`."""
        return -losses(model, samples, self.times, self.draws, noise).mean(1)


def losses(
    model: Denoiser,
    samples: Samples,
    times: tuple[int, ...],
    draws: int,
    generator: torch.Generator,
) -> Tensor:
    """Squared error a value at each time and draw, shape `(n, times * draws)`."""
    found = []
    for time in times:
        for _ in range(draws):
            noise = gaussian(samples.latents, generator)
            x = model.noisy(samples.latents, noise, time)
            found.append((model.noise(x, time, samples.told) - noise).square().flatten(1).mean(1))
    return torch.stack(found, 1)
