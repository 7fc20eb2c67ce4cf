"""No defence at all: the whole prompt to one server. Every leak is measured against this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..targets import sampling
from ..targets.pipeline import Target
from .claims import Claim
from .codec import ProtocolError, decode_texts, encode_texts
from .protocol import Output
from .seeds import torch_stream
from .wire import Party, Server, Wire

if TYPE_CHECKING:
    from torch import Tensor

SERVER = Party("server/0")


@dataclass(frozen=True, kw_only=True)
class Plain:
    """The prompt in the clear; the server runs every step.

    Attributes:
        steps: Denoising steps.
        guidance: Classifier-free guidance scale.
    """

    steps: int = 25
    guidance: float = 4.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps={self.steps} must be >= 1")

    @property
    def servers(self) -> tuple[Party, ...]:
        """One server."""
        return (SERVER,)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Nothing is promised."""
        return ()

    @property
    def public(self) -> dict[str, Any]:
        """What the server knows of the configuration."""
        return {"steps": self.steps, "guidance": self.guidance}

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """Send the prompt and the initial noise; receive the finished latent."""
        local = target.open("unet", model="local")
        noise = sampling.initial_noise(local, 1, torch_stream(seed, "noise"))
        request = {"prompts": encode_texts([secret]), "noise": noise}
        latents = wire.call(SERVER, "generate", request).get("latents")
        if latents is None or latents.shape != noise.shape:
            raise ProtocolError(f"the server must return a latent of shape {tuple(noise.shape)}")
        wire.call(SERVER, "acknowledge", {})
        return Output(latents=latents.float())

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """A server that runs the whole model."""
        return _PlainServer(config=self, target=target)


@dataclass(frozen=True, kw_only=True)
class _PlainServer:
    config: Plain
    target: Target

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if kind == "acknowledge":
            return {}
        if kind != "generate" or set(tensors) != {"prompts", "noise"}:
            raise ProtocolError(f"kind={kind!r} must be 'generate' with prompts and noise")
        cloud = sampling.open_denoiser(self.target)
        latents = sampling.denoise(
            cloud,
            tensors["noise"],
            sampling.encode_prompts(cloud, decode_texts(tensors["prompts"])),
            steps=self.config.steps,
            guidance=self.config.guidance,
        ).latents
        return {"latents": latents.half()}
