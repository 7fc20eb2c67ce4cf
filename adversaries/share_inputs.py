"""Layer inputs of many games at once, in the model's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..defenses.seeds import stream, torch_stream
from ..defenses.views import Views
from ..targets import sampling
from ..targets.captions import caption
from ..targets.emoji import Emoji
from ..targets.pipeline import Target
from .share_model import ShareModel, Tap
from .share_views import Floats, Opened, open_layer

SIZES = 8
"""Executions from which the size of a layer's input is learned."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """Inputs of one layer at one step.

    Attributes:
        values: Shape (games, branches, ...); 0 where unknown.
        known: Which entries are known, same shape.
        variance: Of the noise on known entries, shape (games,); infinite where they say nothing.
    """

    values: Floats
    known: npt.NDArray[np.bool_]
    variance: Floats

    def __getitem__(self, games: slice) -> Inputs:
        """The inputs of some games."""
        return Inputs(
            values=self.values[games], known=self.known[games], variance=self.variance[games]
        )

    @property
    def informative(self) -> npt.NDArray[np.bool_]:
        """Games in which the values depend on the input, shape (games,)."""
        return np.isfinite(self.variance) & self.known.reshape(len(self.known), -1).any(axis=1)


def read(model: ShareModel, views: Views, number: int, session: int = 0) -> dict[int, Inputs]:
    """What a coalition knows of one layer's inputs, for the steps that all games have.

    Args:
        model: The public side.
        views: Of one coalition; n games.
        number: Of the request group.
        session: Which execution of each game.

    Returns:
        Inputs by step.
    """
    kind, shape = f"layer-{number:03d}", model.shape(number)
    games = [open_layer(views, game, kind, shape, session) for game in range(len(views))]
    steps = sorted(set.intersection(*(set(game) for game in games)))
    return {step: _stack(model, [game[step] for game in games], number, step) for step in steps}


def seen_steps(opened: Mapping[int, Mapping[int, Inputs]]) -> list[int]:
    """Steps at which anything was opened, in order."""
    return sorted({step for steps in opened.values() for step in steps})


def at_step(opened: Mapping[int, Mapping[int, Inputs]], step: int) -> dict[int, Inputs]:
    """Inputs at one step, by request group."""
    return {number: steps[step] for number, steps in opened.items() if step in steps}


def _stack(model: ShareModel, games: Sequence[Opened], number: int, step: int) -> Inputs:
    if any(game.whole for game in games):
        size = sizes(model.target, model.preset, model.steps, model.guidance)[number, step]
        games = [game.in_units_of(size) for game in games]
    return Inputs(
        values=np.stack([game.values for game in games]),
        known=np.stack([game.mask for game in games]),
        variance=np.array([game.variance for game in games]),
    )


@lru_cache(maxsize=8)
def sizes(
    target: Target, preset: str, steps: int, guidance: float
) -> Mapping[tuple[int, int], float]:
    """Root mean square of inputs in a few executions of the attacker's own.

    Returns:
        By request group and step.
    """
    model = ShareModel.of(target, preset=preset, steps=steps, guidance=guidance)
    tap, found = Tap(wanted=frozenset(model.numbers.values())), dict[tuple[int, int], float]()

    def measure(step: int, latents: Tensor) -> None:
        for number, x in tap.inputs.items():
            found[number, step] = float(x.double().square().mean().sqrt())

    sampling.denoise(
        model.tapped(tap),
        sampling.initial_noise(model.pipe, SIZES, torch_stream(0, "sizes")),
        sampling.encode_prompts(model.pipe, public_captions()[:SIZES]),
        steps=steps,
        guidance=guidance,
        callback=measure,
    )
    return found


def public_captions() -> tuple[str, ...]:
    """Captions of single persons in the embedded set, in random order."""
    emoji = Emoji.open()
    chosen = stream(0, "captions").permutation(np.flatnonzero(emoji.person & emoji.member))
    return tuple(caption(str(emoji.label[i]), str(emoji.style[i])) for i in chosen)
