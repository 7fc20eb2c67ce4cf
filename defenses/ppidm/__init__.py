"""PPIDM: the linear layers of a U-Net at several servers that do not collude.

Wang, Liu, Luo, Zhou, Qin, Cai, IEEE Transactions on Circuits and Systems for Video Technology
35(9):8849-8863, 2025, https://doi.org/10.1109/TCSVT.2025.3553514. Of the paper only the abstract
is public; `docs/ppidm.md` says what is inferred.
"""

from __future__ import annotations

from typing import Any


def offload_share(unet: Any, preset: str) -> float:
    """Share of a U-Net pass in the modules that a preset names, in multiply-accumulates.

    Attention's matrix products are part of the pass, and of the up blocks that `up_blocks` names;
    `macs.count_macs` also tells what servers compute of it.

    Args:
        unet: A diffusers `UNet2DConditionModel`, on any device.
        preset: `up_blocks`, `conv_and_self_attention` or `all_linear`.

    Raises:
        ValueError: If the preset is unknown.
    """
    from .macs import count_macs

    return count_macs(unet, preset).share
