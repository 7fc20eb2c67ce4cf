"""A twin of any diffusers U-Net that accelerates the batch of one session.

The twin shares all weights with the U-Net it was made of and leaves it untouched. It is made for
one request and dropped with the reply; nothing that it remembers outlives the session.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import Tensor, nn

from .acceleration import Acceleration
from .attention import SessionAttention, check_attention
from .session import Session, joined


@dataclass(frozen=True)
class Sample:
    """A U-Net's answer, as diffusers returns it."""

    sample: Tensor


class KeptBlock(nn.Module):
    """A down or mid block whose outputs may be recalled instead of computed."""

    def __init__(self, name: str, block: nn.Module, session: Session) -> None:
        super().__init__()
        self.block = block
        self.name = name
        self.session = session
        self.has_cross_attention = getattr(block, "has_cross_attention", False)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """As the block's; a down block returns its output and the skip tensors."""
        if self.session.plan.skipped:
            first, *residuals = self.session.recall(self.name)
            return (first, tuple(residuals)) if residuals else first
        out = self.block(*inputs, **named)
        if self.session.plan.keep_blocks:
            first, residuals = out if isinstance(out, tuple) else (out, ())
            self.session.keep(self.name, first, *residuals)
        return out


class AcceleratedUNet(nn.Module):
    """Stand-in for a U-Net during the steps 0, 1, 2, ... of one session.

    Args:
        unet: A `UNet2DConditionModel` of any shape whose attention layers are plain.
        acceleration: What is computed when.
        rows: Number of candidates N; inputs have 2N rows, the empty branch first.
        pivot: The row whose attention maps others reuse; chosen without knowing which is real.
        mixture: Weights of the candidates in the steps that all rows share, shape `(N,)`;
            None is uniform.

    Raises:
        ValueError: An attention layer or the pivot is not supported.
    """

    def __init__(
        self,
        unet: Any,
        acceleration: Acceleration,
        *,
        rows: int,
        pivot: int = 0,
        mixture: Tensor | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= pivot < rows:
            raise ValueError(f"pivot={pivot} must be >= 0 and < rows={rows}")
        self.session = Session(rows=rows, pivot=pivot)
        self.acceleration = acceleration
        self.mixture = mixture
        self.step = 0
        self.evaluated: list[int] = []
        self.inner = _twin(unet, self.session)
        self.config = unet.config
        self.dtype = unet.dtype
        self.device = unet.device

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        timestep_cond: Tensor | None = None,
    ) -> Sample:
        """One step of all rows, `(2N, channels, height, width)`; `(N, ...)` without guidance."""
        plan = self.acceleration.plan(self.step)
        self.step += 1
        branches, rows = len(sample) // self.session.rows, self.session.rows
        self.session.plan = plan
        self.session.layout = (1 if plan.lead else rows,) * branches
        out = self.inner(
            self._computed(sample),
            timestep,
            encoder_hidden_states=self._computed(encoder_hidden_states),
            timestep_cond=timestep_cond,
            added_cond_kwargs=added_cond_kwargs
            and {name: self._computed(value) for name, value in added_cond_kwargs.items()},
        ).sample
        self.evaluated.append(len(out))
        return Sample(self._for_all(out))

    def _computed(self, full: Tensor) -> Tensor:
        """The rows of an input that are computed."""
        if not self.session.plan.lead:
            return full
        *empty, real = full.split(self.session.rows)
        return joined([*(part[:1] for part in empty), self._mixed(real)])

    def _mixed(self, real: Tensor) -> Tensor:
        if self.mixture is None:
            return real.mean(0, keepdim=True)
        weights = self.mixture.to(real).reshape(-1, *[1] * (real.ndim - 1))
        return (weights * real).sum(0, keepdim=True)

    def _for_all(self, out: Tensor) -> Tensor:
        """An output for every row of the full batch."""
        rows = self.session.rows
        parts = out.split(list(self.session.layout))
        return joined([part.expand(rows, *part.shape[1:]) for part in parts])


def _twin(unet: Any, session: Session) -> Any:
    shared = {id(tensor): tensor for tensor in chain(unet.parameters(), unet.buffers())}
    twin = copy.deepcopy(unet, shared)
    for name, layer in twin.named_modules():
        if hasattr(layer, "processor") and hasattr(layer, "to_q"):
            check_attention(name, layer)
            layer.processor = SessionAttention(name, layer.processor, session)
    twin.down_blocks = nn.ModuleList(
        KeptBlock(f"down_blocks.{i}", block, session) for i, block in enumerate(twin.down_blocks)
    )
    if twin.mid_block is not None:
        twin.mid_block = KeptBlock("mid_block", twin.mid_block, session)
    return twin
