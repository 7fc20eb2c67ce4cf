"""What the client does about servers that compute something else."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..codec import ProtocolError
from ..wire import Party
from .layers import Layer


class WrongProductError(ProtocolError):
    """A server returned something else than the product that it was asked for.

    Attributes:
        server: Which one.
    """

    def __init__(self, server: Party, layer: str) -> None:
        super().__init__(
            f"{server} returned a wrong product for {layer}; nothing more is sent: leave it out "
            "and run again"
        )
        self.server = server


class Checker(Protocol):
    """Looks at products before the client adds them up."""

    def check(
        self, server: Party, index: int, layer: Layer, share: Tensor, product: Tensor
    ) -> None:
        """Raise `WrongProductError` unless `product` is that of `layer` and `share`.

        Args:
            server: Whose reply it is.
            index: Its position among the servers.
            layer: What was asked for.
            share: What it was sent.
            product: What it returned.
        """
        ...
