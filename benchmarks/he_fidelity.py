"""What encryption does to images: HE-Diffusion against the same sampler in the clear.

python benchmarks/he_fidelity.py [--json]

Four images of one prompt by the embedded model, 25 steps of PLMS, guidance 4. PSNR and LPIPS
compare with the plain sampler's images from the same noise, means over the four.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from latentleak.defenses.he_diffusion.protocol import SERVER, HeDiffusion
from latentleak.defenses.he_diffusion.sampler import Grid, NoisePredictor, sample
from latentleak.defenses.he_diffusion.selection import Latent
from latentleak.defenses.he_diffusion.variants import VARIANTS, AsReleased, FullyHardened
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import derive, torch_stream
from latentleak.targets import image_metrics, sampling
from latentleak.targets.pipeline import Target, load

PROMPT = "woman firefighter: medium skin tone"
SEED = 1
SAMPLES = 4


@dataclass(frozen=True, kw_only=True)
class Row:
    """One configuration.

    Attributes:
        name: Variant and what differs from its defaults.
        difference: Largest deviation of the final latent.
        psnr: Mean peak signal-to-noise ratio [dB].
        lpips: Mean perceptual distance.
        up: Mean bytes from client to server in a step.
        down: Mean bytes back.
    """

    name: str
    difference: float
    psnr: float
    lpips: float
    up: float
    down: float


def configurations() -> Iterator[tuple[str, HeDiffusion]]:
    """Parameter sets, variants, flooding, and the offloaded layer."""
    for name in ("repository", "lean", "small"):
        yield f"AsReleased, {name}", AsReleased(parameters=name)
    for kind in VARIANTS[1:]:
        yield f"{kind.__name__}, lean", kind()
    for bits in (10.0, 20.0, 30.0, 40.0):
        yield (
            f"AsReleased, lean, flooded {bits:g} bits",
            AsReleased(parameters="lean", flooding_bits=bits),
        )
    fresh = AsReleased(parameters="lean", flooding_bits=30.0, fresh_keys=True)
    yield "AsReleased, lean, flooded 30 bits, fresh keys", fresh
    yield "FullyHardened, lean, conv_in at the server", FullyHardened(offload_conv_in=True)


def reference(target: Target, config: HeDiffusion) -> Latent:
    """Final latents of the plain sampler from the noise that the client draws."""
    pipe = sampling.open_denoiser(target)
    grid = Grid.of(pipe.scheduler, config.steps)
    stream = torch_stream(derive(SEED, "client"), "noise")
    noise = sampling.initial_noise(pipe, SAMPLES, stream).double().numpy()
    predict = NoisePredictor(
        pipe=pipe,
        conditioning=sampling.encode_prompts(pipe, [PROMPT] * SAMPLES),
        guidance=config.guidance,
        grid=grid,
    )
    return sample(predict, grid, noise, config.method)


def measure(name: str, config: HeDiffusion, target: Target, plain: Latent) -> Row:
    """Run one configuration and compare."""
    vae = target.open("vae")
    output, transcript = execute(replace(config, samples=SAMPLES), target, PROMPT, SEED)
    exact = sampling.decode(vae, torch.from_numpy(plain).float())
    images = sampling.decode(vae, output.latents)
    sent, received = 0, 0
    for message in transcript:
        if message.sender == SERVER:
            received += len(message.payload)
        else:
            sent += len(message.payload)
    transcript.close()
    return Row(
        name=name,
        difference=float(np.abs(output.latents.numpy() - plain).max()),
        psnr=float(image_metrics.psnr(images, exact).mean()),
        lpips=float(image_metrics.perceptual_distance(images, exact).mean()),
        up=sent / config.steps,
        down=received / config.steps,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line a configuration")
    as_json = parser.parse_args().json
    target = load("embedded", device="cpu")
    plain = reference(target, AsReleased())
    for name, config in configurations():
        row = measure(name, config, target, plain)
        if as_json:
            print(json.dumps(asdict(row)), flush=True)
            continue
        print(
            f"{row.name:46} latent {row.difference:8.1e}  PSNR {row.psnr:6.1f} dB  "
            f"LPIPS {row.lpips:8.1e}  {row.up / 1e6:6.2f} MB up  {row.down / 1e6:6.2f} MB down",
            flush=True,
        )


if __name__ == "__main__":
    main()
