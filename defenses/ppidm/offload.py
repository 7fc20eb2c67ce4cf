"""A U-Net whose selected layers ask servers; the original stays as it is."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..codec import ProtocolError
from ..wire import MAX_PAYLOAD, Party, Wire
from .integrity import Checker
from .layers import Layer, RequestGroup, layers_of, request_groups
from .sharing import Sharing

HEADER = 1 << 12
"""Room for the header of a payload [bytes]."""


class Session:
    """The client's end of all requests of one execution.

    Args:
        wire: To the servers.
        servers: In the order of their shares.
        sharing: How inputs are divided.
        checker: Looks at every reply; None trusts them.
        limit: Largest payload [bytes].
    """

    def __init__(
        self,
        wire: Wire,
        servers: Sequence[Party],
        sharing: Sharing,
        checker: Checker | None = None,
        limit: int = MAX_PAYLOAD,
    ) -> None:
        self.step = 0
        self._wire = wire
        self._servers = tuple(servers)
        self._sharing = sharing
        self._checker = checker
        self._limit = limit
        self._asked: set[tuple[int, int]] = set()

    def ask(self, group: RequestGroup, layers: Sequence[Layer], x: Tensor) -> list[Tensor]:
        """W x, float32, for each layer of a request.

        Args:
            group: The request.
            layers: Its layers.
            x: Their common input, with a row for each branch of guidance.

        Raises:
            ProtocolError: If a server's reply is malformed or wrong; the message names it.
            RuntimeError: If the group was asked at this step before: its masks are spent.
        """
        if (group.number, self.step) in self._asked:
            raise RuntimeError(
                f"{group.names[0]} ran twice in step={self.step}; count up Session.step between "
                "U-Net passes, or masks repeat"
            )
        self._asked.add((group.number, self.step))
        shared = self._sharing.split(x.detach().float().cpu(), layers, group, self.step)
        pieces = [
            self._exchange(group, layers, shares)
            for shares in _pieces(shared.shares, layers, self._limit - HEADER)
        ]
        axis = _axis(layers[0], x)
        return [
            torch.cat([self._sharing.join(layer, piece[i], shared) for piece in pieces], dim=axis)
            for i, layer in enumerate(layers)
        ]

    def _exchange(
        self, group: RequestGroup, layers: Sequence[Layer], shares: Mapping[int, Tensor]
    ) -> list[list[Tensor]]:
        """Products by layer and server; all replies are looked at before any is used."""
        step = torch.tensor(self.step, dtype=torch.int32)
        requests = {self._servers[i]: {"step": step, "share": s} for i, s in shares.items()}
        replies = self._wire.scatter(group.kind, requests)
        for i, share in shares.items():
            self._inspect(self._servers[i], i, layers, share, replies[self._servers[i]])
        return [
            [replies[self._servers[i]][f"product_{number}"] for i in shares]
            for number in range(len(layers))
        ]

    def _inspect(
        self,
        server: Party,
        index: int,
        layers: Sequence[Layer],
        share: Tensor,
        reply: Mapping[str, Tensor],
    ) -> None:
        if set(reply) != {f"product_{i}" for i in range(len(layers))}:
            raise ProtocolError(f"{server} must return {len(layers)} products, not {set(reply)}")
        for i, layer in enumerate(layers):
            product, shape = reply[f"product_{i}"], layer.shape(tuple(share.shape))
            if tuple(product.shape) != shape or product.dtype != self._sharing.dtype:
                raise ProtocolError(
                    f"{server} must return {self._sharing.dtype} of shape {shape} for "
                    f"{layer.name}, not {product.dtype} of {tuple(product.shape)}"
                )
            if product.is_floating_point() and not bool(product.isfinite().all()):
                raise ProtocolError(
                    f"{server} returned numbers that are not finite for {layer.name}: it is wrong, "
                    "or its precision overflows: take a smaller magnitude or another precision"
                )
            if self._checker is not None:
                self._checker.check(server, index, layer, share, product)


class RemoteLayer(nn.Module):
    """Stands for a layer whose product servers compute; adds the bias.

    Args:
        request: Shared with the layers that get the same input.
        index: Of the layer in the request.
        bias: Of the layer, or None.
    """

    def __init__(self, request: RemoteRequest, index: int, bias: Tensor | None) -> None:
        super().__init__()
        self._request = request
        self._index = index
        self._bias = bias

    def forward(self, x: Tensor, *_: Any) -> Tensor:
        """W x + b in the type and on the device of `x`."""
        product = self._request.product(self._index, x)
        if self._bias is not None:
            wide = (-1, 1, 1) if self._request.layers[self._index].convolves else (-1,)
            product = product + self._bias.float().cpu().reshape(wide)
        return product.to(x.device, x.dtype)


class RemoteRequest:
    """One request a U-Net pass, sent when the first of its layers runs.

    Args:
        session: Sends it.
        group: The request.
        layers: Its layers.
    """

    def __init__(self, session: Session, group: RequestGroup, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._session = session
        self._group = group
        self._input: Tensor | None = None
        self._products: dict[int, Tensor] = {}

    def product(self, index: int, x: Tensor) -> Tensor:
        """W x of one layer; the others' are kept until they run.

        Raises:
            RuntimeError: If layers that were to share a request get different inputs.
        """
        if index not in self._products:
            self._input = x
            self._products = dict(enumerate(self._session.ask(self._group, self.layers, x)))
        elif self._input is None or not torch.equal(x, self._input):
            raise RuntimeError(f"{self._group.names} must get the same input to share a request")
        product = self._products.pop(index)
        if not self._products:
            self._input = None
        return product


def offloaded(unet: Any, preset: str, session: Session) -> Any:
    """A twin of a U-Net that asks servers for the layers of a preset.

    Args:
        unet: A diffusers `UNet2DConditionModel`; all other layers are shared with it.
        preset: One of `layers.PRESETS`.
        session: Sends the requests.
    """
    remote: dict[str, nn.Module] = {}
    for group in request_groups(unet, preset):
        request = RemoteRequest(session, group, layers_of(unet, group))
        for index, name in enumerate(group.names):
            bias = getattr(unet.get_submodule(name), "bias", None)
            bias = None if bias is None else bias.detach()
            remote[name] = RemoteLayer(request, index, bias)
    return _twin(unet, remote)


def _twin(module: nn.Module, remote: Mapping[str, nn.Module], path: str = "") -> nn.Module:
    """A shallow copy in which the named modules, and what leads to them, are replaced."""
    prefix = f"{path}." if path else ""
    if path in remote:
        return remote[path]
    if not any(name.startswith(prefix) for name in remote):
        return module
    children = {
        name: child if child is None else _twin(child, remote, f"{prefix}{name}")
        for name, child in module._modules.items()
    }
    twin = copy.copy(module)
    twin.__dict__["_modules"] = children
    return twin


def _axis(layer: Layer, x: Tensor) -> int:
    """Along which large inputs are cut: tokens where there are any, else rows."""
    return 1 if not layer.convolves and x.ndim > 2 else 0


def _pieces(
    shares: Sequence[Tensor | None], layers: Sequence[Layer], limit: int
) -> Iterator[dict[int, Tensor]]:
    """Shares by server, cut so that neither request nor reply outgrows a payload."""
    asked = {i: share for i, share in enumerate(shares) if share is not None}
    share = next(iter(asked.values()))
    axis = _axis(layers[0], share)
    answer = sum(math.prod(layer.shape(tuple(share.shape))) for layer in layers)
    largest = max(answer, *(s.numel() for s in asked.values())) * share.element_size()
    count = min(share.shape[axis], -(-largest // limit))
    cut = {i: s.tensor_split(count, dim=axis) for i, s in asked.items()}
    for piece in range(count):
        yield {i: parts[piece] for i, parts in cut.items()}
