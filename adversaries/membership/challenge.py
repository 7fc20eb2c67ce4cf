"""The sample in question and the model, as a membership adversary is handed them.

Every game shows one message: a sample's latent and caption. The model is a reference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
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
from ..contract import Auxiliary, Shadow
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
    """Conditions of captions on the model's device.

    Each different one is encoded once, for all models that share a text encoder.
    """
    distinct = tuple(dict.fromkeys(captions))
    told = _encoded(_Encoder(text_encoder=pipe.text_encoder, pipe=pipe), distinct)
    places = {caption: row for row, caption in enumerate(distinct)}
    return told[torch.tensor([places[c] for c in captions], device=told.text.device)]


@dataclass(frozen=True)
class _Encoder:
    """A pipeline; equal to others that have the same text encoder."""

    text_encoder: torch.nn.Module
    pipe: DiffusionPipeline = field(compare=False)


@lru_cache(maxsize=4)
@torch.no_grad()
def _encoded(encoder: _Encoder, distinct: tuple[str, ...]) -> Conditioning:
    """The captions, and what stands for none: that is encoded once."""
    pipe, rows = encoder.pipe, len(distinct)
    none = sampling.encode_prompts(pipe, distinct[:1])
    parts = [
        sampling.embed_prompts(pipe, distinct[start : start + AT_ONCE])
        for start in range(0, rows, AT_ONCE)
    ]
    return Conditioning(
        text=torch.cat([p.text for p in parts]),
        empty=none.empty.expand(rows, *none.empty.shape[1:]),
        added={k: torch.cat([p.added[k] for p in parts]) for k in parts[0].added},
        added_empty={k: v.expand(rows, *v.shape[1:]) for k, v in none.added_empty.items()},
    )


def samples_of(views: Views, pipe: DiffusionPipeline) -> Samples:
    """Latents and encoded captions of every game, on the model's device."""
    told = encoded(pipe, captions_of(views))
    return Samples(latents=latents_of(views).to(pipe.unet.device), told=told)


@dataclass(frozen=True)
class Granted:
    """Shadow models and their samples; equal where all of it is equal, so that it can be looked up.

    The jobs of one adversary are granted the same ones: what was learned from them is kept.

    Attributes:
        key: SHA-256 of everything that follows.
        shadow: Labelled samples.
        weights: References to the models.
    """

    key: str
    shadow: Shadow = field(compare=False)
    weights: Mapping[str, Any] = field(compare=False)

    @classmethod
    def of(cls, shadow: Shadow, aux: Auxiliary) -> Granted:
        """What an adversary was granted."""
        weights = dict(aux.weights or {})
        total = hashlib.sha256(json.dumps(weights, sort_keys=True).encode())
        total.update(shadow.labels.tobytes())
        total.update(latents_of(shadow.views).numpy().tobytes())
        total.update("\n".join(captions_of(shadow.views)).encode())
        return cls(key=total.hexdigest(), shadow=shadow, weights=weights)


def models_of(shadow: Shadow) -> npt.NDArray[np.int64]:
    """Which shadow model each label is about; -1 for samples that no model has seen."""
    column = shadow.views.column(0, "model")
    return np.concatenate([np.asarray(chunk).reshape(-1) for chunk in column])


def shadow_rows(shadow: Shadow) -> dict[int, npt.NDArray[np.int64]]:
    """Games of each shadow model: number of the model to rows of `shadow`."""
    models = models_of(shadow)
    return {int(n): np.flatnonzero(models == n) for n in np.unique(models) if n >= 0}


def shadow_pipe(weights: Mapping[str, Any] | None, number: int) -> DiffusionPipeline:
    """The pipeline of a shadow model."""
    shadows = (weights or {}).get("shadows", ())
    if not 0 <= number < len(shadows):
        raise ValueError(
            f"shadow model {number} must be one of the {len(shadows)} that are granted"
        )
    return opened({"open": shadows[number]})
