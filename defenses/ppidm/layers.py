"""Which layers of a U-Net go to the servers, and which of them share a request.

A preset selects convolutions and linear layers by where they stand in a diffusers
`UNet2DConditionModel`; nothing depends on one model's sizes.

| preset | layers that leave |
|---|---|
| `up_blocks` | those of the up blocks but cross-attention's k, v and the time projections |
| `conv_and_self_attention` | convolutions outside of transformers; q, k, v, o of self-attention |
| `all_linear` | every convolution and linear layer, cross-attention's k and v included |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PRESETS = ("up_blocks", "conv_and_self_attention", "all_linear")
_PROJECTIONS = ("to_q", "to_k", "to_v")


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A convolution or linear layer without its bias.

    Attributes:
        name: Where it stands in the U-Net, such as `up_blocks.0.resnets.1.conv1`.
        weight: Shape (outputs, inputs) or (outputs, inputs / groups, height, width).
        stride: Of a convolution, as all that follow.
        padding: Zeros added on each side.
        dilation: Distance of kernel taps.
        groups: Groups of channels.
    """

    name: str
    weight: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @classmethod
    def of(cls, name: str, module: nn.Module) -> Layer:
        """The layer of a module of the U-Net.

        Raises:
            ValueError: If its product is not one convolution or matrix product with zero padding.
        """
        if getattr(module, "lora_layer", None) is not None:
            raise ValueError(f"{name} has a LoRA layer that is not fused: call unet.fuse_lora()")
        if isinstance(module, nn.Linear):
            return cls(name=name, weight=module.weight.detach())
        if not isinstance(module, nn.Conv2d):
            raise ValueError(f"{name} is a {type(module).__name__}, not a Conv2d or a Linear")
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            raise ValueError(
                f"{name} pads by {module.padding_mode!r}, {module.padding!r}; only zero padding "
                "of given width can be offloaded"
            )
        return cls(
            name=name,
            weight=module.weight.detach(),
            stride=_pair(module.stride),
            padding=_pair(module.padding),
            dilation=_pair(module.dilation),
            groups=module.groups,
        )

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution."""
        return self.weight.ndim == 4

    @property
    def axis(self) -> int:
        """The axis of an input that holds its channels."""
        return 1 if self.convolves else -1

    @property
    def inputs(self) -> int:
        """Input channels."""
        return int(self.weight.shape[1]) * self.groups

    @property
    def outputs(self) -> int:
        """Output channels."""
        return int(self.weight.shape[0])

    def fits(self, x: Tensor) -> bool:
        """Whether `x` could be an input, whatever its number of channels."""
        return x.ndim == 4 if self.convolves else x.ndim >= 2

    def shape(self, x: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a product, for that of an input."""
        if not self.convolves:
            return (*x[:-1], self.outputs)
        sides = zip(
            x[2:], self.padding, self.dilation, self.weight.shape[2:], self.stride, strict=True
        )
        plane = ((side + 2 * p - d * (m - 1) - 1) // s + 1 for side, p, d, m, s in sides)
        return (x[0], self.outputs, *plane)

    def with_weight(self, weight: Tensor) -> Layer:
        """The same layer with other numbers, or with fewer input channels."""
        return replace(self, weight=weight)

    def product(self, x: Tensor) -> Tensor:
        """W x in the type of `x`."""
        weight = self.weight.to(x.dtype)
        if not self.convolves:
            return functional.linear(x, weight)
        return functional.conv2d(
            x,
            weight,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


@dataclass(frozen=True, kw_only=True)
class RequestGroup:
    """Layers that get one input and therefore share one request.

    Attributes:
        number: Position among the groups of a preset, in the order of the U-Net's modules.
        names: The layers, in the order of their products in a reply.
    """

    number: int
    names: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Message kind, such as `layer-007`."""
        return f"layer-{self.number:03d}"


def request_groups(unet: nn.Module, preset: str) -> tuple[RequestGroup, ...]:
    """The requests of one U-Net pass under a preset, by module order: everybody can tell.

    Raises:
        ValueError: If the preset is unknown.
    """
    check_preset(preset)
    members: dict[str, list[str]] = {}
    for name in selected(unet, preset):
        members.setdefault(_input_of(unet, name), []).append(name)
    return tuple(
        RequestGroup(number=number, names=tuple(names))
        for number, names in enumerate(members.values())
    )


def selected(unet: nn.Module, preset: str) -> Iterator[str]:
    """Names of the layers that a preset sends away, in the order of the U-Net's modules."""
    for name, module in unet.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if preset == "all_linear":
            chosen = True
        elif preset == "up_blocks":
            chosen = name.startswith("up_blocks.") and not (
                name.endswith(".time_emb_proj") or _is_cross_key(unet, name)
            )
        else:
            attention = self_attention_of(unet, name)
            outside = isinstance(module, nn.Conv2d) and "attentions" not in name.split(".")
            chosen = outside or attention is not None
        if chosen:
            yield name


def check_preset(preset: str) -> None:
    """Raise `ValueError` unless `preset` is one."""
    if preset not in PRESETS:
        raise ValueError(f"preset={preset!r} must be one of {', '.join(PRESETS)}")


def self_attention_of(unet: nn.Module, name: str) -> str | None:
    """Name of the self-attention module that holds a layer, or None."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        parent = ".".join(parts[:length])
        module: Any = unet.get_submodule(parent)
        if hasattr(module, "is_cross_attention"):
            return None if module.is_cross_attention else parent
    return None


def _is_cross_key(unet: nn.Module, name: str) -> bool:
    parent, _, leaf = name.rpartition(".")
    module: Any = unet.get_submodule(parent)
    return leaf in ("to_k", "to_v") and bool(getattr(module, "is_cross_attention", False))


def _input_of(unet: nn.Module, name: str) -> str:
    """A name for a layer's input: equal where diffusers' attention feeds one tensor to several."""
    parent, _, leaf = name.rpartition(".")
    module: Any = unet.get_submodule(parent)
    if leaf not in _PROJECTIONS or not hasattr(module, "is_cross_attention"):
        return name
    if module.is_cross_attention:
        return f"{parent}.text" if leaf != "to_q" else name
    return f"{parent}.hidden"


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, tuple) else (value, value)
    return int(first), int(second)


def layers_of(unet: nn.Module, group: RequestGroup) -> tuple[Layer, ...]:
    """The layers of a request; they share the U-Net's weights."""
    with torch.no_grad():
        return tuple(Layer.of(name, unet.get_submodule(name)) for name in group.names)
