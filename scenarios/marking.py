"""A server that cheats: each row starts from a noise of its own, so that pictures name rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..defenses.claims import Claim
from ..defenses.codec import decode_texts, encode_texts
from ..defenses.protocol import Output
from ..defenses.seeds import torch_stream
from ..defenses.wire import Party, Server, Wire
from ..targets.pipeline import Target

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Marking:
    """A defence whose client is honest and whose server marks the rows.

    ObCLIP repeats one initial noise over all rows. The client holds no large model, so that it
    cannot tell when row i was made from another noise; but what comes of it looks different in
    layout and color, wherever it is published. This breaks the assumption `semi-honest`.

    Attributes:
        honest: The defence.
    """

    honest: Any

    @property
    def servers(self) -> tuple[Party, ...]:
        """As in the defence."""
        return tuple(self.honest.servers)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Nothing is promised against such a server."""
        return ()

    @property
    def public(self) -> dict[str, Any]:
        """As in the defence."""
        return dict(self.honest.public)

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """The honest client."""
        output: Output = self.honest.client(target, secret, wire, seed)
        return output

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """The server that marks rows by its own coins."""
        return _MarkingServer(self.honest.server(me, target, seed), seed)


class _MarkingServer:
    def __init__(self, honest: Server, seed: int) -> None:
        self._honest = honest
        self._seed = seed

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if kind != "generate":
            return self._honest.handle(kind, tensors)
        import torch

        shape, latents = tensors["noise"].shape, []
        for row, prompt in enumerate(decode_texts(tensors["prompts"])):
            own = torch.randn(shape, generator=torch_stream(self._seed, "mark", row))
            alone = {"prompts": encode_texts([prompt]), "noise": own.to(tensors["noise"])}
            if "pivot" in tensors:
                alone["pivot"] = torch.zeros_like(tensors["pivot"])
            latents.append(self._honest.handle(kind, alone)["latents"])
        return {"latents": torch.cat(latents)}
