"""SecMI: how well one deterministic step on and back returns to where it started."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...targets.sampling import Conditioning
from .model import Denoiser, Samples
from .scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class SecMI(Scorer):
    """Minus `||psi(phi(x_t, t), t + s) - x_t||^2`, SecMI_stat: the t-error of the reference.

    `x_t` comes from the sample by deterministic DDIM inversion in steps of s up to t = `time` - s;
    phi goes one step on, to `time`, and psi one back.

    Queries: 11 a sample (time / s - 1 of the inversion, one on, one back).

    Attributes:
        time: Highest time step that is reached.
        stride: s; divides `time`.

    References:
        Duan et al., Are Diffusion Models Vulnerable to Membership Inference Attacks? (2023),
        Section 4 (t-error, SecMI_stat), https://arxiv.org/abs/2302.01316; steps as in the code that
        the authors released.
    """

    time: int = 100
    stride: int = 10

    def __post_init__(self) -> None:
        if self.stride < 1 or self.time < self.stride or self.time % self.stride:
            raise ValueError(f"time={self.time} must be a positive multiple of {self.stride}")

    @property
    def queries(self) -> int:
        """One a step of the inversion, one on, one back."""
        return self.time // self.stride + 1

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`."""
        return -self.error(model, samples).square().flatten(1).sum(1)

    def error(self, model: Denoiser, samples: Samples) -> Tensor:
        """`psi(phi(x_t)) - x_t`, shape of the latents: what the trained variant classifies."""
        x, told, last = samples.latents, samples.told, self.time - self.stride
        for now in range(0, last, self.stride):
            x = moved(model, x, now, now + self.stride, told)
        on = moved(model, x, last, self.time, told)
        return moved(model, on, self.time, last, told) - x


def moved(model: Denoiser, x: Tensor, now: int, then: int, told: Conditioning | None) -> Tensor:
    """One deterministic DDIM step between any two times.

    References:
        Song et al., Denoising Diffusion Implicit Models (2021), Equation 12 with sigma = 0,
        https://arxiv.org/abs/2010.02502.
    """
    noise, alpha = model.noise(x, now, told), model.alpha(now)
    clean = (x - (1 - alpha).sqrt() * noise) / alpha.sqrt()
    return model.noisy(clean, noise, then)
