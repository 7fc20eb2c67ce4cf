"""The sample in question and the model, as a membership adversary is handed them.

Every game shows one message: a sample's latent and caption. The model is a reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from ...defenses.codec import decode_texts
from ...defenses.views import Views
from ...targets import sampling
from ...targets.pipeline import Target
from ...targets.sampling import Conditioning
from ..contract import Shadow
from .model import Samples

KIND = "sample"
"""Kind of the message that holds a sample: `latent` (channels, height, width), and `caption`."""

AT_ONCE = 64
"""Captions that are encoded together."""


def opened(weights: Mapping[str, Any] | None) -> DiffusionPipeline:
    """The pipeline that a reference names, without its autoencoder.

    Args:
        weights: As the threat model grants them; `open` holds the fields of a `Target`.
    """
    if weights is None:
        raise ValueError("weights=None: membership adversaries need the fact `weights`")
    return sampling.open_denoiser(Target(**weights["open"]))


def latents_of(views: Views) -> Tensor:
    """The latent of every game, shape (games, channels, height, width), float32."""
    return torch.from_numpy(np.concatenate([np.asarray(c) for c in views.column(0, "latent")]))


def captions_of(views: Views) -> list[str]:
    """The caption of every game."""
    found: list[str] = []
    for chunk in views.column(0, "caption"):
        found += [text for block in chunk for text in decode_texts(np.asarray(block))]
    return found


def encoded(pipe: DiffusionPipeline, captions: Sequence[str]) -> Conditioning:
    """Conditions of captions on the model's device; each different one is encoded once."""
    distinct = list(dict.fromkeys(captions))
    parts = [
        sampling.encode_prompts(pipe, distinct[start : start + AT_ONCE])
        for start in range(0, len(distinct), AT_ONCE)
    ]
    first = parts[0]
    told = Conditioning(
        text=torch.cat([p.text for p in parts]),
        empty=torch.cat([p.empty for p in parts]),
        added={k: torch.cat([p.added[k] for p in parts]) for k in first.added},
        added_empty={k: torch.cat([p.added_empty[k] for p in parts]) for k in first.added_empty},
    )
    places = {caption: row for row, caption in enumerate(distinct)}
    return told[torch.tensor([places[c] for c in captions], device=told.text.device)]


def samples_of(views: Views, pipe: DiffusionPipeline) -> Samples:
    """Latents and encoded captions of every game, on the model's device."""
    told = encoded(pipe, captions_of(views))
    return Samples(latents=latents_of(views).to(pipe.unet.device), told=told)


def shadow_rows(shadow: Shadow) -> dict[int, npt.NDArray[np.int64]]:
    """Games of each shadow model: number of the model to rows of `shadow`."""
    models = np.concatenate([np.asarray(c).reshape(-1) for c in shadow.views.column(0, "model")])
    return {int(number): np.flatnonzero(models == number) for number in np.unique(models)}


def shadow_pipe(weights: Mapping[str, Any] | None, number: int) -> DiffusionPipeline:
    """The pipeline of a shadow model."""
    shadows = (weights or {}).get("shadows", ())
    if not 0 <= number < len(shadows):
        raise ValueError(
            f"shadow model {number} must be one of the {len(shadows)} that are granted"
        )
    return opened({"open": shadows[number]})
