"""Where an initial latent goes under observed update terms, and which one they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.sampler import Grid, NoisePredictor, Solver
from ..defenses.he_diffusion.selection import Latent, Mask
from ..defenses.views import Views
from .anderson import find_zeros
from .he_views import Model, steps_of
from .plms import single_predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What messages say about the first image's latents in n executions.

    The sampler is affine: z_t = F_t x + A_t with x the initial latent, F_t a product of public
    factors and A_t a sum of observed terms. A plaintext entry of any z_t therefore gives the same
    entry of x exactly.

    Attributes:
        terms: a of each step, shape (steps, n, channels, height, width).
        known: Entries of x that were in the clear at some step, shape (n, ...).
        values: x there, zero elsewhere.
    """

    terms: Latent
    known: Mask
    values: Latent

    def __getitem__(self, games: Sequence[int]) -> Trace:
        """The trace of some executions, each as often as it is named."""
        return Trace(terms=self.terms[:, games], known=self.known[games], values=self.values[games])

    def latent(self, grid: Grid, start: Latent, step: int) -> Latent:
        """The latent before `step`, from the initial one; `len(grid)` gives the final latent."""
        factor, shift = _affine(self.terms, grid, step)
        return factor * start + shift

    def start(self, grid: Grid, latent: Latent, step: int) -> Latent:
        """The initial latent of one before `step`, its known entries put right."""
        factor, shift = _affine(self.terms, grid, step)
        return np.where(self.known, self.values, (latent - shift) / factor)


def _affine(terms: Latent, grid: Grid, step: int) -> tuple[float, Latent]:
    """F and A with z = F x + A before `step`."""
    factor, shift = 1.0, np.zeros(terms.shape[1:])
    for number in range(step):
        f = grid.factor(number)
        factor, shift = f * factor, f * shift + terms[number]
    return factor, shift


def trace_of(views: Views, game: int, grid: Grid) -> Trace | None:
    """The trace of one game; None unless every step's term is in the clear as a whole."""
    steps = steps_of(views, game)
    bare = [s for s in steps if "term" in s.asked and "term_cipher_0" not in s.asked]
    if len(bare) != len(grid):
        return None
    terms = np.stack([np.asarray(step.asked["term"][:1], np.float64) for step in bare])
    known, values = np.zeros(terms[0].shape, np.bool_), np.zeros(terms[0].shape)
    for number, step in enumerate(bare):
        factor, shift = _affine(terms, grid, number)
        visible = step.visible[:1]
        values = np.where(visible, (step.rest[:1] - shift) / factor, values)
        known |= visible
    return Trace(terms=terms, known=known, values=values)


def traces_of(views: Views, grid: Grid) -> tuple[list[int], Trace | None]:
    """The games whose terms are in the clear, and their traces in one."""
    traces = {game: trace_of(views, game, grid) for game in range(len(views))}
    found = {game: trace for game, trace in traces.items() if trace is not None}
    if not found:
        return [], None
    return list(found), Trace(
        terms=np.concatenate([trace.terms for trace in found.values()], axis=1),
        known=np.concatenate([trace.known for trace in found.values()]),
        values=np.concatenate([trace.values for trace in found.values()]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Which initial latents explain a trace if the prompts are known.

    Attributes:
        model: The model.
        trace: Of n executions.
        predict: Under the n prompts.
        noises: Noise predictions of each step, shape (steps, n, channels, height, width).
    """

    model: Model
    trace: Trace
    predict: NoisePredictor
    noises: Latent

    @classmethod
    def of(cls, model: Model, trace: Trace, prompts: Sequence[str]) -> Fit:
        """The fit of executions under their prompts."""
        return cls(
            model=model,
            trace=trace,
            predict=predictor(model, prompts),
            noises=single_predictions(trace.terms, model.grid, model.method),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the initial latents."""
        return self.trace.values.shape

    def residual(self, start: Latent, step: int) -> Latent:
        """About what is missing from `start` to explain the noise observed at one step.

        At step 0 it is the sampler's own combination of predictions that is compared, exactly.
        """
        grid = self.model.grid
        factor = np.sqrt(grid.before[step] / grid.before[0])
        if step == 0:
            term = Solver(self.predict, grid, self.model.method).term(start, 0)
            missing = (self.trace.terms[0] - term) / grid.term(np.ones(()), 0)
        else:
            predicted = self.predict(self.trace.latent(grid, start, step), step)
            missing = self.noises[step] - predicted
        share = np.sqrt(1 - grid.before[step])
        return np.where(self.trace.known, 0.0, share / factor * missing)

    def first(self) -> Latent:
        """Initial latents from one correction of zero at the first step."""
        zero = self.trace.start(self.model.grid, np.zeros(self.shape), 0)
        return zero + self.residual(zero, 0)

    def improved(self, start: Latent, rounds: int) -> Latent:
        """Initial latents that explain up to three steps together."""
        steps = _telling(len(self.model.grid), self.model.method)

        def residual(latent: Latent) -> Latent:
            parts = [self.residual(latent, step) for step in steps]
            return np.asarray(np.mean(parts, axis=0))

        return find_zeros(residual, start, rounds=rounds)

    def misfits(self, start: Latent) -> Floats:
        """Root mean square of predicted minus observed noise at a late step, shape (n,)."""
        step = 2 * len(self.model.grid) // 3
        predicted = self.predict(self.trace.latent(self.model.grid, start, step), step)
        squares = np.square(predicted - self.noises[step])
        return np.asarray(np.sqrt(squares.mean(axis=(1, 2, 3))))


def _telling(steps: int, method: str) -> list[int]:
    """Steps that are fitted: the noisiest, and two at which different things show.

    PLMS starts with a step whose undoing is approximate (`plms`), which the next one feels most.
    """
    return sorted({0, steps // 2} | ({steps // 4} if steps >= 8 or method == "ddim" else set()))


def predictor(model: Model, prompts: Sequence[str]) -> NoisePredictor:
    """The noise predictor under some prompts."""
    from ..targets import sampling

    return model.predictor(sampling.encode_prompts(model.pipe, prompts))
