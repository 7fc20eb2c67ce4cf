"""What the server obtained, for the report: pictures beside the originals, curves as a table."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..adversaries.contract import Scores
from .contract import Trials
from .drawn import BLIND, IMAGE, Said
from .likeness import Pictures

ROWS = 4
"""Games shown."""

GAP = 4
"""White pixels between pictures."""

SIDE = 64
"""Smallest side of a shown picture [pixels]."""


def side_by_side(
    path: Path, originals: Pictures, prompts: Sequence[str], heard: Mapping[str, Said]
) -> tuple[str, str] | None:
    """Write the first games' originals, each beside what every adversary made of it.

    Returns:
        The file's name and its caption; None if no adversary drew anything.
    """
    from PIL import Image

    drawn = {name: said.own.images for name, said in heard.items() if said.own.images is not None}
    if not drawn:
        return None
    columns = [originals, *(images for images in drawn.values())]
    cells = [np.concatenate([framed(image) for image in c[:ROWS]]) for c in columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(cells, axis=1)).save(path)
    shown = "; ".join(prompts[:ROWS])
    return path.name, (
        "One game a row: what the client got, then what the server made of its view by "
        f"{', '.join(drawn)}. Prompts: {shown}."
    )


def framed(image: Pictures) -> Pictures:
    """A picture enlarged to at least `SIDE` pixels, with a white gap to the next one."""
    scale = -(-SIDE // image.shape[0])
    large = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return np.pad(large, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def similarity(trials: Trials, name: str) -> float:
    """`1 - MSE / MSE_prior` over all games: 0 for whoever saw nothing, 1 for a perfect copy."""
    return 1 - _error(trials, trials.scores[f"{IMAGE}/{name}"]) / _error(
        trials, trials.scores[f"{IMAGE}/{BLIND}"]
    )


def _error(trials: Trials, scores: Scores) -> float:
    return float(-scores[np.arange(len(trials.truth)), trials.truth].mean())


def curve(path: Path, arms: Sequence[tuple[float, Trials]]) -> tuple[str, str]:
    """Write similarity against tau and encrypted share, with floor and ceiling, as CSV.

    Args:
        path: File to write.
        arms: Threshold tau, and the games played with it.

    Returns:
        The file's name and its caption.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("tau", "encrypted", "adversary", "similarity", "floor", "ceiling", "games"))
    for tau, trials in arms:
        names = [k.removeprefix(f"{IMAGE}/") for k in trials.scores if k.startswith(f"{IMAGE}/")]
        share = float(trials.facts["encrypted"])
        for name in (n for n in names if n != BLIND):
            value = similarity(trials, name)
            writer.writerow(
                (f"{tau:g}", f"{share:.4f}", name, f"{value:.4f}", 0, 1, len(trials.truth))
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text.getvalue(), encoding="utf-8")
    os.replace(partial, path)
    return path.name, (
        "Similarity 1 - MSE / MSE_prior of the guessed picture, in pixels, against the share of "
        "the latent that is encrypted: 0 is an attacker who saw nothing, 1 the undefended pipeline."
    )
