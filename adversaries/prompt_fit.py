"""Name the prompt that explains what the U-Net does differently with it than without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..defenses.seeds import torch_stream
from ..defenses.views import Views
from ..targets import sampling
from ..targets.pipeline import Target
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .he_views import ROWS
from .own_order import in_own_order
from .own_views import informative
from .share_inputs import Inputs, at_step, seen_steps
from .share_latent import latents, read_ends
from .share_model import ShareModel, Tap
from .share_views import LAYERS, Floats
from .text_reading import text_scores

EXACT = 1e-12
"""Relative misfit below which candidates count as equally good."""


@dataclass(frozen=True, kw_only=True)
class PromptFit:
    """Guidance sends each input twice, without and with the prompt: the difference is its mark.

    At the first step the latent is noise and a layer's difference d depends on the prompt c more
    than on the latent.

    1. For all candidates, at random latents that all games share: mean difference m_c, and its
       mean squared deviation s over latents. The score is - |d - m_c|^2 / 2 (s + 2 v), v the
       variance of the masks that are missing.
    2. Where inputs are exact, so is the latent (`share_latent`): the likeliest candidates are run
       on it, and their misfits decide.

    Needs no input that holds text. Where nothing was opened, all candidates score alike.

    Queries: `points` U-Net rows a candidate, `likeliest` a game.

    Attributes:
        points: Latents of the first estimate.
        likeliest: Candidates of the second.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS
    points: int = 2
    likeliest: int = 8

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ValueError(f"points={self.points} must be >= 2, or no deviation can be told")
        if self.likeliest < 0:
            raise ValueError(f"likeliest={self.likeliest} must be >= 0")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("PromptFit needs the fact candidates")
        model = ShareModel.open(aux, views)
        return Guesses(scores=self.scores(model, views, aux.candidates))

    def scores(
        self,
        model: ShareModel,
        views: Views,
        candidates: Sequence[tuple[str, ...]],
        session: int = 0,
    ) -> Scores:
        """Scores of each game's candidates by one of its executions."""
        opened = read_ends(model, views, session)
        step, scores = min(seen_steps(opened), default=0), empty_scores(candidates)
        seen = informative({step: at_step(opened, step)}).get(step, {})
        if seen:
            self._score(model, seen, step, candidates, scores)
        return scores

    def _score(
        self,
        model: ShareModel,
        seen: Mapping[int, Inputs],
        step: int,
        candidates: Sequence[tuple[str, ...]],
        scores: Scores,
    ) -> None:
        for game, texts in enumerate(candidates):
            marks = _marks(model.target, model.preset, model.steps, step, texts, self.points)
            for number, inputs in seen.items():
                scores[game, : len(texts)] += _likelihoods(inputs, game, *marks[number])
        if self.likeliest and all(not inputs.variance.any() for inputs in seen.values()):
            shape = (len(candidates), *model.shown.shape)
            z, _ = latents(model, seen, torch.zeros(shape, dtype=torch.float64), 1.0)
            for game, texts in enumerate(candidates):
                best = np.argsort(-scores[game, : len(texts)])[: self.likeliest]
                found = _misfits(model, z[game].float(), [texts[i] for i in best], step, seen, game)
                scores[game, best] = np.nanmax(scores[game]) - np.log(found + EXACT)


def prompt_scores(
    model: ShareModel, views: Views, candidates: Sequence[tuple[str, ...]], session: int = 0
) -> Scores:
    """Scores of candidates by their encoding where it crosses, else by their mark."""
    scores = text_scores(model, views, candidates, session)
    if np.nansum(np.abs(scores)):
        return scores
    return PromptFit().scores(model, views, candidates, session)


def _likelihoods(inputs: Inputs, game: int, means: Floats, deviation: float) -> Scores:
    """Log-likelihoods of the candidates, up to a constant, given one layer's input."""
    values, known = inputs.values[game], inputs.known[game, -1]
    mark = values[-1] - values[0] if len(values) > 1 else values[-1]
    distances = np.square(mark[known] - means[:, known]).sum(axis=1)
    return np.asarray(-distances / (2 * (deviation + 2 * inputs.variance[game])))


@lru_cache(maxsize=8)
def _marks(
    target: Target, preset: str, steps: int, step: int, texts: tuple[str, ...], points: int
) -> Mapping[int, tuple[Floats, float]]:
    """Mean differences that prompts make to inputs, and their mean squared deviation.

    Returns:
        By request group, shape (prompts, ...), and a number.
    """
    model = ShareModel.of(target, preset=preset, steps=steps, guidance=2.0)
    noise = sampling.initial_noise(model.pipe, points, torch_stream(0, "marks"))
    alpha, share = model.scales(step)
    noise = noise * float(np.hypot(alpha, share))
    each = [_differences(model, z, texts, step) for z in noise]
    found = {}
    for number in each[0]:
        rows = torch.stack([point[number] for point in each]).double()
        deviation = float(rows.var(dim=0).mean())
        found[number] = rows.mean(dim=0).numpy(), deviation + 1e-12
    return found


def _differences(
    model: ShareModel, z: Tensor, texts: Sequence[str], step: int
) -> dict[int, Tensor]:
    """Inputs with each prompt less those without, on one latent."""
    rows = prompted(model, z, ["", *texts], step)
    return {number: x[1:] - x[:1] for number, x in rows.items()}


def prompted(model: ShareModel, z: Tensor, texts: Sequence[str], step: int) -> dict[int, Tensor]:
    """Inputs of the layers at the network's ends, on one latent and several prompts."""
    parts: dict[int, list[Tensor]] = {number: [] for number in model.ends}
    time = model.solver.timesteps[step]
    for start in range(0, len(texts), ROWS):
        some = texts[start : start + ROWS]
        tap = Tap(wanted=frozenset(model.ends))
        rows = z[None].expand(len(some), -1, -1, -1)
        sampling.predict(model.tapped(tap), rows, time, model.encoded(some), 1.0)
        for number, x in tap.inputs.items():
            parts[number].append(x)
    return {number: torch.cat(part) for number, part in parts.items()}


def _misfits(
    model: ShareModel,
    z: Tensor,
    texts: Sequence[str],
    step: int,
    seen: Mapping[int, Inputs],
    game: int,
) -> Floats:
    """Squared distance of what each prompt gives from what was seen, relative; shape (prompts,)."""
    rows, total, scale = prompted(model, z, texts, step), np.zeros(len(texts)), 0.0
    for number, inputs in seen.items():
        known, values = inputs.known[game, -1], inputs.values[game, -1]
        given = rows[number].double().numpy()[:, known]
        total += np.square(given - values[known]).sum(axis=1)
        scale += float(np.square(values[known]).sum())
    return total / max(scale, 1e-30)
