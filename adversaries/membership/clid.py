"""CLiD: what the caption is worth to the model on this picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .loss import losses
from .model import Denoiser, Samples


@dataclass(frozen=True, kw_only=True)
class CLiD:
    """`w (L(x | nothing) - L(x | caption)) - (1 - w) L(x | caption)`, same noise in both.

    Choose `weight` on a model of your own, never on the samples that are scored.

    Attributes:
        weight: w, in [0, 1].
        times: Time steps of the losses.
        draws: Draws of noise at each.

    References:
        Zhai et al., Membership Inference on Text-to-Image Diffusion Models via Conditional
        Likelihood Discrepancy (2024), https://arxiv.org/abs/2405.14800.
    """

    weight: float = 0.5
    times: tuple[int, ...] = (60, 120, 200)
    draws: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight={self.weight} must be in [0, 1]")

    @property
    def queries(self) -> int:
        """Two a time step and draw."""
        return 2 * len(self.times) * self.draws

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`."""
        if samples.text is None or samples.empty is None:
            raise ValueError("CLiD needs text and empty; an unconditional model has none")
        state = noise.get_state()
        told = losses(model, samples, self.times, self.draws, noise).mean(1)
        noise.set_state(state)
        untold = replace(samples, text=samples.empty.expand_as(samples.text))
        gain = losses(model, untold, self.times, self.draws, noise).mean(1) - told
        return self.weight * gain - (1 - self.weight) * told
