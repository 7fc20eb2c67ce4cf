"""What PPIDM does to images: each mode against the standard run, same prompts and noise.

python benchmarks/ppidm_fidelity.py [--json] [--images 200] [--cells 32] [--preset all_linear]

`--images` images for one setting of each mode, `--cells` for every cell of the grid over mask
magnitude and precision; embedded model, 25 steps, guidance 4, 4 servers. PSNR, SSIM and LPIPS are
means over pairs; KID is the unbiased squared kernel distance between the two sets in the feature
space of the embedded CLIP, which may be negative where they agree. Eight images at a time share
the scale of fixed point or masks, and messages are handed over as they are instead of as bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from latentleak.defenses.ppidm.client import sharing_of
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.offload import Session, offloaded
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.seeds import stream, torch_stream
from latentleak.defenses.wire import Party
from latentleak.targets import emoji, image_metrics, sampling
from latentleak.targets.features import ImageEncoder
from latentleak.targets.pipeline import Target, load

BATCH = 8
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "ring": {},
    "real": {"share": "real", "precision": "fp16"},
    "partition": {"share": "partition"},
}
MAGNITUDES = (1.0, 4.0, 16.0, 64.0)
PRECISIONS = ("fp32", "fp16", "bf16")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting.

    Attributes:
        mode: Sharing mode.
        precision: At the servers.
        magnitude: Of masks, where they are real.
        images: Pairs compared.
        psnr: Mean peak signal-to-noise ratio [dB].
        worst: The lowest [dB].
        ssim: Mean structural similarity.
        lpips: Mean perceptual distance.
        kid: Squared kernel distance in the space of the embedded CLIP.
    """

    mode: str
    precision: str
    magnitude: float | None
    images: int
    psnr: float
    worst: float
    ssim: float
    lpips: float
    kid: float


class Direct:
    """A wire without bytes: server halves answer where they stand."""

    def __init__(self, config: Ppidm, target: Target) -> None:
        self._halves = {party: config.server(party, target, 0) for party in config.servers}

    def scatter(
        self, kind: str, tensors: Mapping[Party, Mapping[str, Tensor]]
    ) -> dict[Party, Mapping[str, Tensor]]:
        """The answers of the servers."""
        return {party: self._halves[party].handle(kind, asked) for party, asked in tensors.items()}


class Study:
    """Prompts, noise and the standard images."""

    def __init__(self, images: int) -> None:
        self.target = load("embedded", device="cpu")
        self.pipe: Any = sampling.open_denoiser(self.target)
        self.vae = self.target.open("vae")
        self.encoder = ImageEncoder.open("embedded")
        drawn = emoji.Emoji.open().prompts(images, stream(0, "prompts"))
        self.prompts = [str(prompt) for prompt in drawn]
        self.noise = sampling.initial_noise(self.pipe, images, torch_stream(0, "noise"))
        self.plain = torch.cat(
            [self._images(self.pipe.unet, b, None) for b in self._batches(images)]
        )

    def protected(self, config: Ppidm, images: int) -> Tensor:
        """The first images again, through servers."""
        made = []
        for rows in self._batches(images):
            wire: Any = Direct(config, self.target)
            session = Session(wire, config.servers, sharing_of(config, 1 + rows.start))
            unet = offloaded(self.pipe.unet, config.preset, session)
            made.append(self._images(unet, rows, session))
        return torch.cat(made)

    def _batches(self, images: int) -> Iterator[slice]:
        return (slice(i, min(i + BATCH, images)) for i in range(0, images, BATCH))

    def _images(self, unet: Any, rows: slice, session: Session | None) -> Tensor:
        def advance(step: int, latents: Tensor) -> None:
            if session is not None:
                session.step = step + 1

        remote: Any = SimpleNamespace(unet=unet, scheduler=self.pipe.scheduler)
        prompts = sampling.encode_prompts(self.pipe, self.prompts[rows])
        done = sampling.denoise(remote, self.noise[rows], prompts, callback=advance)
        return sampling.decode(self.vae, done.latents)

    def compare(self, config: Ppidm, images: int) -> Row:
        """Measure one setting."""
        made, plain = self.protected(config, images), self.plain[:images]
        psnr = image_metrics.psnr(made, plain)
        features = (self.encoder.embed(x) for x in (made, plain))
        return Row(
            mode=config.share,
            precision="-" if config.share == "ring" else config.precision,
            magnitude=config.magnitude if config.share == "real" else None,
            images=images,
            psnr=float(psnr.mean()),
            worst=float(psnr.min()),
            ssim=float(image_metrics.ssim(made, plain).mean()),
            lpips=float(image_metrics.perceptual_distance(made, plain).mean()),
            kid=float(image_metrics.kernel_distance(*features)),
        )


def settings(images: int, cells: int, preset: str) -> Iterator[tuple[Ppidm, int]]:
    """What to measure, and on how many images."""
    for fields in SETTINGS.values():
        yield Ppidm(preset=preset, **fields), images
    for precision in PRECISIONS:
        for magnitude in MAGNITUDES:
            fields = {"share": "real", "precision": precision, "magnitude": magnitude}
            yield Ppidm(preset=preset, **fields), cells
        yield Ppidm(preset=preset, share="partition", precision=precision), cells


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line a setting")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--cells", type=int, default=32)
    parser.add_argument("--preset", choices=PRESETS, default="all_linear")
    chosen = parser.parse_args()
    study = Study(max(chosen.images, chosen.cells))
    for config, images in settings(chosen.images, chosen.cells, chosen.preset):
        row = study.compare(config, images)
        if chosen.json:
            print(json.dumps(asdict(row)), flush=True)
            continue
        magnitude = "-" if row.magnitude is None else f"{row.magnitude:g}"
        print(
            f"{row.mode:10} {row.precision:5} masks {magnitude:>3}  {row.images:4} images  "
            f"PSNR {row.psnr:6.1f} dB (worst {row.worst:6.1f})  SSIM {row.ssim:.5f}  "
            f"LPIPS {row.lpips:8.1e}  KID {row.kid:9.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
