"""How close what a client got is to the standard run of the same prompt and noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..defenses.seeds import derive, torch_stream
from ..targets.pipeline import Target
from .contract import Setting
from .drawn import Drawn, seed_of
from .likeness import ROWS

if TYPE_CHECKING:
    from torch import Tensor


def psnr(played: Drawn, setting: Setting, *, cache: Path) -> list[float]:
    """Peak signal-to-noise ratio of each game's picture [dB], pixels from 0 to 1; may be infinite.

    Args:
        played: Games of one execution each.
        setting: Of the run.
        cache: Folder in which standard latents are kept: defences with equal games share them.
    """
    import torch

    from ..targets import sampling
    from ..targets.image_metrics import psnr as compare

    target = setting.target(played.arm.model)
    vae: Any = target.open("vae")
    own = torch.from_numpy(np.ascontiguousarray(played.latents[:, 0])).split(ROWS)
    other = latents(played, setting, cache=cache).split(ROWS)
    found = [
        compare(sampling.decode(vae, a), sampling.decode(vae, b))
        for a, b in zip(own, other, strict=True)
    ]
    return [float(value) for value in torch.cat(found).cpu()]


def latents(played: Drawn, setting: Setting, *, cache: Path) -> Tensor:
    """What the standard run ends with, shape (games, channels, height, width); as `psnr`."""
    import torch

    arm, config = played.arm, played.arm.defense
    target = setting.target(arm.model)
    key = (len(played.secrets), config.steps, config.guidance, derive(0, arm.pairs or arm.name))
    kept = cache / f"standard-{target.spec == 'tiny'}-{'-'.join(map(str, key))}.npy"
    if not kept.exists():
        made = torch.cat([_part(played, setting, target, at) for at in _parts(played)])
        with kept.open("wb") as file:
            np.save(file, made.cpu().numpy(), allow_pickle=False)
    return torch.from_numpy(np.load(kept, allow_pickle=False))


def _parts(played: Drawn) -> list[range]:
    games = len(played.secrets)
    return [range(start, min(start + ROWS, games)) for start in range(0, games, ROWS)]


def _part(played: Drawn, setting: Setting, target: Target, games: range) -> Tensor:
    import torch

    from ..targets import sampling

    pipe: Any = sampling.open_denoiser(target)
    seeds = [derive(seed_of(played.arm, setting, game), "client") for game in games]
    noise = [sampling.initial_noise(pipe, 1, torch_stream(seed, "noise")) for seed in seeds]
    secrets = [played.secrets[game] for game in games]
    prompts = [secret.candidates[secret.real] for secret in secrets]
    return sampling.denoise(
        pipe,
        torch.cat(noise),
        sampling.encode_prompts(pipe, prompts),
        steps=played.arm.defense.steps,
        guidance=played.arm.defense.guidance,
    ).latents
