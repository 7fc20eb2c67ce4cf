"""Recover picture and prompt from update terms in the clear: they are the noise predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.sampler import Grid, NoisePredictor, Solver
from ..defenses.he_diffusion.selection import Latent, Mask
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .he_views import ROWS, Model, steps_of
from .plms import single_predictions

Floats = npt.NDArray[np.float64]

POOR = 0.5
"""Root mean square misfit of noise predictions above which a fit is not believed."""


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


@dataclass(frozen=True, kw_only=True)
class NoisePrediction:
    """A server that only adds update terms a_t gets the U-Net's output, and with it the picture.

    a_t is the noise prediction times a public number, and z_t an affine function of the one
    unknown, the initial latent x (see `Trace`). What the observed e_t leave open is
    x = s e_0 + sqrt(abar) x0, with x0 the model's first guess of the picture and
    s = sqrt(1 - abar); that guess depends on x and the prompt alone. So, for a prompt c, the
    iteration

        x <- x + damping s (e_0 - eps(x, c))

    has the true x as its fixed point if c is the prompt, and the rest of the trajectory tells
    whether it is: at later steps the U-Net predicts what was observed, or it does not.

    1. Scan: for every candidate, a few rounds of the iteration at an early step, and the misfit
       at a later one. Minus the misfit is the candidate's score.
    2. Fit: for the best candidate, the iteration at the first step until it rests.
    3. The public recursion from x to the final latent; decode.

    Where terms are encrypted, or the best fit explains nothing (the prompt is none of the
    candidates), it abstains: equal scores and the prior picture.

    Queries: (scan + 1) calls a candidate, 2 rounds calls a game; two U-Net rows each.

    Attributes:
        scan: Rounds spent on each candidate.
        rounds: Rounds spent on the best.
        damping: Share of each correction that is made; at 1 strong guidance makes it oscillate.
    """

    plays: ClassVar[frozenset[Question]] = frozenset(
        {Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}
    )
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({"update"})
    scan: int = 3
    rounds: int = 16
    damping: float = 0.5

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score the candidates of every game, and draw its picture."""
        if aux.candidates is None:
            raise ValueError("NoisePrediction needs the fact candidates")
        model = Model.open(aux, views)
        scores, pictures = empty_scores(aux.candidates), model.prior(len(views))
        traces = {game: trace_of(views, game, model.grid) for game in range(len(views))}
        games = [game for game, trace in traces.items() if trace is not None]
        fitted: list[int] = []
        if games:
            trace = _joined([traces[game] for game in games])
            scores[games] = self.scores(model, trace, [aux.candidates[game] for game in games])
            best = np.nanargmax(scores[games], axis=1)
            prompts = [aux.candidates[game][int(i)] for game, i in zip(games, best, strict=True)]
            final, misfits = self.fit(model, trace, prompts)
            good = misfits < POOR
            fitted = [game for game, fits in zip(games, good, strict=True) if fits]
            if fitted:
                pictures[fitted] = model.pictures(final[good])
        notes = {"games with terms in the clear": len(games), "games fitted": len(fitted)}
        return Guesses(scores=scores, images=pictures, notes=notes)

    def scores(self, model: Model, trace: Trace, candidates: Sequence[Sequence[str]]) -> Scores:
        """Minus the misfit of each candidate, as `empty_scores` lays them out."""
        scores = empty_scores(candidates)
        pairs = np.argwhere(~np.isnan(scores))
        for first in range(0, len(pairs), ROWS):
            games, columns = pairs[first : first + ROWS].T
            prompts = [
                candidates[int(game)][int(column)]
                for game, column in zip(games, columns, strict=True)
            ]
            predict, part = _predictor(model, prompts), trace[games.tolist()]
            start = self._guess(predict, part, model)
            scores[games, columns] = -_misfit(predict, part, model, start)
        return scores

    def fit(self, model: Model, trace: Trace, prompts: Sequence[str]) -> tuple[Latent, Floats]:
        """Final latents if these were the prompts, and what is left unexplained, shape (n,)."""
        latents, misfits = [], []
        for first in range(0, len(prompts), ROWS):
            rows = list(range(first, min(first + ROWS, len(prompts))))
            part = trace[rows]
            predict = _predictor(model, [prompts[row] for row in rows])
            start = self._rest(predict, part, model)
            latents.append(part.latent(model.grid, start, len(model.grid)))
            misfits.append(_misfit(predict, part, model, start))
        return np.concatenate(latents), np.concatenate(misfits)

    def _guess(self, predict: NoisePredictor, trace: Trace, model: Model) -> Latent:
        """The initial latent, from the noise observed at one early step."""
        grid, step = model.grid, len(model.grid) // 3
        noise = single_predictions(trace.terms, grid, model.method)[step]
        share = np.sqrt(1 - grid.before[step])
        start = trace.start(grid, share * noise, step)
        for _ in range(self.scan):
            latent = trace.latent(grid, start, step)
            correction = share * (noise - predict(latent, step))
            start = trace.start(grid, latent + self.damping * correction, step)
        return start

    def _rest(self, predict: NoisePredictor, trace: Trace, model: Model) -> Latent:
        """The initial latent at which the iteration at the first step comes to rest."""
        grid, start = model.grid, self._guess(predict, trace, model)
        gain = self.damping * np.sqrt(1 - grid.before[0]) / grid.term(np.ones(()), 0)
        for _ in range(self.rounds):
            term = Solver(predict, grid, model.method).term(start, 0)
            start = trace.start(grid, start + gain * (trace.terms[0] - term), 0)
        return start


def _misfit(predict: NoisePredictor, trace: Trace, model: Model, start: Latent) -> Floats:
    """Root mean square difference of predicted and observed noise at a late step."""
    step = 2 * len(model.grid) // 3
    observed = single_predictions(trace.terms, model.grid, model.method)[step]
    predicted = predict(trace.latent(model.grid, start, step), step)
    return np.asarray(np.sqrt(np.square(predicted - observed).mean(axis=(1, 2, 3))))


def _predictor(model: Model, prompts: Sequence[str]) -> NoisePredictor:
    from ..targets import sampling

    return model.predictor(sampling.encode_prompts(model.pipe, prompts))


def _joined(traces: Sequence[Trace | None]) -> Trace:
    found = [trace for trace in traces if trace is not None]
    return Trace(
        terms=np.concatenate([trace.terms for trace in found], axis=1),
        known=np.concatenate([trace.known for trace in found]),
        values=np.concatenate([trace.values for trace in found]),
    )
