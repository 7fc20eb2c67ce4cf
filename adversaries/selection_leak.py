"""Guess the picture from which entries are encrypted, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.selection import Mask, min_distortion
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import Model, Pictures, public_latents, public_pictures, steps_of

Floats = npt.NDArray[np.float64]

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Ridge penalties that are tried, in units of the mean squared norm of a feature vector."""

PIXELS = 512
"""About how many pixel values the penalty is chosen on."""


@dataclass(frozen=True, kw_only=True)
class SelectionLeak:
    """A selection that follows the latent publishes, in its indices, where the latent is large.

    Before the last step the latent is the picture's but for a little noise. The adversary encodes
    public pictures (`he_views.public_pictures`), noises them to that level, selects entries as
    the protocol does, and learns a ridge regression from encrypted (1) or not (0) to pixels, its
    penalty chosen on a held-out quarter. It reads the index set of the last step only.

    It knows the protocol, its threshold, the model's autoencoder and noise schedule, and what kind
    of pictures is drawn; it reads neither plaintext entries nor update terms. Where everything is
    encrypted, or the set is drawn by lot, the set says nothing, and the answer is the prior
    picture. No U-Net calls.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset({"denoise", "update"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        model = Model.open(aux, views)
        pictures = model.prior(len(views))
        games, encrypted = _selections(views)
        if games:
            threshold = float(views.view(games[0]).public["threshold"])
            shadow = _shadow_selections(model, threshold, rng)
            pictures[games] = regress(shadow, public_pictures(model.target), encrypted)
        notes = {"games with a selection that follows the latent": len(games)}
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures, notes=notes)


def _selections(views: Views) -> tuple[list[int], Mask]:
    """Games whose last index set depends on the latent, and what it encrypts, shape (n, d)."""
    found = {}
    for game in range(len(views)):
        steps = steps_of(views, game)
        chosen = views.view(game).public.get("encrypt_fraction", 1.0) is None
        if steps and chosen and steps[-1].visible[0].any():
            found[game] = ~steps[-1].visible[0].ravel()
    return list(found), np.array(list(found.values()), dtype=np.bool_)


def _shadow_selections(model: Model, threshold: float, rng: np.random.Generator) -> Mask:
    """What would be encrypted of the public pictures' latents before the last step."""
    latents, share = public_latents(model.target), model.grid.before[-1]
    noise = rng.standard_normal(latents.shape)
    noisy = np.sqrt(share) * latents + np.sqrt(1 - share) * noise
    masks = [min_distortion(latent[None], threshold) for latent in noisy]
    return np.concatenate(masks).reshape(len(latents), -1)


def regress(features: Mask, pictures: Pictures, queries: Mask) -> Pictures:
    """Ridge regression of pixels on binary features.

    Args:
        features: Of known pictures, shape (n, d).
        pictures: Those, shape (n, height, width, 3).
        queries: Features of others, shape (m, d).

    Returns:
        Their most likely pictures, shape (m, height, width, 3).
    """
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    inputs, asked = features.astype(np.float64), queries.astype(np.float64)
    held, sample = np.arange(len(flat)) % 4 == 0, flat[:, :: -(-flat.shape[1] // PIXELS)]
    errors = [
        np.square(_ridge(inputs[~held], sample[~held], inputs[held], penalty) - sample[held]).mean()
        for penalty in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(errors))]
    pixels = _ridge(inputs, flat, asked, best).clip(0, 255).round().astype(np.uint8)
    return np.asarray(pixels.reshape(-1, *pictures.shape[1:]))


def _ridge(inputs: Floats, outputs: Floats, asked: Floats, penalty: float) -> Floats:
    """Predictions at `asked`, by the kernel form."""
    center, mean = inputs.mean(axis=0), outputs.mean(axis=0)
    own = inputs - center
    kernel = own @ own.T
    unit = float(np.trace(kernel)) / len(own) or 1.0
    weights = np.linalg.solve(kernel + penalty * unit * np.eye(len(own)), own @ (asked - center).T)
    return np.asarray(mean + weights.T @ (outputs - mean))
