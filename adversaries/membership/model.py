"""A denoiser as attacks query it, and the samples in question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What may have been trained on.

    Attributes:
        latents: Clean, in the scale of training, shape `(n, channels, height, width)`.
        text: Condition of each, `(n, length, width)`; None for an unconditional model.
        empty: Condition that says nothing, `(1, length, width)`; None where there is none.
    """

    latents: Tensor
    text: Tensor | None = None
    empty: Tensor | None = None

    def __post_init__(self) -> None:
        if self.text is not None and len(self.text) != len(self.latents):
            raise ValueError(f"text has {len(self.text)} rows and latents {len(self.latents)}")

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: slice | Tensor) -> Samples:
        """Some samples; `rows` must keep the leading axis."""
        text = None if self.text is None else self.text[rows]
        return Samples(latents=self.latents[rows], text=text, empty=self.empty)


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """Noise prediction of a diffusers model, whatever its network predicts.

    Attributes:
        unet: `UNet2DConditionModel`, or `UNet2DModel` without conditions.
        alphas: Cumulative products of 1 - beta, shape `(steps,)`.
        predicts: `epsilon`, `v_prediction` or `sample`.
    """

    unet: Any
    alphas: Tensor
    predicts: str

    def __post_init__(self) -> None:
        if self.predicts not in ("epsilon", "v_prediction", "sample"):
            raise ValueError(f"predicts={self.predicts!r} must be epsilon, v_prediction or sample")

    @classmethod
    def of(cls, pipe: Any) -> Denoiser:
        """The denoiser of a pipeline with `unet` and `scheduler`."""
        scheduler = pipe.scheduler
        return cls(
            unet=pipe.unet,
            alphas=scheduler.alphas_cumprod,
            predicts=scheduler.config.prediction_type,
        )

    def alpha(self, time: int) -> Tensor:
        """Share of the signal's variance at a time step; 1 before the first."""
        if not -1 <= time < len(self.alphas):
            raise ValueError(f"time={time} must be in -1..{len(self.alphas) - 1}")
        return self.alphas[time].float() if time >= 0 else torch.ones(())

    def noisy(self, clean: Tensor, noise: Tensor, time: int) -> Tensor:
        """`sqrt(abar) x + sqrt(1 - abar) eps`."""
        alpha = self.alpha(time)
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def noise(self, x: Tensor, time: int, text: Tensor | None) -> Tensor:
        """Predicted noise, float32, shape of `x`: one query a row."""
        options = {} if text is None else {"encoder_hidden_states": text.to(self.unet.dtype)}
        times = torch.full((len(x),), time, device=x.device)
        out = self.unet(x.to(self.unet.dtype), times, **options).sample.float()
        alpha = self.alpha(time)
        if self.predicts == "v_prediction":
            return torch.as_tensor(alpha.sqrt() * out + (1 - alpha).sqrt() * x)
        if self.predicts == "sample":
            return torch.as_tensor((x - alpha.sqrt() * out) / (1 - alpha).sqrt())
        return torch.as_tensor(out)


class Attack(Protocol):
    """One way to score samples.

    Attributes:
        queries: Evaluations of the network for each sample.
    """

    @property
    def queries(self) -> int:
        """Evaluations of the network for each sample."""
        ...

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`; higher means member."""
        ...


def scores(
    attack: Attack, model: Denoiser, samples: Samples, *, seed: int, batch: int = 64
) -> Scores:
    """Score all samples; what noise a sample meets depends on its batch and on `seed`.

    Args:
        attack: How.
        model: Which model.
        samples: At least one.
        seed: Of the noise.
        batch: Samples a call of the network.
    """
    if batch < 1:
        raise ValueError(f"batch={batch} must be >= 1")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        parts = [
            attack.part(model, samples[slice(i, i + batch)], generator)
            for i in range(0, len(samples), batch)
        ]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def gaussian(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise, drawn on the CPU: the same on every device."""
    return torch.randn(like.shape, generator=generator).to(like.device)
