"""Executions that an attacker on PPIDM makes itself: the public model on prompts of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..defenses.seeds import stream, torch_stream
from ..targets import sampling
from ..targets.pipeline import Target
from .he_views import ROWS
from .share_model import ShareModel, Tap, ends


@dataclass(frozen=True, kw_only=True, eq=False)
class Executions:
    """n executions in the clear.

    Attributes:
        inputs: By name of a layer and step, shape (n, branches, ...), float16.
        latents: Before each step, shape (n, channels, height, width).
        final: What a client ends with, same shape.
    """

    inputs: Mapping[tuple[str, int], Tensor]
    latents: tuple[Tensor, ...]
    final: Tensor

    def __len__(self) -> int:
        return len(self.final)


def executions(model: ShareModel, prompts: Sequence[str], count: int) -> Executions:
    """Executions on prompts taken in turn; a process makes them once for all presets.

    Args:
        model: The public side.
        prompts: What clients may ask for.
        count: n.
    """
    names = sorted(set(prompts))
    order = stream(0, "own prompts").permutation(len(names))
    asked = tuple(names[order[i % len(names)]] for i in range(count))
    return _executions(model.target, asked, model.steps, model.guidance)


@lru_cache(maxsize=2)
def _executions(
    target: Target, prompts: tuple[str, ...], steps: int, guidance: float
) -> Executions:
    model = ShareModel.of(target, preset="all_linear", steps=steps, guidance=guidance)
    noise = sampling.initial_noise(model.pipe, len(prompts), torch_stream(0, "own noise"))
    parts = [
        _run(model, prompts[start : start + ROWS], noise[start : start + ROWS])
        for start in range(0, len(prompts), ROWS)
    ]
    return Executions(
        inputs={key: torch.cat([part.inputs[key] for part in parts]) for key in parts[0].inputs},
        latents=tuple(
            torch.cat(rows) for rows in zip(*(part.latents for part in parts), strict=True)
        ),
        final=torch.cat([part.final for part in parts]),
    )


def _run(model: ShareModel, prompts: Sequence[str], noise: Tensor) -> Executions:
    names = {model.numbers[name]: name for name in ends(model.pipe.unet)}
    kept: dict[tuple[str, int], Tensor] = {}
    tap = Tap(wanted=frozenset(names))
    latents = [noise]

    def keep(step: int, after: Tensor) -> None:
        latents.append(after)
        for number, name in names.items():
            kept[name, step] = model.in_games(tap.inputs[number]).half()

    done = sampling.denoise(
        model.tapped(tap),
        noise,
        sampling.encode_prompts(model.pipe, prompts),
        steps=model.steps,
        guidance=model.guidance,
        callback=keep,
    )
    return Executions(inputs=kept, latents=tuple(latents[:-1]), final=done.latents)
