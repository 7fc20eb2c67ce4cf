"""Layer inputs of many games at once, in the model's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..defenses.seeds import stream
from ..defenses.views import Views
from ..targets import sampling
from ..targets.captions import caption
from ..targets.emoji import Emoji
from ..targets.pipeline import Target
from ..targets.sampling import Conditioning
from .he_views import PUBLIC, ROWS, public_pictures
from .share_model import ShareModel, Tap
from .share_views import Floats, Opened, open_layer

SIZES = 8
"""Examples from which the size of a layer's input is learned."""


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
        size = examples(model, SIZES).size(model, number, step)
        games = [game.in_units_of(size) for game in games]
    return Inputs(
        values=np.stack([game.values for game in games]),
        known=np.stack([game.mask for game in games]),
        variance=np.array([game.variance for game in games]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """The attacker's own images on their way through the sampler.

    Attributes:
        clean: Latents of public pictures, shape (n, channels, height, width).
        noise: One a picture, the same at every step; same shape.
        conditioning: Of their captions.
    """

    clean: Tensor
    noise: Tensor
    conditioning: Conditioning
    _sizes: dict[tuple[Any, ...], dict[int, float]]

    def __len__(self) -> int:
        return len(self.clean)

    def latents(self, model: ShareModel, step: int) -> Tensor:
        """What the sampler has before a step."""
        alpha, share = model.scales(step)
        return alpha * self.clean + share * self.noise

    def inputs(
        self, model: ShareModel, numbers: Sequence[int], step: int
    ) -> tuple[dict[int, Tensor], Tensor]:
        """Inputs of layers at a step, and the clean latents that the client infers there.

        Returns:
            Shape (n, branches, ...) by number; shape (n, channels, height, width).
        """
        parts: dict[int, list[Tensor]] = {number: [] for number in numbers}
        clean, latents = [], self.latents(model, step)
        for start in range(0, len(self), ROWS):
            rows = slice(start, start + ROWS)
            tap = Tap(wanted=frozenset(numbers))
            clean.append(model.run(latents[rows], self.conditioning[rows], step, tap)[1])
            for number in numbers:
                parts[number].append(model.in_games(tap.inputs[number]))
        return {number: torch.cat(part) for number, part in parts.items()}, torch.cat(clean)

    def size(self, model: ShareModel, number: int, step: int) -> float:
        """Root mean square of a layer's input."""
        key = (model.preset, model.steps, model.guidance, step)
        if number not in self._sizes.setdefault(key, {}):
            every = tuple({*model.ends, *model.text, number})
            found = self.inputs(model, every, step)[0]
            self._sizes[key] |= {n: float(x.square().mean().sqrt()) for n, x in found.items()}
        return self._sizes[key][number]


def examples(model: ShareModel, count: int) -> Examples:
    """Examples that a process makes once; those of fewer are not the first of more."""
    return _examples(model.target, count)


@lru_cache(maxsize=4)
def _examples(target: Target, count: int) -> Examples:
    pipe: Any = target.open("unet", "vae", "tokenizer", "text_encoder", *_more(target))
    pictures, captions = public_pictures(target), public_captions()
    chosen = stream(0, "examples", count).permutation(len(pictures))[:count]
    images = torch.from_numpy(pictures[chosen]).permute(0, 3, 1, 2).float() / 255
    clean = torch.cat([sampling.encode(pipe, part).cpu() for part in images.split(ROWS)])
    noise = stream(0, "example noise", count).standard_normal(clean.shape, dtype=np.float32)
    return Examples(
        clean=clean,
        noise=torch.from_numpy(noise),
        conditioning=sampling.encode_prompts(pipe, [captions[i] for i in chosen]),
        _sizes={},
    )


def _more(target: Target) -> tuple[str, ...]:
    return tuple(n for n in ("tokenizer_2", "text_encoder_2") if n in target.parts("cloud"))


def public_captions() -> tuple[str, ...]:
    """What `he_views.public_pictures` show, in the same order."""
    emoji = Emoji.open()
    chosen = np.flatnonzero(emoji.person & emoji.member)
    chosen = chosen[:: -(-len(chosen) // PUBLIC)]
    return tuple(caption(emoji.label[i], emoji.style[i]) for i in chosen)
