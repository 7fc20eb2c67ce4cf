"""A denoiser as attacks query it, and the samples in question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ...targets.sampling import Conditioning
from ...targets.work import count

Scores = npt.NDArray[np.float64]

BATCH = 64
"""Samples a call of the network."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What may have been trained on.

    Attributes:
        latents: Clean, in the scale of training, shape `(n, channels, height, width)`; pixels
            where the model denoises those.
        told: Captions, and what says nothing, of each; None for an unconditional model.
        reduced: Conditions that say less than the captions.
    """

    latents: Tensor
    told: Conditioning | None = None
    reduced: tuple[Conditioning, ...] = ()

    def __post_init__(self) -> None:
        if self.told is not None and len(self.told) != len(self.latents):
            raise ValueError(f"told has {len(self.told)} rows and latents {len(self.latents)}")

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: slice | Tensor) -> Samples:
        """Some samples; `rows` must keep the leading axis."""
        return Samples(
            latents=self.latents[rows],
            told=None if self.told is None else self.told[rows],
            reduced=tuple(each[rows] for each in self.reduced),
        )

    @property
    def untold(self) -> Samples:
        """The same without their captions.

        Raises:
            ValueError: There are none.
        """
        if self.told is None:
            raise ValueError("samples of an unconditional model have no captions to leave out")
        told = self.told
        return replace(self, told=replace(told, text=told.empty, added=told.added_empty))


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

    def noise(self, x: Tensor, time: int, told: Conditioning | None) -> Tensor:
        """Predicted noise, float32, shape of `x`: one query a row."""
        options: dict[str, Any] = {}
        if told is not None:
            options["encoder_hidden_states"] = told.text.to(self.unet.dtype)
        if told is not None and told.added:
            options["added_cond_kwargs"] = dict(told.added)
        times = torch.full((len(x),), time, device=x.device)
        count(rows=len(x))
        out = self.unet(x.to(self.unet.dtype), times, **options).sample.float()
        alpha = self.alpha(time)
        if self.predicts == "v_prediction":
            return torch.as_tensor(alpha.sqrt() * out + (1 - alpha).sqrt() * x)
        if self.predicts == "sample":
            return torch.as_tensor((x - alpha.sqrt() * out) / (1 - alpha).sqrt())
        return torch.as_tensor(out)


class Attack(Protocol):
    """One way to score samples."""

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`; higher means member."""
        ...


def scores(
    attack: Attack, model: Denoiser, samples: Samples, *, seed: int, batch: int = BATCH
) -> Scores:
    """Score all samples; what noise a sample meets depends on its batch and on `seed`.

    Args:
        attack: How.
        model: Which model.
        samples: At least one.
        seed: Of the noise.
        batch: Samples a call of the network.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        parts = [attack.part(model, each, generator) for each in batches(samples, batch)]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def batches(samples: Samples, size: int = BATCH) -> list[Samples]:
    """Samples in order, so many together.

    Raises:
        ValueError: The size is not positive.
    """
    if size < 1:
        raise ValueError(f"batch={size} must be >= 1")
    return [samples[slice(i, i + size)] for i in range(0, len(samples), size)]


def gaussian(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise, drawn on the CPU: the same on every device."""
    return torch.randn(like.shape, generator=generator).to(like.device)


def area(found: Scores, member: npt.NDArray[np.int64]) -> float:
    """Area under the ROC curve, by which settings are chosen on shadow models.

    Args:
        found: Scores, shape (n,).
        member: 1 for members, shape (n,).
    """
    return float(roc_auc_score(member, found))
