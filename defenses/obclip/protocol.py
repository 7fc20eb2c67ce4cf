"""ObCLIP's two halves (paper, Algorithm 1, with the accelerations of Section 3.3).

Protocol, for a prompt p with attribute space F, N candidates, T steps and switch point k:

1. client: P = candidates(p, F) in canonical order; z_T ~ N(0, I)
2. client -> server: P, z_T, pivot row; weights of the rows where steps are shared
3. server: repeat z_T N times; k guided steps of the large model, row i under P[i]
4. server -> client: all N latents (half precision), with what the solver remembers if asked
5. client -> server: acknowledgement, before any row is looked at
6. client: its own row through the remaining T - k steps of the small model

The server has a grid of its own where its model needs few steps. The client then goes on at step
k + shift of its grid (paper, Appendix D.7: the timestep shift of LCM-SDXL).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ...targets import sampling
from ...targets.pipeline import Target
from ..claims import Claim, Obliviousness
from ..codec import ProtocolError, decode_texts, encode_texts
from ..protocol import Output
from ..seeds import stream
from ..wire import Party, Server, Wire
from .acceleration import PRESETS, Acceleration
from .enumeration import check_closed
from .grammar import DetectionError
from .lexicon import AttributeSpace
from .procedure import Procedure
from .template import template_of

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
        server_steps: Length of the server's own grid, on which it takes k steps; 0: the common one.
        sampler: Of the server: `dpm`, or `lcm` for a latent consistency model.
        shift: The client goes on at step k + shift of its grid; None finds the equal noise level.
        history: Return the solver's last prediction too, so that the client goes on at second
            order; doubles the download. False restarts its solver at first order.
        reuse_until: Acceleration, see `acceleration.Acceleration`; 0 switches a knob off.
        cache_from: The same.
        skip_from: The same.
        refresh: The same.
        lead_until: The same.
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
    server_steps: int = 0
    sampler: Literal["dpm", "lcm"] = "dpm"
    shift: int | None = None
    history: bool = False
    reuse_until: int = 0
    cache_from: int = 0
    skip_from: int = 0
    refresh: int = 5
    lead_until: int = 0
    slack: float = 0.02
    max_candidates: int = 64
    space: AttributeSpace = field(default_factory=AttributeSpace)
    procedure: Procedure = field(default_factory=Procedure)

    def __post_init__(self) -> None:
        if not 0 < self.k < self.steps:
            raise ValueError(f"k={self.k} must be > 0 and < steps={self.steps}")
        if self.max_candidates < 2:
            raise ValueError(f"max_candidates={self.max_candidates} must be >= 2")
        if self.server_steps and not self.k <= self.server_steps:
            raise ValueError(f"k={self.k} must be <= server_steps={self.server_steps}")
        if not 0 < self.start < self.steps:
            raise ValueError(
                f"k={self.k} with shift={self.start - self.k} gives step {self.start} to go on at, "
                f"which must be > 0 and < steps={self.steps}: set shift"
            )
        self.acceleration.plan(0)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> ObClip:
        """A named configuration of `acceleration.PRESETS`, with fields changed.

        Raises:
            ValueError: There is no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"name={name!r} must be one of {', '.join(PRESETS)}")
        return cls(**{**PRESETS[name], **changes})

    @property
    def acceleration(self) -> Acceleration:
        """What each of the server's steps computes."""
        return Acceleration(**{f.name: getattr(self, f.name) for f in fields(Acceleration)})

    @property
    def start(self) -> int:
        """The client's first step on its own grid."""
        grid = self.server_steps or self.steps
        return self.k + (
            round(self.k * self.steps / grid) - self.k if self.shift is None else self.shift
        )

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
        known: dict[str, Any] = {"steps": self.steps, "k": self.k, "guidance": self.guidance}
        if self.acceleration.active:
            known |= {f.name: getattr(self, f.name) for f in fields(Acceleration)}
        if self.server_steps or self.sampler != "dpm":
            known |= {"server_steps": self.server_steps, "sampler": self.sampler}
        return known

    def candidates(self, secret: str) -> tuple[str, ...]:
        """The full candidate set of a prompt in canonical order: what the claim is about.

        Raises:
            DetectionError: If there is nothing to hide, too much to enumerate, or a word in the way
                of a set that is the same for all its members.
        """
        template = template_of(secret, self.space)
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
        check_closed(template, self.space)
        return template.candidates()

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """Steps 1, 2, 5 and 6."""
        self.candidates(secret)
        template = self.procedure.substitute(secret, self.space)
        real = template.realise(template.real)
        chosen = self.procedure.choose(template, stream(seed, "choose"))
        rows = self.procedure.order([template.realise(values) for values in chosen], real)
        local = sampling.open_denoiser(target, "local")
        noise = sampling.initial_noise(local, 1, self.procedure.noise(rows, real, seed))
        latents = self._request(wire, rows, real, noise)
        row = rows.index(real)
        self.procedure.examine(row, lambda i: self._finish(local, latents[i : i + 1], rows[i]))
        wire.call(SERVER, "acknowledge", {})
        return Output(latents=self._finish(local, latents[row : row + 1], real))

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """Steps 3 and 4; the server draws nothing, but for a consistency model's noise."""
        return ObClipServer(config=self, target=target, seed=seed)

    def _request(self, wire: Wire, rows: list[str], real: str, noise: Tensor) -> Tensor:
        """Steps 2 to 4: all latents, above them what the solver remembers if `history`."""
        import torch

        request = {
            "prompts": encode_texts(rows),
            "noise": noise,
            "pivot": torch.tensor(self.procedure.pivot(rows, real)),
        }
        if self.lead_until:
            request["lead"] = torch.tensor(self.procedure.lead(rows, real))
        latents = wire.call(SERVER, "generate", request).get("latents")
        shape = (len(rows), noise.shape[1] * (1 + self.history), *noise.shape[2:])
        if latents is None or latents.shape != shape:
            raise ProtocolError(f"the server must return {len(rows)} latents of {shape[1:]}")
        return latents.float()

    def _finish(self, local: DiffusionPipeline, latent: Tensor, prompt: str) -> Tensor:
        """Step 6, of a row as the server returned it."""
        latent, *history = latent.chunk(1 + self.history, 1)
        return sampling.denoise(
            local,
            latent,
            sampling.encode_prompts(local, [prompt]),
            steps=self.steps,
            start=self.start,
            guidance=self.guidance,
            history=history[0] if history else None,
        ).latents


@dataclass(frozen=True, kw_only=True)
class ObClipServer:
    """The cloud half: k guided steps for every row, every row the same work.

    Nothing is kept from one request to the next: what acceleration remembers is made for a
    request and dropped with its reply.
    """

    config: ObClip
    target: Target
    seed: int = 0

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Answer `generate` with all latents and `acknowledge` with nothing."""
        if kind == "acknowledge":
            return {}
        if kind != "generate":
            raise ProtocolError(f"kind={kind!r} must be 'generate' or 'acknowledge'")
        return {"latents": self.generate(tensors).half()}

    def generate(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Step 3: shape (N, channels, height, width), twice the channels with `history`."""
        import torch

        from .cloud import CloudSteps

        prompts = self._prompts(tensors)
        cloud, config = sampling.open_denoiser(self.target), self.config
        noise, shape = tensors["noise"], (1, *sampling.latent_shape(cloud))
        if noise.shape != shape:
            raise ProtocolError(f"noise has shape {tuple(noise.shape)}; it must be {shape}")
        steps = CloudSteps(
            steps=config.server_steps or config.steps,
            stop=config.k,
            guidance=config.guidance,
            sampler=config.sampler,
            acceleration=config.acceleration,
        )
        done = steps.run(
            cloud,
            noise,
            prompts,
            pivot=int(tensors["pivot"]),
            mixture=tensors.get("lead"),
            seed=self.seed,
        )
        if not config.history or done.history is None:
            return done.latents
        return torch.cat([done.latents, done.history], 1)

    def _prompts(self, tensors: Mapping[str, Tensor]) -> list[str]:
        """The prompts of a request that holds what it must and nothing else."""
        needed, allowed = {"prompts", "noise", "pivot"}, {"prompts", "noise", "pivot", "lead"}
        if not needed <= set(tensors) <= (allowed if self.config.lead_until else needed):
            raise ProtocolError(f"a request must hold prompts, noise and pivot, not {set(tensors)}")
        prompts, lead = decode_texts(tensors["prompts"]), tensors.get("lead")
        if not 0 < len(prompts) <= self.config.max_candidates:
            raise ProtocolError(f"a request must hold 1 to {self.config.max_candidates} prompts")
        pivot = tensors["pivot"]
        if pivot.ndim or pivot.is_floating_point() or not 0 <= int(pivot) < len(prompts):
            raise ProtocolError(f"pivot must be the number of one of {len(prompts)} rows")
        if lead is not None and lead.shape != (len(prompts),):
            raise ProtocolError(f"lead must hold one weight for each of {len(prompts)} rows")
        return prompts
