"""What attacks on HE-Diffusion have in common: its messages as arrays, its model, and a prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.he_diffusion.sampler import Grid, NoisePredictor
from ..defenses.he_diffusion.selection import Latent, Mask
from ..defenses.views import Views
from ..defenses.wire import CLIENT
from .contract import Auxiliary

if TYPE_CHECKING:
    from ..targets.pipeline import Target
    from ..targets.sampling import Conditioning

Pictures = npt.NDArray[np.uint8]

STEPS = frozenset({"denoise", "update"})
"""Message kinds that ask for one step of the sampler."""

PUBLIC = 2048
"""Most public pictures that an adversary learns from."""

ROWS = 32
"""Images in one call of the autoencoder or the U-Net."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step: what the client asked and what the server answered.

    Attributes:
        asked: Tensors of the request by name.
        told: Tensors of the answer.
    """

    asked: Mapping[str, Array]
    told: Mapping[str, Array]

    @property
    def visible(self) -> Mask:
        """Entries that are in the clear, shape (samples, channels, height, width)."""
        mask = np.ones(self.asked["rest"].shape, dtype=np.bool_)
        np.put(mask, self.asked["indices"], False)
        return mask

    @property
    def rest(self) -> Latent:
        """The latent before the step, zero where it is encrypted."""
        return np.asarray(self.asked["rest"], dtype=np.float64)

    @property
    def updated(self) -> Latent:
        """The latent after the step; meaningless where it is encrypted."""
        return np.asarray(self.told["rest"], dtype=np.float64)


def steps_of(views: Views, game: int) -> list[Step]:
    """The steps of one execution, in order; those without an answer are left out."""
    steps = []
    for kind in sorted(STEPS):
        blocks = views.arrays(game, kind)
        asked = views.arrays(game, kind, sender=CLIENT)
        told = [block for block in blocks if "step" not in block]
        steps += [Step(asked=a, told=t) for a, t in zip(asked, told, strict=False)]
    return steps


def condition_of(views: Views, games: Sequence[int]) -> Conditioning | None:
    """The conditioning in the clear of each game's first image; None if one has none."""
    import torch

    from ..targets.sampling import Conditioning

    sent = [views.arrays(game, "condition", sender=CLIENT)[:1] for game in games]
    if not all(sent):
        return None
    rows = {
        name: torch.from_numpy(np.concatenate([blocks[0][name][:1] for blocks in sent]))
        for name in sent[0][0]
    }
    return Conditioning(
        text=rows["text"],
        empty=rows["empty"],
        added={k.removeprefix("added_"): v for k, v in rows.items() if k.startswith("added_")},
        added_empty={
            k.removeprefix("negative_"): v for k, v in rows.items() if k.startswith("negative_")
        },
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """The model under attack, opened read-only, and the sampler that everybody knows.

    Attributes:
        target: Which it is.
        pipe: All parts that attacks use.
        grid: Time steps.
        guidance: Scale of classifier-free guidance.
        method: `plms` or `ddim`.
    """

    target: Target
    pipe: Any
    grid: Grid
    guidance: float
    method: str

    @classmethod
    def open(cls, aux: Auxiliary, views: Views) -> Model:
        """The model that `aux` refers to, with the public configuration of the first game.

        Raises:
            ValueError: If the threat model did not grant the weights.
        """
        if aux.weights is None:
            raise ValueError("attacks on HE-Diffusion need the fact weights")
        from ..targets.pipeline import Target

        public = views.view(0).public if len(views) else {}
        return cls.of(
            Target(**aux.weights["open"]),
            steps=int(public.get("steps", 25)),
            guidance=float(public.get("guidance", 1.0)),
            method=str(public.get("method", "plms")),
        )

    @classmethod
    def of(cls, target: Target, *, steps: int, guidance: float, method: str) -> Model:
        """The model under a configuration of the sampler."""
        parts = ("unet", "vae", "scheduler", "tokenizer", "text_encoder")
        more = ("tokenizer_2", "text_encoder_2")
        names = (*parts, *(name for name in more if name in target.parts("cloud")))
        pipe: Any = target.open(*names)
        grid = Grid.of(pipe.scheduler, steps)
        return cls(target=target, pipe=pipe, grid=grid, guidance=guidance, method=method)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one latent."""
        config = self.pipe.unet.config
        return config.in_channels, config.sample_size, config.sample_size

    def predictor(
        self, conditioning: Conditioning, guidance: float | None = None
    ) -> NoisePredictor:
        """The noise predictor under some conditioning; by default guided as the client's is."""
        return NoisePredictor(
            pipe=self.pipe,
            conditioning=conditioning,
            guidance=self.guidance if guidance is None else guidance,
            grid=self.grid,
        )

    def pictures(self, latents: Latent) -> Pictures:
        """Decoded latents, shape (n, height, width, 3)."""
        import torch

        from ..targets import sampling

        parts = torch.from_numpy(latents).float().split(ROWS)
        images = torch.cat([sampling.decode(self.pipe, part).cpu() for part in parts])
        return images.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).numpy()

    def prior(self, games: int) -> Pictures:
        """What an attack shows that found nothing to read: the mean public picture, every time."""
        return np.repeat(_mean_picture(self.target)[None], games, axis=0)


@lru_cache(maxsize=2)
def _mean_picture(target: Target) -> Pictures:
    mean = public_pictures(target).mean(axis=0, dtype=np.float64)
    return np.asarray(mean.round(), dtype=np.uint8)


@lru_cache(maxsize=2)
def public_pictures(target: Target) -> Pictures:
    """Pictures of the kind that is drawn, at the target's size, shape (n, height, width, 3).

    Single persons of the embedded set, spread evenly over it, at most `PUBLIC`; they are public,
    and the adversary knows that such pictures are asked for.
    """
    import torch
    from torch.nn import functional

    from ..targets.emoji import Emoji

    emoji = Emoji.open()
    chosen = np.flatnonzero(emoji.person & emoji.member)
    chosen = chosen[:: -(-len(chosen) // PUBLIC)]
    images = torch.from_numpy(emoji.take(chosen)).permute(0, 3, 1, 2).float()
    side = _side(target)
    if images.shape[-1] != side:
        images = functional.interpolate(images, (side, side), mode="bilinear")
    return images.round().permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy()


@lru_cache(maxsize=2)
def public_latents(target: Target) -> Latent:
    """Latents of `public_pictures`, shape (n, channels, height, width)."""
    import torch

    from ..targets import sampling

    vae: Any = target.open("vae")
    images = torch.from_numpy(public_pictures(target)).permute(0, 3, 1, 2)
    parts = [sampling.encode(vae, part.float() / 255).cpu() for part in images.split(ROWS)]
    return torch.cat(parts).double().numpy()


def prime(target: Target) -> None:
    """Open the model's parts, and make pictures that everybody may know."""
    Model.of(target, steps=1, guidance=1.0, method="ddim")
    _mean_picture(target)


def _side(target: Target) -> int:
    """Height and width of the target's pictures [pixels]."""
    pipe: Any = target.open("unet", "vae")
    return int(pipe.unet.config.sample_size * pipe.vae_scale_factor)
