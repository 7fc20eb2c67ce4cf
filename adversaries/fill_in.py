"""Fill in the encrypted entries of a latent from those in the clear."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.selection import Latent, Mask
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import Model, public_latents, steps_of
from .repaint import repaint
from .ridge import Ridge, fit
from .selection_leak import shadow_selections

if TYPE_CHECKING:
    from ..targets.pipeline import Target

Floats = npt.NDArray[np.float64]

METHODS = ("zero", "lmmse", "ridge", "repaint")


@dataclass(frozen=True, kw_only=True)
class FillIn:
    """The server's last answer holds the finished latent where it is not encrypted: exact entries.

    The others are filled in

    - `zero`: with zeros, which is what looking at the plaintext rest amounts to;
    - `lmmse`: with their best linear estimate (`linear_mmse`), mean and covariance being those of
      latents of public pictures;
    - `ridge`: with a ridge regression on the plaintext entries and on which these are, learned
      from latents of public pictures selected alike: what a selection that follows the latent says
      beyond the entries' values. With a set drawn by lot it is `lmmse`;
    - `repaint`: with the model as prior (`repaint.repaint`), unconditionally, averaged over
      `draws`.

    Where all is encrypted there is nothing to fill in from, and the answer is the prior picture.

    Attributes:
        method: One of the above.
        draws: Samples of `repaint` that are averaged; one sample has up to twice the error.
        steps: Steps of `repaint`.
        resample: Visits of `repaint` to each step.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset({"denoise", "update"})
    method: str = "lmmse"
    draws: int = 4
    steps: int = 10
    resample: int = 2

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} must be one of {', '.join(METHODS)}")
        for name in ("draws", "steps", "resample"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        model = Model.open(aux, views)
        pictures = model.prior(len(views))
        games, rest, visible = plaintext_rest(views)
        if len(games):
            public = views.view(games[0]).public
            follows = public.get("encrypt_fraction", 1.0) is None
            threshold = float(public["threshold"]) if follows else None
            filled = self.fill(model, rest, visible, rng, threshold)
            pictures[games] = model.pictures(filled)
        notes = {
            "games with entries in the clear": len(games),
            "share in the clear": float(visible.mean()) if len(games) else 0.0,
        }
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures, notes=notes)

    def fill(
        self,
        model: Model,
        rest: Latent,
        visible: Mask,
        rng: np.random.Generator,
        threshold: float | None = None,
    ) -> Latent:
        """Complete latents.

        Args:
            model: The model.
            rest: Latents whose visible entries are right, shape (n, channels, height, width).
            visible: Which those are, same shape.
            rng: For `repaint`.
            threshold: Of the selection that chose them; None if they were drawn by lot.
        """
        if self.method == "zero":
            return np.where(visible, rest, 0.0)
        if self.method == "ridge" and threshold is not None:
            return _by_selection(model, rest, visible, threshold)
        if self.method in ("lmmse", "ridge"):
            mean, covariance = _public_moments(model.target)
            rows = [
                linear_mmse(latent.ravel(), mask.ravel(), mean, covariance)
                for latent, mask in zip(rest, visible, strict=True)
            ]
            return np.stack(rows).reshape(rest.shape)
        draws = [
            repaint(model, rest, visible, rng, steps=self.steps, resample=self.resample)
            for _ in range(self.draws)
        ]
        return np.asarray(np.mean(draws, axis=0))


def _by_selection(model: Model, rest: Latent, visible: Mask, threshold: float) -> Latent:
    completion = _completion(model.target, float(model.grid.before[-1]), threshold)
    seen, values = visible.reshape(len(rest), -1), rest.reshape(len(rest), -1)
    queries = np.concatenate([~seen, np.where(seen, values, 0.0)], axis=1)
    return np.where(seen, values, completion(queries)).reshape(rest.shape)


@lru_cache(maxsize=16)
def _completion(target: Target, share: float, threshold: float) -> Ridge:
    """From which entries are encrypted, and the others' values, to all values."""
    public = public_latents(target)
    latents = public.reshape(len(public), -1)
    encrypted = shadow_selections(target, share, threshold)
    return fit(np.concatenate([encrypted, np.where(encrypted, 0.0, latents)], axis=1), latents)


@lru_cache(maxsize=2)
def _public_moments(target: Target) -> tuple[Floats, Floats]:
    latents = public_latents(target)
    return moments(latents.reshape(len(latents), -1))


def plaintext_rest(views: Views) -> tuple[list[int], Latent, Mask]:
    """The first image's finished latent as far as it is in the clear.

    Returns:
        Games where anything is; latents, shape (games, channels, height, width); and which
        entries of these are right.
    """
    last = {game: steps[-1] for game in range(len(views)) if (steps := steps_of(views, game))}
    games = [game for game, step in last.items() if step.visible[0].any()]
    if not games:
        return [], np.zeros((0, 1, 1, 1)), np.zeros((0, 1, 1, 1), dtype=np.bool_)
    rest = np.stack([last[game].updated[0] for game in games])
    return games, rest, np.stack([last[game].visible[0] for game in games])


def linear_mmse(observed: Floats, mask: Mask, mean: Floats, covariance: Floats) -> Floats:
    """E[x | x_o] if x is Gaussian, the best linear estimate if it is not.

    x_m = mean_m + S_mo S_oo^-1 (x_o - mean_o); its mean squared error over the missing entries is
    trace(S_mm - S_mo S_oo^-1 S_om) / |m| if the mask does not depend on x.

    Args:
        observed: Shape (..., d); missing entries are not looked at.
        mask: Which entries are observed, shape (d,).
        mean: Shape (d,).
        covariance: Shape (d, d), positive definite on the observed entries.

    Returns:
        Observed entries as they are, the others estimated; shape (..., d).
    """
    gain = np.linalg.solve(covariance[np.ix_(mask, mask)], covariance[np.ix_(mask, ~mask)])
    filled = np.array(observed, dtype=np.float64)
    filled[..., ~mask] = mean[~mask] + (observed[..., mask] - mean[mask]) @ gain
    return filled


def moments(samples: Floats) -> tuple[Floats, Floats]:
    """Mean and shrunk covariance of samples of shape (n, d).

    References:
        Ledoit, Wolf, A well-conditioned estimator for large-dimensional covariance matrices
        (2004).
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(samples)
    return samples.mean(axis=0), np.asarray(covariance)
