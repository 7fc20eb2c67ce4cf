"""SimA: the norm of the predicted noise at the clean sample itself, one query."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .model import Denoiser, Samples
from .scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class SimA(Scorer):
    """Minus `||eps_theta(x, t)||_p`: near a member the score field of the data points nowhere.

    Attributes:
        time: t.
        power: p.

    References:
        Rao, Qu, Moyer, Score-based Membership Inference on Diffusion Models (2025),
        https://arxiv.org/abs/2509.25003.
    """

    time: int = 100
    power: float = 4.0

    @property
    def queries(self) -> int:
        """One."""
        return 1

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`."""
        found = model.noise(samples.latents, self.time, samples.told)
        length: Tensor = torch.linalg.vector_norm(found.flatten(1), self.power, dim=1)
        return -length
