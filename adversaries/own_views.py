"""What a coalition would have seen of the attacker's own executions: examples to learn from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from .he_views import ROWS
from .own_executions import Executions
from .share_inputs import Inputs
from .share_latent import latent_images, run_on
from .share_model import NOISE, ShareModel
from .share_views import Floats

Opened = Mapping[int, Mapping[int, Inputs]]
"""Inputs by step and request group."""


def informative(opened: Opened) -> dict[int, dict[int, Inputs]]:
    """Those inputs that say something in all games."""
    kept = {
        step: {number: x for number, x in layers.items() if x.informative.all()}
        for step, layers in opened.items()
    }
    return {step: layers for step, layers in kept.items() if layers}


def imitated(
    model: ShareModel,
    own: Executions,
    layers: Mapping[int, Inputs],
    step: int,
    rng: np.random.Generator,
) -> dict[int, Inputs]:
    """Inputs of own executions, known where those of the games are and as noisy.

    Args:
        model: The public side.
        own: Executions in the clear.
        layers: What is known of the games, by request group.
        step: At which step.
        rng: Of the noise.
    """
    return {
        number: _as_seen(own.inputs[model.name(number), step], inputs, rng)
        for number, inputs in layers.items()
    }


def _as_seen(own: Tensor, seen: Inputs, rng: np.random.Generator) -> Inputs:
    values, variance = own.float().numpy(), float(seen.variance.mean())
    if variance:
        noise = rng.standard_normal(values.shape, dtype=np.float32)
        values = values + np.float32(np.sqrt(variance)) * noise
    known = np.broadcast_to(seen.known[:1], values.shape)
    return Inputs(
        values=np.where(known, values, 0).astype(np.float64),
        known=known,
        variance=np.full(len(values), variance),
    )


def maps(model: ShareModel, inputs: Mapping[int, Inputs], step: int) -> Floats:
    """Inputs of one step carried to the grid of latents by public maps.

    These are linear. Where the last convolution stays with the client, a normalization and an
    activation lie between the inputs and the latent: then the network is also run on from them.

    Returns:
        Shape (games, maps, height, width).
    """
    found = latent_images(model, inputs)
    if NOISE not in model.numbers:
        starts = range(0, len(found[0]), ROWS)
        rows = [slice(start, start + ROWS) for start in starts]
        parts = [run_on(model, {n: x[own] for n, x in inputs.items()}, step) for own in rows]
        found.append(torch.cat(parts).double())
    return torch.cat(found, dim=1).numpy()
