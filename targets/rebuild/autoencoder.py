"""Train the autoencoder on the member images.

    python -m latentleak.targets.rebuild.autoencoder --state FOLDER --minutes 14

An `AutoencoderTiny` of uniform width: 64 x 64 x 3 images to 8 x 8 x 16 latents. Loss: root mean
square per image plus mean absolute error, on decoded latents with a little Gaussian noise, so
that the decoder forgives a diffusion model's small errors. A penalty keeps every channel near
zero mean and unit variance; what is left is folded into the convolutions at the border.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from ..emoji import Emoji
from .state import load_state, save_state

CHANNELS = 16
NOISE = 0.08
BATCH = 32


def new_autoencoder() -> AutoencoderTiny:
    """The architecture, untrained."""
    return AutoencoderTiny(
        latent_channels=CHANNELS,
        encoder_block_out_channels=(64,) * 4,
        decoder_block_out_channels=(64,) * 4,
        num_encoder_blocks=(0, 1, 3, 3),
        num_decoder_blocks=(3, 3, 1, 0),
        scaling_factor=1.0,
    )


def pixels(images: Tensor) -> Tensor:
    """Bytes `(n, 64, 64, 3)` to floats in [-1, 1], `(n, 3, 64, 64)`, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def loss_of(model: AutoencoderTiny, images: Tensor, noise: float) -> Tensor:
    """Reconstruction error in [0, 1] units plus the penalty on latent statistics."""
    with torch.autocast("cpu", torch.bfloat16):
        latents = model.encoder(images)
        decoded = model.decoder(latents + noise * torch.randn_like(latents))
    error = (decoded.float() - images) / 2
    z = latents.float()
    mean, variance = z.mean((0, 2, 3)), z.var((0, 2, 3))
    penalty = mean.square().mean() + (variance - 1).square().mean()
    rms = error.square().mean((1, 2, 3)).add(1e-6).sqrt().mean()
    return torch.as_tensor(rms + 0.5 * error.abs().mean() + 0.003 * penalty)


@torch.no_grad()
def psnr(model: AutoencoderTiny, images: Tensor) -> float:
    """Mean over images of the peak signal-to-noise ratio of encode and decode [dB]."""
    total = 0.0
    for part in images.split(64):
        x = pixels(part)
        decoded = model.decoder(model.encoder(x)).clamp(-1, 1)
        mse = ((decoded - x) / 2).square().mean((1, 2, 3))
        total += float((-10 * mse.log10()).sum())
    return total / len(images)


@torch.no_grad()
def normalise(model: AutoencoderTiny, images: Tensor) -> None:
    """Fold each latent channel's mean and deviation into the encoder's last convolution.

    The decoder's first operation is `3 tanh(z / 3)`, which an affine map does not pass, so only
    the encoder moves; call before a last phase in which the decoder adapts.
    """
    z = torch.cat([model.encoder(pixels(part)) for part in images.split(64)])
    mean, deviation = z.mean((0, 2, 3)), z.std((0, 2, 3))
    last = model.encoder.layers[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    last.weight.div_(deviation[:, None, None, None])
    last.bias.sub_(mean).div_(deviation)


def train(state: Path, minutes: float, rate: float) -> None:
    """Train for a stretch of wall-clock time; the rate follows a cosine to zero over it."""
    torch.manual_seed(0)
    data = Emoji.open()
    member = torch.from_numpy(data.images[data.member])
    held_out = torch.from_numpy(data.images[data.split == "concept"])[::4]
    model: Any = new_autoencoder()
    model.to(memory_format=torch.channels_last)
    first = steps = load_state(state / "autoencoder", model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3, fused=True)
    start, saved = time.monotonic(), time.monotonic()
    frozen = False
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        if done > 0.85 and not frozen:
            normalise(model, member[::8])
            model.encoder.requires_grad_(False)
            frozen = True
        for group in optimizer.param_groups:
            group["lr"] = (
                rate * min(1.0, (steps - first + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done))
            )
        batch = pixels(member[torch.randint(len(member), (BATCH,))])
        loss = loss_of(model, batch, NOISE)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
        if steps % 500 == 0 or time.monotonic() - saved > 120:
            saved = time.monotonic()
            print(
                f"{steps} steps, {done:.2f}, loss {loss.item():.4f}, "
                f"held-out {psnr(model, held_out):.2f} dB",
                flush=True,
            )
            save_state(state / "autoencoder", model, steps)
    save_state(state / "autoencoder", model, steps)
    print(
        f"{steps} steps, held-out {psnr(model, held_out):.2f} dB, "
        f"member {psnr(model, member[::30]):.2f} dB",
        flush=True,
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--minutes", type=float, default=14)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.state, options.minutes, options.rate)


if __name__ == "__main__":
    main()
