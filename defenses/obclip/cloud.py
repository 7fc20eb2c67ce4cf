"""The server's steps: k of a grid, for all rows at once, each row the same work."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from diffusers import LCMScheduler
from torch import Tensor

from ...targets import sampling
from ...targets.work import count, meter
from ..seeds import torch_stream
from .accelerated import AcceleratedUNet
from .acceleration import Acceleration

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Sampler = Literal["dpm", "lcm"]
TEACHER_STEPS = 50
"""Grid of the teacher of which a latent consistency model takes every few steps."""


@dataclass(frozen=True, kw_only=True)
class CloudSteps:
    """How the server samples: public settings.

    Attributes:
        steps: Length of the server's grid.
        stop: Steps that it takes, k.
        guidance: Scale of guidance; a consistency model is told it instead of computing it.
        sampler: `dpm`, or `lcm` for a latent consistency model.
        acceleration: What each step computes.
    """

    steps: int
    stop: int
    guidance: float
    sampler: Sampler = "dpm"
    acceleration: Acceleration

    def run(
        self,
        pipe: DiffusionPipeline,
        noise: Tensor,
        prompts: Sequence[str],
        *,
        pivot: int = 0,
        mixture: Tensor | None = None,
        seed: int = 0,
    ) -> sampling.Denoised:
        """Take the steps for every prompt from one initial noise.

        Args:
            pipe: The large model's denoiser.
            noise: Shape `(1, channels, height, width)`.
            prompts: Of the N rows.
            pivot: Row whose attention maps may be reused.
            mixture: Weights of the rows in shared steps, shape `(N,)`; None is uniform.
            seed: Of the noise that a consistency model adds after each step, equal in all rows.
        """
        rows = len(prompts)
        latents = noise.repeat(rows, 1, 1, 1)
        conditioning = sampling.encode_prompts(pipe, prompts)
        if not self.acceleration.active:
            return self._sample(pipe, latents, conditioning, seed)
        network = AcceleratedUNet(
            pipe.unet, self.acceleration, rows=rows, pivot=pivot, mixture=mixture
        )
        with meter():
            done = self._sample(_with_unet(pipe, network), latents, conditioning, seed)
        for evaluated in network.evaluated:
            count(rows=evaluated)
        return done

    def _sample(
        self, pipe: DiffusionPipeline, latents: Tensor, given: sampling.Conditioning, seed: int
    ) -> sampling.Denoised:
        if self.sampler == "lcm":
            return _consistency_steps(pipe, latents, given, self, seed)
        return sampling.denoise(
            pipe, latents, given, steps=self.steps, stop=self.stop, guidance=self.guidance
        )


def _with_unet(pipe: DiffusionPipeline, unet: AcceleratedUNet) -> Any:
    """The pipeline with another U-Net in a copy of its own; the original stays as it is."""
    twin = copy.copy(pipe)
    twin.__dict__["unet"] = unet
    return twin


@torch.no_grad()
def _consistency_steps(
    pipe: DiffusionPipeline,
    latents: Tensor,
    given: sampling.Conditioning,
    how: CloudSteps,
    seed: int,
) -> sampling.Denoised:
    """Multistep consistency sampling (Luo et al. 2023, Algorithm 3, arXiv 2310.04378)."""
    solver: Any = LCMScheduler.from_config(pipe.scheduler.config)
    solver.set_timesteps(how.steps, original_inference_steps=TEACHER_STEPS)
    unet, clean = pipe.unet, None
    width = unet.config.time_cond_proj_dim
    told = None
    if width is not None:
        told = guidance_embedding(how.guidance - 1, width).to(unet.device, unet.dtype)
    for step in range(how.stop):
        count(rows=len(latents))
        output = unet(
            latents.to(unet.dtype),
            solver.timesteps[step].to(latents.device),
            encoder_hidden_states=given.text.to(unet.dtype),
            added_cond_kwargs=dict(given.added) or None,
            timestep_cond=told,
        ).sample.float()
        coins = [torch_stream(seed, "consistency", step) for _ in range(len(latents))]
        latents, clean = solver.step(
            output, solver.timesteps[step], latents, generator=coins, return_dict=False
        )
    return sampling.Denoised(latents=latents, history=clean)


def guidance_embedding(scale: float, width: int) -> Tensor:
    """Sines and cosines of 1000 times a guidance scale, shape `(1, width)` (same reference)."""
    half = width // 2
    rates = torch.exp(-torch.arange(half) * (torch.log(torch.tensor(10_000.0)) / (half - 1)))
    angles = 1000 * scale * rates
    embedding = torch.cat([angles.sin(), angles.cos()])
    return torch.nn.functional.pad(embedding, (0, width % 2))[None]
