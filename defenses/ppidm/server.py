"""A server half: multiplies shares by the weights that it serves, and holds nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ...targets.pipeline import Target
from ..codec import ProtocolError
from .layers import Layer, layers_of, request_groups
from .sharing import Product, Sharing


@dataclass(frozen=True, kw_only=True)
class Served:
    """The products of one request.

    Attributes:
        channels: Input channels of a share.
        axis: That holds them.
        rank: Dimensions of a share; None is two or more.
        products: One a layer.
    """

    channels: int
    axis: int
    rank: int | None
    products: tuple[Product, ...]

    @classmethod
    def of(cls, layers: tuple[Layer, ...], sharing: Sharing, server: int) -> Served:
        """Prepare the layers of one request."""
        first = layers[0]
        return cls(
            channels=sharing.channels(first, server),
            axis=first.axis,
            rank=4 if first.convolves else None,
            products=tuple(sharing.product(layer, server) for layer in layers),
        )

    def fits(self, share: Tensor) -> bool:
        """Whether a share has a shape that the layers take."""
        rank = share.ndim >= 2 if self.rank is None else share.ndim == self.rank
        return rank and share.numel() > 0 and share.shape[self.axis] == self.channels


@dataclass(frozen=True, kw_only=True)
class LayerServer:
    """Answers `layer-NNN`; keeps no state between messages.

    Attributes:
        served: Prepared weights by message kind.
        dtype: Type of shares and products.
        steps: Steps of an execution.
    """

    served: Mapping[str, Served]
    dtype: torch.dtype
    steps: int

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The products of a share with every layer of the request."""
        if kind not in self.served:
            raise ProtocolError(f"kind={kind!r} must be the request of a layer that is served")
        if set(tensors) != {"step", "share"}:
            raise ProtocolError(f"a request must hold step and share, not {set(tensors)}")
        served, step, share = self.served[kind], tensors["step"], tensors["share"]
        if step.dtype != torch.int32 or step.ndim or not 0 <= int(step) < self.steps:
            raise ProtocolError(f"step must be an int32 scalar from 0 to {self.steps - 1}")
        if share.dtype != self.dtype or not served.fits(share):
            raise ProtocolError(
                f"share must hold {self.dtype} with {served.channels} channels, not {share.dtype} "
                f"of {tuple(share.shape)}"
            )
        try:
            with torch.no_grad():
                return {f"product_{i}": p(share) for i, p in enumerate(served.products)}
        except RuntimeError as error:
            raise ProtocolError(f"the layer cannot take the share: {error}") from error


def serve(unet: nn.Module, preset: str, sharing: Sharing, server: int) -> dict[str, Served]:
    """Prepare what one server answers, by message kind; a layer without channels is left out."""
    ready = ((group, layers_of(unet, group)) for group in request_groups(unet, preset))
    return {
        group.kind: Served.of(layers, sharing, server)
        for group, layers in ready
        if sharing.channels(layers[0], server)
    }


@lru_cache(maxsize=8)
def serve_target(target: Target, preset: str, sharing: Sharing, server: int) -> dict[str, Served]:
    """As `serve`, for a target's U-Net, prepared once a process."""
    unet: Any = target.open("unet").unet
    return serve(unet, preset, sharing, server)
