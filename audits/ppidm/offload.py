"""How much of the work leaves? Multiply-accumulates of a Stable-Diffusion-1-shaped U-Net, exact."""

from __future__ import annotations

from functools import lru_cache

from ...defenses.ppidm.macs import Macs, count_macs

ROUNDING = 0.005
"""A claim of whole percents holds from half a percent below."""


@lru_cache(maxsize=4)
def stable_diffusion_macs(preset: str) -> Macs:
    """Counted on the shapes of Stable Diffusion 1, 64 x 64, without weights.

    Args:
        preset: Which layers leave.
    """
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    return count_macs(unet, preset)


def reaches(share: float, claimed: float) -> bool:
    """Whether a share is the claimed one or more, to whole percents."""
    return share >= claimed - ROUNDING
