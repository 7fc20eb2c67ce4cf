"""What the server's steps cost, in multiply-accumulates, counted by shape.

The accelerated U-Net itself runs, on a twin without weights (PyTorch's meta device), so the count
is exact for any U-Net, any acceleration and any number of rows, and costs no arithmetic.
Convolutions, linear layers and the two matrix products of attention are counted; norms,
activations, softmax and the mean of embeddings are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from .accelerated import AcceleratedUNet
from .acceleration import Acceleration

TOKENS = 77
"""Length of an encoded prompt of Stable Diffusion."""


@dataclass(frozen=True, kw_only=True)
class ServerCost:
    """Multiply-accumulates of a session at the server, and of what they are compared with.

    Attributes:
        steps: Of each of the k steps, all rows together.
        vanilla: Of one step of all rows without acceleration.
        plain: Of one image drawn by the cloud alone, all T steps.
        oblivious: Of all T steps for all rows (paper: vanilla oblivious generation).
    """

    steps: tuple[int, ...]
    vanilla: int
    plain: int
    oblivious: int

    @property
    def total(self) -> int:
        """Of the session."""
        return sum(self.steps)

    @property
    def to_plain(self) -> float:
        """How many plain generations the session costs."""
        return self.total / self.plain

    @property
    def below_oblivious(self) -> float:
        """How many times below all T steps for all rows."""
        return self.oblivious / self.total


def server_cost(
    unet: Any,
    acceleration: Acceleration,
    *,
    rows: int,
    k: int,
    steps: int = 25,
    tokens: int = TOKENS,
    guided: bool = True,
) -> ServerCost:
    """Count a session of N rows and k of T steps.

    Args:
        unet: A diffusers `UNet2DConditionModel` on any device; only its configuration is read.
        acceleration: What is computed when.
        rows: N.
        k: Steps of the server.
        steps: T, of the plain generation.
        tokens: Length of an encoded prompt.
        guided: With classifier-free guidance, two branches.
    """
    with torch.device("meta"):
        twin = type(unet).from_config(unet.config)
    branches = 2 if guided else 1
    one = _counts(twin, Acceleration(), 1, 1, tokens, branches)[0]
    return ServerCost(
        steps=tuple(_counts(twin, acceleration, rows, k, tokens, branches)),
        vanilla=rows * one,
        plain=steps * one,
        oblivious=steps * rows * one,
    )


def _counts(
    twin: Any, acceleration: Acceleration, rows: int, k: int, tokens: int, branches: int
) -> list[int]:
    network = AcceleratedUNet(twin, acceleration, rows=rows)
    inputs = shapes(twin.config, rows * branches, tokens)
    counts: list[int] = []
    known: dict[object, int] = {}
    for step in range(k):
        state = (acceleration.plan(step), _layouts(network))
        if state not in known:
            counter = FlopCounterMode(display=False)
            network.step = step
            with counter, torch.no_grad():
                network(**inputs)
            counts.append(counter.get_total_flops() // 2)
            if _layouts(network) == state[1]:
                known[state] = counts[-1]
        else:
            counts.append(known[state])
    return counts


def _layouts(network: AcceleratedUNet) -> frozenset[object]:
    """All that the cost of a step depends on besides its plan."""
    return frozenset((name, layout) for name, (layout, _) in network.session.kept.items())


def shapes(config: Any, batch: int, tokens: int = TOKENS) -> dict[str, Any]:
    """A U-Net's inputs: the right shapes and no contents."""
    size = config.sample_size
    height, width = size if isinstance(size, list | tuple) else (size, size)
    context = config.cross_attention_dim
    inputs: dict[str, Any] = {
        "sample": torch.empty(batch, config.in_channels, height, width, device="meta"),
        "timestep": torch.empty(1, device="meta"),
        "encoder_hidden_states": torch.empty(
            batch, tokens, context if isinstance(context, int) else max(context), device="meta"
        ),
    }
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added: Mapping[str, Any] = {
            "text_embeds": torch.empty(batch, pooled, device="meta"),
            "time_ids": torch.empty(batch, 6, device="meta"),
        }
        inputs["added_cond_kwargs"] = added
    return inputs
