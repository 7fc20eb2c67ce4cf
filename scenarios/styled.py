"""Pictures drawn with released vectors as tokens: what is published, and what the report shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..adversaries.subtraction import reconstruct
from ..defenses.codec import Array
from ..defenses.dp_adaptation.postprocess import rescale
from ..defenses.seeds import derive
from ..targets.pipeline import Target
from .contract import Setting
from .games import slug
from .pictures import GAP, ROWS
from .releases import PlayedReleases, Publish, ReleaseArm

PICTURES = 1
"""Pictures published a game."""

STEPS = 8
BATCH = 16
PROMPT = "{} style"


def painter(arm: ReleaseArm, setting: Setting) -> Publish:
    """Draws the pictures of every game with the released vector as a token.

    The client of such a model publishes pictures only; the vector, brought to the length of an
    ordinary token, stays with the curator.
    """
    target = setting.target("chosen")

    def publish(releases: Array) -> Array:
        vectors = np.repeat(releases, PICTURES, axis=0)
        seed = derive(setting.seed, "pictures", arm.name)
        drawn = draw(target, vectors, seed, setting, label=f"{slug(arm)}: pictures")
        return drawn.reshape(len(releases), PICTURES, *drawn.shape[1:])

    return publish


def draw(
    target: Target, vectors: Array, seed: int, setting: Setting, *, label: str = "pictures"
) -> Array:
    """One picture a vector, uint8 of shape (n, height, width, 3)."""
    import torch

    from ..defenses.dp_adaptation.token import assign_rows, median_token_norm, with_rows
    from ..targets import sampling

    pipe = target.open()
    rows = torch.from_numpy(rescale(vectors, norm=median_token_norm(pipe))).float()
    names = [f"<own-{row}>" for row in range(BATCH)]
    adapted = with_rows(pipe, names, rows[:1].expand(BATCH, -1))
    parts = []
    for number, part in enumerate(rows.split(BATCH)):
        assign_rows(adapted, part)
        prompts = [PROMPT.format(name) for name in names[: len(part)]]
        images = sampling.generate(adapted, prompts, seed=derive(seed, number), steps=STEPS)
        parts.append((images.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy())
        setting.progress(label, min(len(rows), (number + 1) * BATCH), len(rows))
    return np.concatenate(parts)


def reconstructions(played: PlayedReleases, setting: Setting) -> tuple[str, ...]:
    """Save private images beside what their own vector draws, and what the reconstruction draws.

    Returns:
        Name of the file and its caption.
    """
    from PIL import Image

    shown = list(dict.fromkeys(int(world) for world in played.truth))[:ROWS]
    games = [int(np.flatnonzero(played.truth == world)[0]) for world in shown]
    seen = np.concatenate([np.asarray(chunk) for chunk in played.views.column(0, "vector")])
    found = reconstruct(seen[games], played.held.others, played.views.view(0).public)
    own = played.held.target["candidates"][shown]
    target = setting.target("chosen")
    seed = derive(setting.seed, "reconstructions")
    drawn = [draw(target, vectors, seed, setting) for vectors in (own, found)]
    images = played.held.target["images"][shown]
    sheet = _sheet([images, *drawn])
    setting.artifacts.mkdir(parents=True, exist_ok=True)
    name = f"{slug(played.arm)}.png"
    Image.fromarray(sheet).save(setting.artifacts / name)
    return (
        name,
        "One private image a column: the image; what its own vector draws; what the vector draws "
        "that is left of the release when all other records are taken out of it.",
    )


def _sheet(rows: Sequence[Array]) -> Array:
    """Rows of pictures below each other, all brought to the size of the first row's."""
    from PIL import Image

    size = rows[0].shape[2], rows[0].shape[1]
    rows = [
        np.stack([np.asarray(Image.fromarray(each).resize(size)) for each in row]) for row in rows
    ]
    pads = ((0, 0), (0, GAP), (0, GAP), (0, 0))
    padded = [np.pad(row, pads, constant_values=255) for row in rows]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in padded])
