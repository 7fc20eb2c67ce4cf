"""Find the initial noise whose execution would have sent what was seen; the model is the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..defenses.views import Views
from ..targets import sampling
from ..targets.sampling import Conditioning
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import ROWS
from .linear_reading import Dual
from .own_executions import Executions, executions
from .own_order import in_own_order
from .own_views import Opened, informative
from .prompt_fit import prompt_scores
from .share_inputs import Inputs, at_step, seen_steps
from .share_latent import latents, read_ends
from .share_model import ShareModel, Tap
from .share_views import LAYERS

SLACK = 1e-3
"""Variance in units of an input's mean square that exact inputs are given."""

PASSES = 2 * ROWS
"""U-Net passes of one descent, games times steps, whose activations are in memory together."""

FITTED = 1e-3
"""Misfit in units of an input's mean square at which an execution is taken for the client's."""


@dataclass(frozen=True, kw_only=True)
class ModelInversion:
    """An execution is a function of the initial latent x, which is normal, and of the prompt c.

    1. c by `TextReading` where its encoding crosses, else by `PromptFit`.
    2. A first x: least squares from layers linear in it where inputs are exact (`share_latent`),
       else the linear estimate of `LinearReading`.
    3. With f(x, c) the inputs of layers at the steps that were seen, y what was opened of them and
       v its variance, descend |f(x, c) - y|^2 / v + |x|^2 by Adam through the sampler, unless
       f(x, c) is y already.
    4. Run the sampler from x to its end, exact inputs in place of its own where they were seen.

    Each step that was seen adds to what is known of x: in mode `real` masks are averaged away over
    layers and steps, and what is left unknown is filled in by the model. Where nothing was opened
    it shows the prior picture.

    Queries: one execution a game, and one with its gradient for each round.

    Attributes:
        rounds: Of descent.
        rate: Length of a round's step in an entry of x.
        examples: Own executions for the linear estimate.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS
    rounds: int = 3
    rate: float = 0.1
    examples: int = 48

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise ValueError(f"rounds={self.rounds} must be >= 0")
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate={self.rate:g} must be > 0 and <= 1")
        if self.examples < 2:
            raise ValueError(f"examples={self.examples} must be >= 2")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("ModelInversion needs the fact candidates")
        model = ShareModel.open(aux, views)
        opened = read_ends(model, views)
        seen = informative({step: at_step(opened, step) for step in seen_steps(opened)})
        pictures = model.nothing(len(views))
        if seen:
            best = np.nanargmax(prompt_scores(model, views, aux.candidates), axis=1)
            asked = [texts[int(i)] for texts, i in zip(aux.candidates, best, strict=True)]
            start = self._start(model, seen, [t for row in aux.candidates for t in row])
            rows = min(ROWS, max(1, PASSES // (max(seen) + 1)))
            for first in range(0, len(views), rows):
                part = slice(first, first + rows)
                problem = Problem.of(model, seen, asked[part], part)
                x = problem.descended(start[part], self.rounds, self.rate)
                pictures[part] = model.pictures(problem.finished(x))
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures)

    def _start(self, model: ShareModel, seen: Opened, prompts: Sequence[str]) -> Tensor:
        first = min(seen)
        shape = (len(next(iter(seen[first].values())).values), *model.shown.shape)
        exact = all(not x.variance.any() for x in seen[first].values())
        if first == 0 and exact:
            return latents(model, seen[0], torch.zeros(shape, dtype=torch.float64), 1.0)[0].float()
        own: Executions = executions(model, prompts, self.examples)
        found = Dual.of(model, own, seen)(own.latents[0].double().numpy())
        return torch.from_numpy(found).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """What n executions must explain.

    Attributes:
        model: The public side.
        conditioning: Of the prompts, n.
        values: Opened inputs by step and request group, as rows of a U-Net pass.
        weights: 1 / v on known entries, 0 elsewhere.
        exact: Whether values may stand in for the network's own.
    """

    model: ShareModel
    conditioning: Conditioning
    values: Mapping[int, Mapping[int, Tensor]]
    weights: Mapping[int, Mapping[int, Tensor]]
    exact: bool

    @classmethod
    def of(cls, model: ShareModel, seen: Opened, prompts: Sequence[str], part: slice) -> Problem:
        """The games of `part`."""
        values: dict[int, dict[int, Tensor]] = {}
        weights: dict[int, dict[int, Tensor]] = {}
        for step, layers in seen.items():
            for number, inputs in layers.items():
                own, weight = _weighed(model, inputs, part)
                values.setdefault(step, {})[number] = own
                weights.setdefault(step, {})[number] = weight
        return cls(
            model=model,
            conditioning=model.encoded(prompts),
            values=values,
            weights=weights,
            exact=not any(x.variance.any() for layers in seen.values() for x in layers.values()),
        )

    def descended(self, start: Tensor, rounds: int, rate: float) -> Tensor:
        """Adam on the objective, from `start`."""
        last = max(self.values) + 1
        with torch.no_grad():
            if not rounds or bool((self._run(start, last)[2] < FITTED).all()):
                return start
        x = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=rate, betas=(0.8, 0.99))
        for _ in range(rounds):
            optimizer.zero_grad()
            loss = self._run(x, last)[1].sum() + x.square().sum()
            loss.backward()
            optimizer.step()
        return x.detach()

    @torch.no_grad()
    def finished(self, x: Tensor) -> Tensor:
        """What the sampler ends with, shape as `x`."""
        return self._run(x, self.model.steps, forced=self.exact)[0]

    def _run(self, x: Tensor, steps: int, *, forced: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Latents after some steps; weighted and relative misfits, shape (n,)."""
        model, latent = self.model, x
        solver = sampling.new_solver(model.pipe, model.steps)
        total = torch.zeros(2, len(x))
        for step in range(steps):
            seen, weights = self.values.get(step, {}), self.weights.get(step, {})
            held = {n: (value, weights[n] > 0) for n, value in seen.items()} if forced else {}
            tap = Tap(wanted=frozenset(seen), forced=held)
            time = solver.timesteps[step]
            output = sampling.predict(
                model.tapped(tap), latent, time, self.conditioning, model.guidance
            )
            latent = solver.step(output, time, latent, return_dict=False)[0]
            for number, value in seen.items():
                total = total + self._misfits(tap.inputs[number], value, weights[number])
        return latent, total[0], total[1] / sum(len(layers) for layers in self.values.values())

    def _misfits(self, own: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Of one input: weighted, and in units of its size; shape (2, n)."""
        error, known = (own - value).square(), (weight > 0).float()
        sums = [
            self.model.in_games(x).flatten(1).sum(dim=1)
            for x in (weight * error, known * error, known * value.square())
        ]
        return torch.stack([sums[0], sums[1] / (sums[2] + 1e-30)])


def _weighed(model: ShareModel, inputs: Inputs, part: slice) -> tuple[Tensor, Tensor]:
    values, known = inputs.values[part], inputs.known[part]
    square = np.square(values).reshape(len(values), -1).mean(axis=1)
    variance = inputs.variance[part] + SLACK * square + 1e-30
    weight = known / variance.reshape(-1, *[1] * (values.ndim - 1))
    rows = [model.in_rows(torch.from_numpy(x.astype(np.float32))) for x in (values, weight)]
    return rows[0], rows[1]
