"""The embedded CLIP: images and prompts in one space."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from .components import component
from .errors import TargetError
from .pipeline import EMBEDDED

SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Image encoder and text encoder with a common space of unit vectors.

    Attributes:
        image_encoder: A `CLIPVisionModelWithProjection`.
        text_encoder: The embedded model's `CLIPTextModel`.
        tokenizer: Its tokenizer.
        projection: From pooled text into the common space, `(width, width)`.
    """

    image_encoder: Any
    text_encoder: Any
    tokenizer: Any
    projection: Tensor

    @staticmethod
    def open(device: str = "cpu") -> "Clip":
        """The encoders that ship with the package, read once a process."""
        return _open(device)

    @torch.no_grad()
    def embed_images(self, images: Tensor) -> Tensor:
        """Unit vectors of images in [0, 1] of shape `(n, 3, height, width)`; `(n, width)`."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise TargetError(f"images has shape {tuple(images.shape)}; need (n, 3, h, w)")
        if images.shape[2:] != (SIZE, SIZE):
            images = functional.interpolate(images, (SIZE, SIZE), mode="area")
        pixels = images.float().mul(2).sub(1).to(self.projection.device)
        parts = [self.image_encoder(pixel_values=part).image_embeds for part in pixels.split(64)]
        return functional.normalize(torch.cat(parts).float())

    @torch.no_grad()
    def embed_texts(self, prompts: Sequence[str]) -> Tensor:
        """Unit vectors of prompts, `(n, width)`."""
        if not prompts:
            raise TargetError("prompts is empty; give at least one")
        tokens = self.tokenizer(
            list(prompts), padding="max_length", truncation=True, return_tensors="pt"
        )
        parts = tokens.input_ids.to(self.projection.device).split(64)
        pooled = torch.cat([self.text_encoder(part).pooler_output for part in parts]).float()
        return functional.normalize(pooled @ self.projection.T)

    def score(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """Cosine of every image with every prompt, `(images, prompts)`."""
        return self.embed_images(images) @ self.embed_texts(prompts).T


@cache
def _open(device: str) -> Clip:
    folder = EMBEDDED / "clip"
    path = folder / "text_projection.safetensors"
    if not path.is_file():
        raise TargetError(
            "embedded/clip is missing; rebuild it with python -m latentleak.targets.rebuild.clip"
        )

    def part(home: str, kind: str) -> Any:
        return component(EMBEDDED / home, "transformers", kind, "float32", device)

    return Clip(
        image_encoder=part("clip/image_encoder", "CLIPVisionModelWithProjection"),
        text_encoder=part("text_encoder", "CLIPTextModel"),
        tokenizer=part("tokenizer", "CLIPTokenizer"),
        projection=load_file(path)["weight"].float().to(device),
    )
