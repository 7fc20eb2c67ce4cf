"""ObCLIP's two halves (paper, Algorithm 1; accelerations of Section 3.3 not included).

Protocol, for a prompt p with attribute space F, N candidates, T steps and switch point k:

1. client: P = candidates(p, F) in canonical order; z_T ~ N(0, I)
2. client -> server: P, z_T, pivot row
3. server: repeat z_T N times; k guided steps of the large model, row i under P[i]
4. server -> client: all N latents (half precision)
5. client -> server: acknowledgement, before any row is looked at
6. client: its own row through the remaining T - k steps of the small model
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...targets import sampling
from ...targets.pipeline import Target
from ..claims import Claim, Obliviousness
from ..codec import ProtocolError, decode_texts, encode_texts
from ..protocol import Output
from ..seeds import stream, torch_stream
from ..wire import Party, Server, Wire
from .lexicon import AttributeSpace
from .procedure import Procedure
from .template import DetectionError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from torch import Tensor

SERVER = Party("server/0")


@dataclass(frozen=True, kw_only=True)
class ObClip:
    """Hide the real prompt among all variants over its sensitive attributes.

    Attributes:
        steps: T, length of the common time grid.
        k: Steps that the server takes, 0 < k < T.
        guidance: Classifier-free guidance scale on both sides.
        slack: Tolerated advantage over 1/N (the paper's lambda).
        max_candidates: Refuse prompts with more candidates than this.
        space: Declared attributes.
        procedure: The client's decisions (see `procedure`).

    References:
        Wu et al. (2025), Algorithm 1 and Theorem 1, https://arxiv.org/abs/2510.04153.
    """

    steps: int = 25
    k: int = 10
    guidance: float = 4.0
    slack: float = 0.02
    max_candidates: int = 64
    space: AttributeSpace = field(default_factory=AttributeSpace)
    procedure: Procedure = field(default_factory=Procedure)

    def __post_init__(self) -> None:
        if not 0 < self.k < self.steps:
            raise ValueError(f"k={self.k} must be > 0 and < steps={self.steps}")
        if self.max_candidates < 2:
            raise ValueError(f"max_candidates={self.max_candidates} must be >= 2")

    @property
    def servers(self) -> tuple[Party, ...]:
        """One server, honest but curious."""
        return (SERVER,)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Lambda-obliviousness (paper, Theorem 1)."""
        return (Obliviousness(slack=self.slack),)

    @property
    def public(self) -> dict[str, Any]:
        """What the server knows of the configuration."""
        return {"steps": self.steps, "k": self.k, "guidance": self.guidance}

    def candidates(self, secret: str) -> tuple[str, ...]:
        """The full candidate set of a prompt in canonical order: what the claim is about.

        Raises:
            DetectionError: If there is nothing to hide or too much to enumerate.
        """
        template = Procedure().substitute(secret, self.space)
        if template.size < 2:
            raise DetectionError(
                f"prompt={secret!r} holds no declared attribute, so there is nothing to hide it "
                "among: name an attribute in the prompt or declare more in space="
            )
        if template.size > self.max_candidates:
            raise DetectionError(
                f"prompt={secret!r} has {template.size} candidates, more than max_candidates="
                f"{self.max_candidates}: raise it, or declare fewer attributes in space="
            )
        return template.candidates()

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """Steps 1, 2, 5 and 6."""
        self.candidates(secret)
        template = self.procedure.substitute(secret, self.space)
        real = template.realise(template.real)
        chosen = self.procedure.choose(template, stream(seed, "choose"))
        rows = self.procedure.order([template.realise(values) for values in chosen], real)
        local = sampling.open_denoiser(target, "local")
        noise = sampling.initial_noise(local, 1, torch_stream(seed, "noise"))
        latents = self._request(wire, rows, real, noise)
        row = rows.index(real)
        self.procedure.examine(row, lambda i: self._finish(local, latents[i : i + 1], rows[i]))
        wire.call(SERVER, "acknowledge", {})
        return Output(latents=self._finish(local, latents[row : row + 1], real))

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """Steps 3 and 4; the server draws nothing."""
        return ObClipServer(config=self, target=target)

    def _request(self, wire: Wire, rows: list[str], real: str, noise: Tensor) -> Tensor:
        import torch

        reply = wire.call(
            SERVER,
            "generate",
            {
                "prompts": encode_texts(rows),
                "noise": noise,
                "pivot": torch.tensor(self.procedure.pivot(rows, real)),
            },
        )
        latents = reply.get("latents")
        if latents is None or latents.shape != (len(rows), *noise.shape[1:]):
            raise ProtocolError(f"the server must return {len(rows)} latents of {noise.shape[1:]}")
        return latents.float()

    def _finish(self, local: DiffusionPipeline, latent: Tensor, prompt: str) -> Tensor:
        """Step 6; the solver restarts at first order, since the server keeps its history."""
        return sampling.denoise(
            local,
            latent,
            sampling.encode_prompts(local, [prompt]),
            steps=self.steps,
            start=self.k,
            guidance=self.guidance,
        ).latents


@dataclass(frozen=True, kw_only=True)
class ObClipServer:
    """The cloud half: k guided steps for every row, every row the same work."""

    config: ObClip
    target: Target

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Answer `generate` with all latents and `acknowledge` with nothing."""
        if kind == "acknowledge":
            return {}
        if kind != "generate":
            raise ProtocolError(f"kind={kind!r} must be 'generate' or 'acknowledge'")
        return {"latents": self.generate(tensors).half()}

    def generate(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Step 3: shape (N, channels, height, width)."""
        if set(tensors) != {"prompts", "noise", "pivot"}:
            raise ProtocolError(f"a request must hold prompts, noise and pivot, not {set(tensors)}")
        prompts, noise = decode_texts(tensors["prompts"]), tensors["noise"]
        cloud = sampling.open_denoiser(self.target)
        shape = (1, *sampling.latent_shape(cloud))
        if not 0 < len(prompts) <= self.config.max_candidates or noise.shape != shape:
            raise ProtocolError(
                f"a request must hold 1 to {self.config.max_candidates} prompts and {shape} noise"
            )
        return sampling.denoise(
            cloud,
            noise.repeat(len(prompts), 1, 1, 1),
            sampling.encode_prompts(cloud, prompts),
            steps=self.config.steps,
            stop=self.config.k,
            guidance=self.config.guidance,
        ).latents
