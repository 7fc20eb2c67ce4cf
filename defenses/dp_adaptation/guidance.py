"""Generation guided by a released image feature: forward universal guidance in a DDIM loop.

The release is the noisy centroid of normalised image features (`aggregation.Centroid`);
everything here is post-processing of it.

At each noise level, `recurrence` times, with z the latents and e the guided noise prediction:

    x0 = (z - sqrt(1 - a) e) / sqrt(a)
    e  <- e - sqrt(1 - a) weight grad_z [100 cos(encoder(decode(x0)), centroid)]
    z' = sqrt(a') x0(e) + sqrt(1 - a') e
    z  <- sqrt(a / a') z' + sqrt(1 - a / a') N(0, I)        (but after the last time z <- z')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

from ...targets import sampling
from ...targets.features import ImageEncoder
from ...targets.sampling import Conditioning
from ..seeds import torch_stream
from .cache import Images
from .objective import as_pixels, noise_schedule

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

LOSS_SCALE = 100.0
"""Factor of the cosine in the released code of universal guidance."""


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How strongly a feature guides, chosen on public images.

    Attributes:
        weight: Of the gradient.
        recurrence: Evaluations at each noise level.
        steps: Noise levels.
        scale: Of classifier-free guidance, at least 1; 1 is none.
    """

    weight: float = 6.0
    recurrence: int = 6
    steps: int = 50
    scale: float = 4.0

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ValueError(f"weight={self.weight} must be >= 0")
        for name in ("recurrence", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")
        if not self.scale >= 1:
            raise ValueError(f"scale={self.scale} must be >= 1")


def image_features(encoder: ImageEncoder, images: Images) -> np.ndarray[tuple[int, ...], np.dtype]:
    """The records of `aggregation.Centroid`: unit vectors of images, `(n, width)`, float64.

    Args:
        encoder: Public.
        images: uint8, `(n, height, width, 3)`. One at a time, so that no record depends on
            another, not even by rounding.
    """
    rows = [encoder.embed(image) for image in as_pixels(images).split(1)]
    return torch.cat(rows).double().cpu().numpy()


def generate_guided(
    pipe: DiffusionPipeline,
    prompts: Sequence[str],
    feature: ArrayLike,
    encoder: ImageEncoder,
    *,
    guidance: Guidance,
    seed: int,
) -> Tensor:
    """Images of prompts drawn towards a feature, float32 in [0, 1], `(n, 3, height, width)`.

    Args:
        pipe: A complete Stable Diffusion pipeline.
        prompts: At least one.
        feature: Shape `(encoder.width,)`, not zero; only its direction matters.
        encoder: Whose feature it is.
        guidance: Strength and length.
        seed: Of all noise.

    Raises:
        ValueError: The feature is zero, not finite or of another length.

    References:
        Bansal et al., Universal Guidance for Diffusion Models (2023), Algorithm 1 (forward),
        https://arxiv.org/abs/2302.07121; DPAgg-TI, version 1, https://arxiv.org/abs/2411.14639v1.
    """
    goal = _unit(feature, encoder).to(pipe.unet.device)
    conditioning = sampling.encode_prompts(pipe, prompts)
    z = sampling.initial_noise(pipe, len(prompts), torch_stream(seed, "start"))
    again = torch_stream(seed, "recurrence")
    for time, now, later in _levels(pipe, guidance.steps):
        for turn in range(guidance.recurrence):
            noise, clean = _predicted(pipe, z, time, now, conditioning, goal, encoder, guidance)
            z_later = later.sqrt() * clean + (1 - later).sqrt() * noise
            if turn == guidance.recurrence - 1:
                z = z_later
                continue
            ratio = now / later
            fresh = torch.randn(z.shape, generator=again).to(z.device)
            z = ratio.sqrt() * z_later + (1 - ratio).sqrt() * fresh
    return sampling.decode(pipe, z)


def _predicted(
    pipe: DiffusionPipeline,
    z: Tensor,
    time: Tensor,
    signal: Tensor,
    conditioning: Conditioning,
    goal: Tensor,
    encoder: ImageEncoder,
    guidance: Guidance,
) -> tuple[Tensor, Tensor]:
    """Corrected noise, and the clean latents that follow from it."""
    z = z.detach().requires_grad_(guidance.weight > 0)
    with torch.set_grad_enabled(guidance.weight > 0):
        output = sampling.predict(pipe, z, time, conditioning, guidance.scale)
        noise, clean = noise_and_clean(pipe, output, z, signal)
        if guidance.weight > 0:
            likeness = (encoder.features(_pixels(pipe, clean)) * goal).sum()
            (slope,) = torch.autograd.grad(LOSS_SCALE * likeness, z)
            noise = noise - (1 - signal).sqrt() * guidance.weight * slope
    noise, z = noise.detach(), z.detach()
    return noise, (z - (1 - signal).sqrt() * noise) / signal.sqrt()


def noise_and_clean(
    pipe: DiffusionPipeline, output: Tensor, z: Tensor, signal: Tensor
) -> tuple[Tensor, Tensor]:
    """Noise and clean latents that a model's output stands for.

    Args:
        pipe: Its scheduler says what the model predicts.
        output: Of the U-Net, shape of `z`.
        z: Noisy latents.
        signal: a, the squared share of signal in z, in (0, 1).

    Raises:
        ValueError: The model predicts something else than noise, velocity or sample.
    """
    kind = pipe.scheduler.config.prediction_type
    alpha, sigma = signal.sqrt(), (1 - signal).sqrt()
    if kind == "epsilon":
        return output, (z - sigma * output) / alpha
    if kind == "v_prediction":
        return alpha * output + sigma * z, alpha * z - sigma * output
    if kind == "sample":
        return (z - alpha * output) / sigma, output
    raise ValueError(f"prediction_type={kind!r} must be 'epsilon', 'v_prediction' or 'sample'")


def _levels(pipe: DiffusionPipeline, steps: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Place on the noise schedule, signal there, signal at the next; ends without noise."""
    signal = noise_schedule(pipe).alphas_cumprod.float()
    times = torch.linspace(len(signal) - 1, 0, steps).round().long()
    later = torch.cat([signal[times[1:]], torch.ones(1)])
    device = pipe.unet.device
    return [
        (time.to(device), now.to(device), then.to(device))
        for time, now, then in zip(times, signal[times], later, strict=True)
    ]


def _pixels(pipe: DiffusionPipeline, latents: Tensor) -> Tensor:
    """As `sampling.decode`, with gradients and without cutting to [0, 1]."""
    config = pipe.vae.config
    scaled = latents / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
    image = pipe.vae.decode(scaled.to(pipe.vae.dtype)).sample
    return torch.as_tensor(image).float().div(2).add(0.5)


def _unit(feature: ArrayLike, encoder: ImageEncoder) -> Tensor:
    values = torch.as_tensor(np.asarray(feature, dtype=np.float64))
    if values.shape != (encoder.width,) or not torch.isfinite(values).all() or not values.any():
        raise ValueError(
            f"feature has shape {tuple(values.shape)}; it must be a finite non-zero vector of "
            f"length {encoder.width}, as a release of image_features is"
        )
    return functional.normalize(values, dim=0).float()
