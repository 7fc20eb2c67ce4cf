"""What textual inversion minimises: the denoising loss of images under prompts with a new token.

Noise levels, noises and prompts of every step are the same for every image and follow from the
seed alone, so that embeddings of different images differ by their images and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...targets import sampling
from ..seeds import stream, torch_stream

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What is random in one step.

    Attributes:
        time: Place on the noise schedule, from 0 (clean).
        noise: Shape `(channels, height, width)`.
        template: Which template the prompt is made from.
    """

    time: int
    noise: Tensor
    template: int


def draw(pipe: DiffusionPipeline, seed: int, step: int, templates: int) -> Draw:
    """The randomness of step `step`, whatever came before.

    Times go through the schedule by the golden ratio from a random start: any stretch of steps
    covers all noise levels evenly.
    """
    levels = noise_schedule(pipe).config.num_train_timesteps
    start = float(stream(seed, "time").random())
    noise = torch.randn(
        sampling.latent_shape(pipe), generator=torch_stream(seed, "noise", step), device="cpu"
    )
    return Draw(
        time=int((start + step * GOLDEN) % 1.0 * levels),
        noise=noise,
        template=int(stream(seed, "template", step).integers(templates)),
    )


def noise_schedule(pipe: DiffusionPipeline) -> Any:
    """A `DDPMScheduler` with the noise levels of the model's training, whatever its solver."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(pipe.scheduler.config)


def denoising_losses(
    pipe: DiffusionPipeline,
    latents: Tensor,
    noise: Tensor,
    times: Tensor,
    prompts: Sequence[str],
) -> Tensor:
    """Mean squared error of the model's prediction for each image, shape `(n,)`, float32.

    Gradients flow into token rows that require them.

    Args:
        pipe: With U-Net, scheduler, tokenizers and text encoders.
        latents: Clean latents, shape `(n, channels, height, width)`.
        noise: Standard normal, of the latents' shape.
        times: Places on the noise schedule, shape `(n,)`, int64.
        prompts: One an image.

    Raises:
        ValueError: The model predicts something else than noise, velocity or sample.

    References:
        Gal et al., An Image is Worth One Word (2022), Equation 2,
        https://arxiv.org/abs/2208.01618.
    """
    schedule = noise_schedule(pipe)
    noisy = schedule.add_noise(latents, noise, times)
    output = sampling.predict(pipe, noisy, times, sampling.embed_prompts(pipe, prompts), 1.0)
    kind = schedule.config.prediction_type
    if kind == "epsilon":
        goal = noise
    elif kind == "v_prediction":
        goal = schedule.get_velocity(latents, noise, times)
    elif kind == "sample":
        goal = latents
    else:
        raise ValueError(
            f"prediction_type={kind!r} must be 'epsilon', 'v_prediction' or 'sample'; choose a "
            "model with one of these"
        )
    return torch.as_tensor((output - goal).square().mean((1, 2, 3)))


def as_pixels(images: NDArray[np.uint8]) -> Tensor:
    """Bytes `(n, height, width, 3)` as floats in [0, 1], `(n, 3, height, width)`.

    Raises:
        ValueError: The images are not bytes of that shape, or there are none.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(
            f"images is {images.dtype} of shape {images.shape}; it must be uint8 (n, height, "
            "width, 3) with n >= 1"
        )
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div(255)


def latents_of(pipe: DiffusionPipeline, images: NDArray[np.uint8]) -> Tensor:
    """Clean latents of images, scaled to the model's size first; `(n, channels, h, w)`.

    One image at a time, so that none depends on the others, not even by rounding.
    """
    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    pixels = as_pixels(images)
    if pixels.shape[2:] != (side, side):
        pixels = torch.nn.functional.interpolate(
            pixels, (side, side), mode="bicubic", antialias=True
        ).clamp(0, 1)
    return torch.cat([sampling.encode(pipe, image) for image in pixels.split(1)])
