"""Cross-attention maps: how much each token of a prompt is looked at, and by which head."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...targets import sampling
from ...targets.sampling import Conditioning
from ..he_views import ROWS, Model


def maps(
    model: Model, latents: npt.NDArray[np.float64], conditioning: Conditioning
) -> npt.NDArray[np.float64]:
    """Attention of every head to every token at the first step, its mean over the image.

    Args:
        model: The model.
        latents: Shape (n, channels, height, width).
        conditioning: For n images.

    Returns:
        Shape (n, heads of all layers, tokens); sums to 1 over tokens.
    """
    images = torch.from_numpy(latents).float()
    parts = [
        _maps(model, images[start : start + ROWS], conditioning[slice(start, start + ROWS)])
        for start in range(0, len(images), ROWS)
    ]
    return np.concatenate(parts)


def _maps(model: Model, latents: Tensor, conditioning: Conditioning) -> npt.NDArray[np.float64]:
    unet: Any = model.pipe.unet
    layers = [module for name, module in unet.named_modules() if name.endswith("attn2")]
    seen: dict[Any, Tensor] = {}

    def keep(module: Any, given: Any, out: Tensor) -> None:
        seen[module] = out.float()

    with ExitStack() as hooks, torch.no_grad():
        for layer in layers:
            for part in (layer.to_q, layer.to_k):
                hooks.callback(part.register_forward_hook(keep).remove)
        time = torch.tensor(model.grid.times[0])
        sampling.predict(model.pipe, latents.to(unet.device), time, conditioning, 1.0)
    found = [_weights(seen[layer.to_q], seen[layer.to_k], layer.heads) for layer in layers]
    return np.asarray(torch.cat(found, dim=1).double().cpu().numpy())


def _weights(queries: Tensor, keys: Tensor, heads: int) -> Tensor:
    """Softmax of q k / sqrt(d), its mean over queries; shape (n, heads, tokens)."""
    q, k = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys))
    logits: Tensor = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return logits.softmax(dim=-1).mean(dim=2)
