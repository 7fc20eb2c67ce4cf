"""Recover picture and prompt from update terms in the clear: they are the noise predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.selection import Latent
from ..defenses.seeds import stream
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .he_views import ROWS, Model, public_latents
from .plms import single_predictions
from .trace import Fit, Trace, predictor, traces_of

if TYPE_CHECKING:
    from ..targets.pipeline import Target

Floats = npt.NDArray[np.float64]

POOR = 0.5
"""Root mean square misfit of noise predictions above which a fit is not believed."""

UNTRIED = 1e6
"""Misfit of candidates that were not tried; finite misfits are far below."""


@dataclass(frozen=True, kw_only=True)
class NoisePrediction:
    """A server that only adds update terms a_t gets the U-Net's output, and with it the picture.

    a_t is the noise prediction times a public number, and z_t an affine function of the one
    unknown, the initial latent x (see `trace`). What the observed e_t leave open is
    x = s e_0 + sqrt(abar) x0, with s = sqrt(1 - abar) and x0 the model's first guess of the
    picture. It depends on x and on the prompt c alone, so that

        r_t(x) = s_t (e_t - eps(z_t, c)) / F_t = 0

    at every step for the true x and c. At high noise eps is close to z / s and x + r_t(x) close to
    the solution. One step alone may have several solutions, several steps together have one.

    1. Rank all candidates by how likely a final latent it is that one correction gives, from points
       that all games share (`surprise`): no U-Net calls for single games.
    2. In this order, solve three steps together (`trace.Fit`), and see whether the U-Net predicts
       what was observed at a fourth, late one. The first candidate that does is believed.
    3. The public recursion from x to the final latent; decode.

    A candidate's score is minus its misfit if it was tried, and behind those in order of rank if
    not. Where terms are encrypted, or no candidate explains them (the prompt is none of these), it
    abstains: equal scores, or the prior picture.

    Queries: `points` calls a prompt; per game at most 4 `rounds` calls for each candidate tried. A
    call is two U-Net rows.

    Attributes:
        points: Shared points of the ranking.
        likeliest: Candidates that are tried at most.
        rounds: Evaluations of the residual for each.
    """

    plays: ClassVar[frozenset[Question]] = frozenset(
        {Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}
    )
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({"update"})
    points: int = 3
    likeliest: int = 4
    rounds: int = 12

    def __post_init__(self) -> None:
        for name in ("points", "likeliest", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score the candidates of every game, and draw its picture."""
        if aux.candidates is None:
            raise ValueError("NoisePrediction needs the fact candidates")
        model = Model.open(aux, views)
        scores, pictures = empty_scores(aux.candidates), model.prior(len(views))
        games, trace = traces_of(views, model.grid)
        fitted: list[int] = []
        if trace is not None:
            candidates = [aux.candidates[game] for game in games]
            unlikely = surprise(model, trace, candidates, points=self.points)
            own, final = self.fit(model, trace, candidates, unlikely)
            scores[games, : own.shape[1]] = own
            good = np.flatnonzero(np.nanmax(own, axis=1) > -POOR)
            fitted = [games[row] for row in good]
            if fitted:
                pictures[fitted] = model.pictures(final[good])
        notes = {"games with terms in the clear": len(games), "games fitted": len(fitted)}
        return Guesses(scores=scores, images=pictures, notes=notes)

    def fit(
        self,
        model: Model,
        trace: Trace,
        candidates: Sequence[Sequence[str]],
        unlikely: Scores,
    ) -> tuple[Scores, Latent]:
        """Scores of candidates, and the final latents of the last that was tried in each game.

        Args:
            model: The model.
            trace: Of n games.
            candidates: Of these.
            unlikely: Their `surprise`.
        """
        order = np.argsort(unlikely, axis=1)  # NaN last
        scores = np.where(np.isnan(unlikely), np.nan, -UNTRIED - np.argsort(order, axis=1))
        final, left = np.zeros(trace.values.shape), np.arange(len(candidates))
        for place in range(min(self.likeliest, *map(len, candidates))):
            for first in range(0, len(left), ROWS):
                rows = left[first : first + ROWS]
                columns = order[rows, place]
                prompts = [candidates[int(r)][int(c)] for r, c in zip(rows, columns, strict=True)]
                fit = Fit.of(model, trace[rows.tolist()], prompts)
                start = fit.improved(fit.first(), self.rounds)
                scores[rows, columns] = -np.minimum(fit.misfits(start), UNTRIED)
                final[rows] = fit.trace.latent(model.grid, start, len(model.grid))
            left = left[np.nanmax(scores[left], axis=1) <= -POOR]
        return scores, final


def surprise(
    model: Model,
    trace: Trace,
    candidates: Sequence[Sequence[str]],
    *,
    points: int,
) -> Scores:
    """How unlikely a final latent each candidate gives after one correction of a random point.

    At high noise the U-Net's guess of the picture depends on the prompt more than on the latent, so
    that it can be made once for all games. The wrong prompt gives a latent far off.

    Returns:
        Squared distances to the mean of public latents, in their standard deviations, laid out as
        `empty_scores`; NaN where there is no candidate.
    """
    step = 0 if model.method == "ddim" or len(model.grid) < 2 else 1
    names = tuple(sorted({text for row in candidates for text in row}))
    known = (model.target, len(model.grid), model.guidance, model.method)
    guesses = dict(zip(names, _clean(*known, names, step, points), strict=True))
    latents = public_latents(model.target)
    mean, variance = latents.mean(axis=0), latents.var(axis=0) + 1e-6
    noises = single_predictions(trace.terms, model.grid, model.method)[step]
    share, scores = np.sqrt(1 - model.grid.before[step]), empty_scores(candidates)
    for game, texts in enumerate(candidates):
        own = trace[[game] * len(texts)]
        clean = np.stack([guesses[text] for text in texts])
        start = own.start(model.grid, share * noises[game] + clean, step)
        final = own.latent(model.grid, start, len(model.grid))
        scores[game, : len(texts)] = (np.square(final - mean) / variance).sum(axis=(1, 2, 3))
    return scores


@lru_cache(maxsize=16)
def _clean(
    target: Target,
    steps: int,
    guidance: float,
    method: str,
    prompts: tuple[str, ...],
    step: int,
    points: int,
) -> Latent:
    """Mean over random points z of z - s eps(z, prompt), for each prompt."""
    model = Model.of(target, steps=steps, guidance=guidance, method=method)
    drawn = stream(0, "noise prediction").standard_normal((points, *model.shape))
    share, parts = np.sqrt(1 - model.grid.before[step]), []
    for first in range(0, len(prompts), ROWS):
        part = prompts[first : first + ROWS]
        predict = predictor(model, part)
        noises = [predict(np.repeat(z[None], len(part), axis=0), step) for z in drawn]
        parts.append(drawn.mean(axis=0) - share * np.mean(noises, axis=0))
    return np.concatenate(parts)


def unprompted(model: Model, trace: Trace, points: int = 3) -> Latent:
    """The final latents of a trace if the first guess of its picture were that of no prompt.

    Args:
        model: The model.
        trace: Of n games.
        points: Random latents over which that guess is averaged.

    Returns:
        Shape (n, channels, height, width).
    """
    clean = _clean(model.target, len(model.grid), model.guidance, model.method, ("",), 0, points)
    noises = single_predictions(trace.terms, model.grid, model.method)[0]
    share = np.sqrt(1 - model.grid.before[0])
    start = trace.start(model.grid, share * noises + clean, 0)
    return trace.latent(model.grid, start, len(model.grid))
