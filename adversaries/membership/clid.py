"""CLiD: what the caption is worth to the model on this picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from ...defenses.views import Views
from ..contract import Adversary, Auxiliary, Shadow
from .challenge import Granted, captions_of, encoded, samples_of, shadow_pipe, shadow_rows
from .loss import losses
from .model import Denoiser, Samples, Scores, area, batches
from .scorer import Scorer

WEIGHTS = np.linspace(0, 1, 21)
"""Mixing weights from which a shadow model chooses."""

SEED = 0
"""Of the noise on shadow models."""

THIRDS = ("first", "middle", "last")


@dataclass(frozen=True, kw_only=True)
class CLiD(Scorer):
    """`w D / a - (1 - w) L(x | caption) / b`, the discrepancy D mixed with the loss.

    D is the mean over reduced captions r of `L(x | r) - L(x | caption)`, with the same noise.
    A caption is reduced to each of its thirds, and to nothing. Weight w and scales a, b (the ranges
    between quartiles) are chosen on shadow models where there are any, and never on the samples
    that are scored.

    Queries: 1 + 1 + thirds for each time step and draw.

    Attributes:
        weight: w, in [0, 1].
        scales: a and b.
        times: Time steps of the losses.
        draws: Draws of noise at each.
        thirds: Which thirds of the caption stand for less than all of it.

    References:
        Zhai et al., Membership Inference on Text-to-Image Diffusion Models via Conditional
        Likelihood Discrepancy (2024), Section 4 (CLiD_th, reduction by clipping),
        https://arxiv.org/abs/2405.14800.
    """

    conditional: ClassVar[bool] = True
    weight: float = 0.5
    scales: tuple[float, float] = (1.0, 1.0)
    times: tuple[int, ...] = (60, 120, 200)
    draws: int = 1
    thirds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight={self.weight} must be in [0, 1]")
        if not min(self.scales) > 0:
            raise ValueError(f"scales={self.scales} must be > 0")
        if unknown := set(self.thirds) - set(THIRDS):
            raise ValueError(f"thirds={sorted(unknown)} must be among {', '.join(THIRDS)}")

    @property
    def queries(self) -> int:
        """With the caption, without, and with each third, a time step and draw."""
        return (2 + len(self.thirds)) * len(self.times) * self.draws

    def samples(self, views: Views, pipe: DiffusionPipeline) -> Samples:
        """The samples, with their captions' thirds."""
        captions = captions_of(views)
        reduced = [encoded(pipe, [third(text, part) for text in captions]) for part in self.thirds]
        return replace(samples_of(views, pipe), reduced=tuple(reduced))

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`."""
        gain, told = self.parts(model, samples, noise)
        return self.weight * gain / self.scales[0] - (1 - self.weight) * told / self.scales[1]

    def parts(
        self, model: Denoiser, samples: Samples, noise: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """D and the loss with the caption, each of shape `(n,)`."""
        state = noise.get_state()
        told = losses(model, samples, self.times, self.draws, noise).mean(1)
        others = [samples.untold, *(replace(samples, told=each) for each in samples.reduced)]
        found = []
        for other in others:
            noise.set_state(state)
            found.append(losses(model, other, self.times, self.draws, noise).mean(1) - told)
        return torch.stack(found).mean(0), told

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Adversary:
        """Choose weight and scales on shadow models."""
        weight, scales = _chosen(self, Granted.of(shadow, aux))
        return replace(self, weight=weight, scales=scales)

    def table(self, model: Denoiser, samples: Samples) -> tuple[Scores, Scores]:
        """`parts` of all samples, each of shape (n,)."""
        generator = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            parts = [self.parts(model, each, generator) for each in batches(samples)]
        gain, told = (torch.cat(side).double().cpu().numpy() for side in zip(*parts, strict=True))
        return gain, told


@lru_cache(maxsize=2)
def _chosen(attack: CLiD, granted: Granted) -> tuple[float, tuple[float, float]]:
    """Weight and scales with the largest mean area over shadow models."""
    known, shadow = [], granted.shadow
    for number, rows in shadow_rows(shadow).items():
        pipe = shadow_pipe(granted.weights, number)
        samples = attack.samples(shadow.views.take(rows), pipe)
        known.append((*attack.table(Denoiser.of(pipe), samples), shadow.labels[rows]))
    a, b = (_range(np.concatenate([each[i] for each in known])) for i in (0, 1))
    areas = [
        np.mean([area(w * gain / a - (1 - w) * told / b, member) for gain, told, member in known])
        for w in WEIGHTS
    ]
    return float(WEIGHTS[int(np.argmax(areas))]), (a, b)


def third(caption: str, part: str) -> str:
    """One third of the words of a caption.

    >>> third("woman firefighter: dark skin tone, noto style", "middle")
    'dark skin tone,'
    """
    words = caption.split()
    cuts = [round(i * len(words) / 3) for i in range(4)]
    place = THIRDS.index(part)
    return " ".join(words[cuts[place] : cuts[place + 1]])


def _range(values: Scores) -> float:
    low, high = np.quantile(values, (0.25, 0.75))
    return float(max(high - low, np.finfo(float).tiny))
