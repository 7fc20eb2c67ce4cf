"""Pictures for the report: what the client got beside what the server could see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..defenses.codec import decode
from ..defenses.protocol import Output
from ..defenses.transcript import View
from ..targets.pipeline import Target

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 4
"""Games shown."""

GAP = 6
"""White pixels between pictures."""


class Gallery:
    """Collects the first games' latents and decodes them in one batch."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self._strips: list[list[Tensor]] = []
        self._captions: list[str] = []

    def add(self, real: str, output: Output, view: View) -> None:
        """Keep one game: the client's latent, then every latent of the server's last reply."""
        if len(self._strips) == ROWS:
            return
        seen = [
            decode(m.payload)["latents"].float()
            for m in view.messages
            if m.kind == "generate" and m.sender in view.coalition
        ]
        strip = [output.latents, *(seen[-1].split(1) if seen else ())]
        self._strips.append(strip)
        self._captions.append(real)

    def save(self, name: str) -> tuple[str, ...]:
        """Write the strips below each other; return the file's name and its caption."""
        from PIL import Image

        if not self._strips:
            return ()
        rows = [_strip(self._target, latents) for latents in self._strips]
        width = max(row.shape[1] for row in rows)
        padded = [
            np.pad(row, ((0, GAP), (0, width - row.shape[1]), (0, 0)), constant_values=255)
            for row in rows
        ]
        self._folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(padded)).save(self._folder / f"{name}.png")
        shown = "; ".join(self._captions)
        return (
            f"{name}.png",
            "One game a row: what the client got, then every latent that the server held, decoded. "
            f"Real prompts: {shown}.",
        )


def _strip(target: Target, latents: Sequence[Tensor]) -> npt.NDArray[np.uint8]:
    import torch

    from ..targets import sampling

    images = sampling.decode(target.open("vae"), torch.cat(list(latents)))
    pixels = (images.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()
    framed = np.pad(pixels, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=255)
    first = np.pad(framed[0], ((0, 0), (0, 3 * GAP), (0, 0)), constant_values=255)
    return np.concatenate([first, *framed[1:]], axis=1)
