"""Attention processors that reuse a pivot's maps across rows, and recall them across steps.

Batch reuse (paper, Algorithm 2) takes softmax(q* k*' / sqrt(d)) of one pivot row i* for all rows
of its guidance branch; each row has its own values, so its output is m* V_i. Temporal caching
recalls self-attention outputs and cross-attention maps of an earlier step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .session import Layout, Session, joined, starts


class SessionAttention:
    """A processor of one attention layer; without acceleration it is the layer's own.

    Args:
        name: Of the layer.
        own: The processor that the layer came with.
        session: Plan, layout and memory.
    """

    def __init__(self, name: str, own: Any, session: Session) -> None:
        self.name = name
        self.own = own
        self.session = session

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend; shapes `(batch, length, width)` as in diffusers."""
        plan, crossed = self.session.plan, encoder_hidden_states is not None
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if attention_mask is not None:
            raise ValueError("attention_mask must be None: accelerated steps know no masks")
        if plan.cached and self.name in self.session.kept:
            return self._recalled(attn, context) if crossed else self.session.recall(self.name)[0]
        keep = plan.keep_attention or plan.cached
        if crossed and keep:
            return self._mapped(attn, hidden_states, context)
        if plan.reuse:
            out = self._reused(attn, hidden_states, context)
        else:
            out = self.own(attn, hidden_states, encoder_hidden_states)
        if keep:
            self.session.keep(self.name, out)
        return out

    def _recalled(self, attn: Any, context: Tensor) -> Tensor:
        layout, (maps,) = self.session.kept[self.name]
        if any(have > want for have, want in zip(layout, self.session.layout, strict=True)):
            (maps,), layout = self.session.recall(self.name), self.session.layout
        return _out(attn, _weighted(maps, layout, _heads(attn, attn.to_v(context)), self.session))

    def _mapped(self, attn: Any, hidden_states: Tensor, context: Tensor) -> Tensor:
        """Maps as a matrix, so that they can be kept: of the pivots, or of every row."""
        layout = self.session.layout
        source, told = hidden_states, context
        if self.session.plan.reuse:
            pivots, layout = self.session.pivots, (1,) * len(layout)
            source, told = source[pivots], told[pivots]
        query, key = _heads(attn, attn.to_q(source)), _heads(attn, attn.to_k(told))
        maps = (query @ key.transpose(-1, -2) * attn.scale).softmax(-1)
        self.session.keep(self.name, maps, layout=layout)
        return _out(attn, _weighted(maps, layout, _heads(attn, attn.to_v(context)), self.session))

    def _reused(self, attn: Any, hidden_states: Tensor, context: Tensor) -> Tensor:
        """The pivot's map without writing it down: values of all rows side by side."""
        pivots = self.session.pivots
        query = _heads(attn, attn.to_q(hidden_states[pivots]))
        key = _heads(attn, attn.to_k(context[pivots]))
        value = _heads(attn, attn.to_v(context))
        parts = []
        for branch, (start, size) in enumerate(_spans(self.session.layout)):
            one = slice(branch, branch + 1)
            merged = functional.scaled_dot_product_attention(
                query[one], key[one], _side_by_side(value[start : start + size]), scale=attn.scale
            )
            parts.append(_one_above_the_other(merged, size))
        return _out(attn, joined(parts))


def check_attention(name: str, attn: Any) -> None:
    """Refuse layers that do more than project, attend and project back.

    Raises:
        ValueError: With the layer's name.
    """
    odd = [
        part
        for part in ("group_norm", "spatial_norm", "norm_q", "norm_k", "norm_cross", "add_k_proj")
        if getattr(attn, part, None)
    ]
    if getattr(attn, "residual_connection", False) or attn.rescale_output_factor != 1:
        odd.append("residual_connection")
    if odd:
        raise ValueError(
            f"attention layer {name} has {', '.join(odd)}; acceleration supports the plain layers "
            "of transformer blocks: switch it off for this U-Net"
        )


def _weighted(maps: Tensor, layout: Layout, value: Tensor, session: Session) -> Tensor:
    """Rows of `value` weighted by their maps: `(batch, heads, length, depth)`."""
    parts = []
    for kept, (start, size) in zip(_spans(layout), _spans(session.layout), strict=True):
        of_branch, own = maps[kept[0] : kept[0] + kept[1]], value[start : start + size]
        if kept[1] == size:
            parts.append(of_branch @ own)
        else:
            parts.append(_one_above_the_other(of_branch @ _side_by_side(own), size))
    return joined(parts)


def _spans(layout: Layout) -> list[tuple[int, int]]:
    return list(zip(starts(layout), layout, strict=True))


def _heads(attn: Any, projected: Tensor) -> Tensor:
    """`(batch, length, heads * depth)` to `(batch, heads, length, depth)`."""
    return torch.as_tensor(projected.unflatten(-1, (attn.heads, -1)).transpose(1, 2))


def _side_by_side(value: Tensor) -> Tensor:
    """`(rows, heads, length, depth)` to `(1, heads, length, rows * depth)`."""
    return value.permute(1, 2, 0, 3).flatten(2)[None]


def _one_above_the_other(merged: Tensor, rows: int) -> Tensor:
    """The inverse of `_side_by_side`."""
    return torch.as_tensor(merged[0].unflatten(-1, (rows, -1)).permute(2, 0, 1, 3))


def _out(attn: Any, attended: Tensor) -> Tensor:
    """Merge heads and project back."""
    out = attn.to_out[0](attended.transpose(1, 2).flatten(2))
    return torch.as_tensor(attn.to_out[1](out))
