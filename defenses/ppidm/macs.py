"""How much of a U-Net pass a preset sends away, in multiply-accumulates.

Counted on a weightless twin of the U-Net, matrix products of attention included, for one image
without guidance; the shares hold for any batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .layers import check_preset, selected, self_attention_of

TOKENS = 77
"""Length of an encoded prompt."""


@dataclass(frozen=True, kw_only=True)
class Macs:
    """Multiply-accumulates of one U-Net pass.

    Attributes:
        total: All of them.
        named: In the modules that the preset names, attention's matrix products included.
        served: In products with weights that a server computes; no masking scheme can send
            the products of two activations away.
    """

    total: int
    named: int
    served: int

    @property
    def share(self) -> float:
        """Named by the preset, of the total."""
        return self.named / self.total

    @property
    def served_share(self) -> float:
        """Computed by servers, of the total."""
        return self.served / self.total


def count_macs(unet: nn.Module, preset: str) -> Macs:
    """Count one pass at the U-Net's own sample size.

    Args:
        unet: A diffusers `UNet2DConditionModel`, on any device; only its configuration is read.
        preset: One of `layers.PRESETS`.
    """
    check_preset(preset)
    by_module, total = _counts(unet)
    layers = list(selected(unet, preset))
    return Macs(
        total=total,
        named=sum(by_module.get(name, 0) for name in _named(unet, preset, layers)),
        served=sum(by_module.get(name, 0) for name in layers),
    )


def _named(unet: Any, preset: str, layers: list[str]) -> list[str]:
    """The modules, none inside another, that a preset is named after."""
    if preset == "up_blocks":
        return [f"up_blocks.{i}" for i in range(len(unet.up_blocks))]
    if preset == "all_linear":
        return layers
    return list(dict.fromkeys(self_attention_of(unet, name) or name for name in layers))


def _counts(unet: Any) -> tuple[dict[str, int], int]:
    with torch.device("meta"):
        twin = type(unet).from_config(unet.config)
        inputs = _inputs(unet.config)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        twin(**inputs)
    prefix = f"{type(twin).__name__}."
    counts = {
        name.removeprefix(prefix): sum(operations.values()) // 2
        for name, operations in counter.get_flop_counts().items()
    }
    return counts, counter.get_total_flops() // 2


def _inputs(config: Any) -> dict[str, Any]:
    """Inputs of the right shapes and no contents."""
    size = config.sample_size
    height, width = size if isinstance(size, list | tuple) else (size, size)
    context = config.cross_attention_dim
    inputs: dict[str, Any] = {
        "sample": torch.empty(1, config.in_channels, height, width),
        "timestep": torch.empty(1),
        "encoder_hidden_states": torch.empty(
            1, TOKENS, context if isinstance(context, int) else max(context)
        ),
    }
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        inputs["added_cond_kwargs"] = {
            "text_embeds": torch.empty(1, pooled),
            "time_ids": torch.empty(1, 6),
        }
    return inputs
