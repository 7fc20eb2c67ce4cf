"""Guided sampling in pieces: any steps of a shared grid, with the solver's memory handed on.

Steps are numbered 0 (all noise) to `steps`; `denoise(..., start=a, stop=b)` runs a to b. Cloud
and local models share the grid because it follows from the noise schedule alone. Every call uses
a scheduler of its own, so calls are deterministic and may run in parallel.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler
from torch import Tensor

from .errors import TargetError
from .pipeline import Model, Target
from .work import count

GUIDANCE = 4.0
STEPS = 25
Callback = Callable[[int, Tensor], None]


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What the U-Net is told about each of `n` images.

    Attributes:
        text: Prompt embeddings, `(n, length, width)`.
        empty: Embeddings of the negative prompt, `(n, length, width)`.
        added: Further conditions by name, each `(n, ...)`; SDXL's pooled text and sizes.
        added_empty: The same for the negative prompt.
    """

    text: Tensor
    empty: Tensor
    added: Mapping[str, Tensor] = field(default_factory=dict)
    added_empty: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, rows: slice | Sequence[int] | Tensor) -> "Conditioning":
        """The conditions of some rows; `rows` must keep the leading axis."""
        return Conditioning(
            text=self.text[rows],
            empty=self.empty[rows],
            added={k: v[rows] for k, v in self.added.items()},
            added_empty={k: v[rows] for k, v in self.added_empty.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Denoised:
    """Latents after some steps.

    Attributes:
        latents: Shape `(n, channels, height, width)`, float32.
        history: The last clean-latent prediction, same shape, with which the next step
            continues at second order; None before any step.
    """

    latents: Tensor
    history: Tensor | None


def open_denoiser(target: Target, model: Model = "cloud") -> DiffusionPipeline:
    """The parts that turn prompts and noise into latents: no autoencoder."""
    parts = ("unet", "scheduler", "tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2")
    return target.open(*(name for name in parts if name in target.parts(model)), model=model)


@torch.no_grad()
def encode_prompts(
    pipe: DiffusionPipeline, prompts: Sequence[str], negative: str = ""
) -> Conditioning:
    """Embed prompts, and the negative prompt of guidance once for each.

    Args:
        pipe: With tokenizer and text encoder; SDXL needs both pairs and the U-Net's config.
        prompts: At least one; text beyond the tokenizer's length is cut.
        negative: What guidance leads away from; empty is the pipeline's own unconditional input.
    """
    if not prompts:
        raise TargetError("prompts is empty; give at least one")
    device = pipe.text_encoder.device
    options = {
        "device": device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": True,
        "negative_prompt": [negative] * len(prompts) if negative else None,
    }
    encoded = pipe.encode_prompt(list(prompts), **options)
    if len(encoded) == 2:
        return Conditioning(text=encoded[0], empty=encoded[1])
    text, empty, pooled, pooled_empty = encoded
    sizes = _sdxl_sizes(pipe, len(prompts)).to(device=device, dtype=text.dtype)
    return Conditioning(
        text=text,
        empty=empty,
        added={"text_embeds": pooled, "time_ids": sizes},
        added_empty={"text_embeds": pooled_empty, "time_ids": sizes},
    )


def embed_prompts(pipe: DiffusionPipeline, prompts: Sequence[str]) -> Conditioning:
    """Embed prompts for use without guidance, with the gradients of the text encoder's input.

    Args:
        pipe: As `encode_prompts` takes it.
        prompts: At least one.

    Returns:
        Conditions whose `empty` parts are the prompts' own: sample with `guidance=1`.
    """
    if not prompts:
        raise TargetError("prompts is empty; give at least one")
    options = {"num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    encoded = pipe.encode_prompt(list(prompts), device=pipe.text_encoder.device, **options)
    text = encoded[0]
    added = {}
    if len(encoded) > 2:
        sizes = _sdxl_sizes(pipe, len(prompts)).to(device=text.device, dtype=text.dtype)
        added = {"text_embeds": encoded[2], "time_ids": sizes}
    return Conditioning(text=text, empty=text, added=added, added_empty=added)


def _sdxl_sizes(pipe: DiffusionPipeline, count: int) -> Tensor:
    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    return torch.tensor([[side, side, 0, 0, side, side]]).repeat(count, 1)


def latent_shape(pipe: DiffusionPipeline) -> tuple[int, int, int]:
    """Channels, height and width of one latent."""
    config = pipe.unet.config
    return config.in_channels, config.sample_size, config.sample_size


def initial_noise(pipe: DiffusionPipeline, batch: int, generator: torch.Generator) -> Tensor:
    """Standard normal noise, drawn on the CPU in float32: the same on every device.

    Args:
        pipe: With a U-Net.
        batch: Number of latents.
        generator: On the CPU.
    """
    noise = torch.randn((batch, *latent_shape(pipe)), generator=generator)
    return noise.to(pipe.unet.device)


def new_solver(pipe: DiffusionPipeline, steps: int) -> DPMSolverMultistepScheduler:
    """A fresh second-order multistep solver on the pipeline's own noise schedule.

    References:
        Lu et al., DPM-Solver++ (2022), Algorithm 2, https://arxiv.org/abs/2211.01095.
    """
    return copy.deepcopy(_fresh_solver(pipe.scheduler, steps))


@lru_cache(maxsize=64)
def _fresh_solver(scheduler: Any, steps: int) -> DPMSolverMultistepScheduler:
    solver: Any = DPMSolverMultistepScheduler.from_config(
        scheduler.config,
        algorithm_type="dpmsolver++",
        solver_order=2,
        thresholding=False,
        use_karras_sigmas=False,
        lower_order_final=True,
        euler_at_final=False,
        final_sigmas_type="zero",
        timestep_spacing="linspace",
        steps_offset=1,
    )
    solver.set_timesteps(steps, device="cpu")
    assert isinstance(solver, DPMSolverMultistepScheduler)
    return solver


@torch.no_grad()
def denoise(
    pipe: DiffusionPipeline,
    latents: Tensor,
    conditioning: Conditioning,
    *,
    steps: int = STEPS,
    start: int = 0,
    stop: int | None = None,
    guidance: float = GUIDANCE,
    history: Tensor | None = None,
    callback: Callback | None = None,
) -> Denoised:
    """Run the solver's steps `start` to `stop` of a grid of `steps`.

    Args:
        pipe: With U-Net and scheduler.
        latents: Shape `(n, channels, height, width)`.
        conditioning: For `n` images.
        steps: Length of the whole grid.
        start: First step to run.
        stop: Step before which to end; None runs to the end.
        guidance: Scale of classifier-free guidance; 1 is none and costs half.
        history: `Denoised.history` of the call that ended at `start`; None restarts the
            solver at first order.
        callback: Called after each step with its number and the latents.
    """
    stop = steps if stop is None else stop
    _check(latents, conditioning, steps, start, stop, history)
    solver: Any = new_solver(pipe, steps)
    solver.set_begin_index(start)
    if history is not None:
        solver.model_outputs[-1] = history.float()
        solver.lower_order_nums = 1
    latents = latents.to(pipe.unet.device, torch.float32)
    for step in range(start, stop):
        time = solver.timesteps[step]
        output = predict(pipe, latents, time, conditioning, guidance)
        latents = solver.step(output, time, latents, return_dict=False)[0]
        if callback is not None:
            callback(step, latents)
    last = solver.model_outputs[-1] if stop > start else history
    return Denoised(latents=latents, history=last)


def predict(
    pipe: DiffusionPipeline,
    latents: Tensor,
    time: Tensor,
    conditioning: Conditioning,
    guidance: float,
) -> Tensor:
    """The U-Net's guided output in float32: both halves of the guidance in one batched call."""
    dtype = pipe.unet.dtype
    if guidance == 1:
        doubled, text, added = latents, conditioning.text, dict(conditioning.added)
    else:
        doubled = torch.cat([latents, latents])
        text = torch.cat([conditioning.empty, conditioning.text])
        added = {
            name: torch.cat([conditioning.added_empty[name], value])
            for name, value in conditioning.added.items()
        }
    count(rows=len(doubled))
    output = pipe.unet(
        doubled.to(dtype),
        time.to(latents.device),
        encoder_hidden_states=text.to(dtype),
        added_cond_kwargs=added or None,
    ).sample.float()
    if guidance == 1:
        return torch.as_tensor(output)
    empty, full = output.chunk(2)
    return torch.as_tensor(empty + guidance * (full - empty))


def _check(
    latents: Tensor,
    conditioning: Conditioning,
    steps: int,
    start: int,
    stop: int,
    history: Tensor | None,
) -> None:
    if not 0 <= start <= stop <= steps or steps < 1:
        raise TargetError(f"start={start}, stop={stop} must satisfy 0 <= start <= stop <= {steps}")
    if len(latents) != len(conditioning):
        raise TargetError(
            f"latents has {len(latents)} rows and conditioning {len(conditioning)}; they must agree"
        )
    if history is not None and history.shape != latents.shape:
        raise TargetError(
            f"history has shape {tuple(history.shape)}, latents {tuple(latents.shape)}; pass the "
            "history of the rows that go on"
        )


@torch.no_grad()
def decode(pipe: DiffusionPipeline, latents: Tensor) -> Tensor:
    """Images of latents, float32 in [0, 1], shape `(n, 3, height, width)`.

    Args:
        pipe: With an autoencoder.
        latents: As `denoise` returns them.
    """
    config = pipe.vae.config
    scaled = latents / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
    image = pipe.vae.decode(scaled.to(pipe.vae.device, pipe.vae.dtype)).sample
    return torch.as_tensor(image).float().div(2).add(0.5).clamp(0, 1)


@torch.no_grad()
def encode(pipe: DiffusionPipeline, images: Tensor) -> Tensor:
    """Latents of images in [0, 1], shape `(n, 3, height, width)`; the mode, where it is a law.

    The inverse of `decode` up to the autoencoder's error.
    """
    config = pipe.vae.config
    out = pipe.vae.encode(images.mul(2).sub(1).to(pipe.vae.device, pipe.vae.dtype))
    latents = out.latents if hasattr(out, "latents") else out.latent_dist.mode()
    shift = getattr(config, "shift_factor", None) or 0.0
    return torch.as_tensor((latents - shift) * config.scaling_factor).float()


@torch.no_grad()
def generate(
    pipe: DiffusionPipeline,
    prompts: Sequence[str],
    *,
    seed: int,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> Tensor:
    """Images of prompts, float32 in [0, 1], shape `(n, 3, height, width)`."""
    noise = initial_noise(pipe, len(prompts), torch.Generator().manual_seed(seed))
    conditioning = encode_prompts(pipe, prompts)
    return decode(pipe, denoise(pipe, noise, conditioning, steps=steps, guidance=guidance).latents)


def repeated(conditioning: Conditioning, count: int) -> Conditioning:
    """One prompt's conditioning for `count` images."""
    rows = torch.zeros(count, dtype=torch.long)
    return replace(conditioning[rows])
