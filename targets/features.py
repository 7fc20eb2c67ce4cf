"""Named image feature spaces: differentiable encoders of images into unit vectors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .clip import SIZE, Clip
from .components import component
from .errors import TargetError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class ImageEncoder:
    """An image encoder with the scaling that its inputs need.

    Attributes:
        name: Of the feature space, for reports.
        model: A `CLIPVisionModelWithProjection`.
        size: Side of its input [pixels].
        mean: Taken off each channel of an image in [0, 1].
        std: By which each channel is divided.
    """

    name: str
    model: Any
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @staticmethod
    def open(spec: str | Path = "embedded", device: str = "cpu") -> "ImageEncoder":
        """An encoder, read once a process.

        Args:
            spec: `embedded`, or the folder of a `CLIPVisionModelWithProjection` in transformers
                format; without a `preprocessor_config.json`, inputs are scaled as CLIP's.
            device: A torch device.

        Raises:
            TargetError: The folder holds no such model.
        """
        if spec == "embedded":
            model = Clip.open(device).image_encoder
            half = (0.5, 0.5, 0.5)
            return ImageEncoder(name="embedded CLIP", model=model, size=SIZE, mean=half, std=half)
        folder = Path(spec)
        if not (folder / "config.json").is_file():
            raise TargetError(
                f"spec={folder.name!r} has no config.json; give 'embedded' or the folder of a "
                "CLIPVisionModelWithProjection saved with save_pretrained"
            )
        model = component(
            folder.resolve(), "transformers", "CLIPVisionModelWithProjection", "float32", device
        )
        path = folder / "preprocessor_config.json"
        given = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return ImageEncoder(
            name=folder.name,
            model=model,
            size=int(model.config.image_size),
            mean=tuple(given.get("image_mean", CLIP_MEAN)),
            std=tuple(given.get("image_std", CLIP_STD)),
        )

    @property
    def width(self) -> int:
        """Length of a feature vector."""
        return int(self.model.config.projection_dim)

    def features(self, images: Tensor) -> Tensor:
        """Unit vectors, float32 `(n, width)`; gradients flow back to the images.

        Args:
            images: In [0, 1], `(n, 3, height, width)`.

        Raises:
            TargetError: The images have another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise TargetError(f"images has shape {tuple(images.shape)}; need (n, 3, h, w)")
        pixels = images.float().to(self.model.device)
        if pixels.shape[2:] != (self.size, self.size):
            mode = "area" if pixels.shape[2] >= self.size else "bicubic"
            pixels = functional.interpolate(pixels, (self.size, self.size), mode=mode)
        mean, std = (pixels.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return functional.normalize(self.model(pixel_values=(pixels - mean) / std).image_embeds)

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """As `features`, 64 images at a time and without gradients."""
        return torch.cat([self.features(part) for part in images.split(64)])
