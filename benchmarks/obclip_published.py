"""The published costs of ObCLIP beside the count of this implementation, one line each.

    python benchmarks/obclip_published.py [--within 0.02]

Server's multiply-accumulates, to one plain generation of the same model: the paper's from its
Tables 2, 3, 4 and 7, this implementation's counted by shape on the same U-Net without weights.
`reached`: the same within a share of `--within`; `beaten`, `missed`: below, above.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from latentleak.defenses.obclip.acceleration import PRESETS, Acceleration
from latentleak.defenses.obclip.cost import server_cost
from latentleak.defenses.obclip.protocol import ObClip

PLAIN = {"SD 1.x": 18.53, "SDXL": 159.35}
"""Of one plain generation of 25 steps, as printed [TMAC]."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One printed cost.

    Attributes:
        where: Table of the paper.
        model: Key of `PLAIN`.
        rows: N.
        k: Switch point, which names the preset.
        knobs: `none`, `recall` (the preset without batch reuse) or `all`.
        tmac: As printed, for all N rows.
    """

    where: str
    model: str
    rows: int
    k: int
    knobs: str
    tmac: float

    @property
    def ratio(self) -> float:
        """To one plain generation."""
        return self.tmac / PLAIN[self.model]


def table() -> tuple[Published, ...]:
    """What the paper prints; where it prints a cost a row, times the rows."""
    sd = (
        ("2", 2, 10, "none", 14.82),
        ("2", 2, 10, "recall", 12.26),
        ("2", 2, 10, "all", 11.48),
        ("2", 2, 5, "all", 5.74),
        ("2", 6, 10, "none", 44.46),
        ("2", 6, 10, "recall", 36.76),
        ("2", 6, 10, "all", 33.28),
        ("7", 6, 10, "all", 32.72),
        ("2", 6, 5, "all", 16.64),
        ("7", 4, 10, "all", 21.86),
        ("7", 4, 5, "all", 11.13),
        ("3", 1, 10, "recall", 5.84),
        ("3", 1, 5, "recall", 3.06),
    )
    xl = (
        ("4", 1, 10, "none", 63.74),
        ("4", 1, 10, "recall", 45.11),
        ("4", 1, 5, "recall", 24.41),
        ("7", 4, 10, "all", 165.34),
        ("7", 6, 10, "all", 246.55),
        ("7", 4, 5, "all", 86.32),
        ("7", 6, 5, "all", 128.38),
    )
    return tuple(
        Published(where=where, model=model, rows=rows, k=k, knobs=knobs, tmac=tmac)
        for model, lines in (("SD 1.x", sd), ("SDXL", xl))
        for where, rows, k, knobs, tmac in lines
    )


def unets() -> dict[str, Any]:
    """U-Nets of these shapes, without weights."""
    with torch.device("meta"):
        return {
            "SD 1.x": UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
            "SDXL": UNet2DConditionModel(
                sample_size=128,
                block_out_channels=(320, 640, 1280),
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=(1, 2, 10),
                attention_head_dim=(5, 10, 20),
                cross_attention_dim=2048,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=256,
                projection_class_embeddings_input_dim=2816,
            ),
        }


def acceleration(line: Published, preset: str = "paper") -> Acceleration:
    """What a line of the paper switches on."""
    if line.knobs == "none":
        return Acceleration()
    knobs = ObClip(**PRESETS[f"{preset}-k{line.k}"]).acceleration
    return replace(knobs, reuse_until=0) if line.knobs == "recall" else knobs


def verdict(ours: float, theirs: float, within: float) -> str:
    """Against what is printed."""
    if abs(ours - theirs) <= within * theirs:
        return "reached"
    return "beaten" if ours < theirs else "missed"


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--within", type=float, default=0.02, help="share that counts as the same")
    options = parser.parse_args()
    networks = unets()
    print("| table | model | N | k | accelerations | paper | here | | lean preset |")
    print("|---|---|---|---|---|---|---|---|---|")
    for line in table():
        costs = [
            server_cost(networks[line.model], acceleration(line, preset), rows=line.rows, k=line.k)
            for preset in ("paper", "lean")
        ]
        ours, lean = (cost.to_plain for cost in costs)
        shown = f"{lean:.2f}" if line.knobs == "all" else ""
        print(
            f"| {line.where} | {line.model} | {line.rows} | {line.k} | {line.knobs} "
            f"| {line.ratio:.3f} | {ours:.3f} | {verdict(ours, line.ratio, options.within)} "
            f"| {shown} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
