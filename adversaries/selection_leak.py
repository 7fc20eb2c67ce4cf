"""Guess the picture from which entries are encrypted, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..defenses.he_diffusion.selection import Mask, min_distortion
from ..defenses.seeds import stream
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import Model, public_latents, public_pictures, steps_of
from .ridge import Ridge, fit

if TYPE_CHECKING:
    from ..targets.pipeline import Target


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
            pixels = _pixels(model.target, float(model.grid.before[-1]), threshold)(encrypted)
            pictures[games] = pixels.clip(0, 255).round().astype(np.uint8)
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


@lru_cache(maxsize=16)
def _pixels(target: Target, share: float, threshold: float) -> Ridge:
    return fit(shadow_selections(target, share, threshold), public_pictures(target))


@lru_cache(maxsize=16)
def shadow_selections(target: Target, share: float, threshold: float) -> Mask:
    """What would be encrypted of the public pictures' latents before the last step.

    Args:
        target: The model.
        share: Share of the picture in a latent's variance before that step: alpha-bar.
        threshold: Of the selection.

    Returns:
        Shape (pictures, entries).
    """
    latents, rng = public_latents(target), stream(0, "selection leak")
    noise = rng.standard_normal(latents.shape)
    noisy = np.sqrt(share) * latents + np.sqrt(1 - share) * noise
    masks = [min_distortion(latent[None], threshold) for latent in noisy]
    return np.concatenate(masks).reshape(len(latents), -1)
