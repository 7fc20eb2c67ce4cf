"""Read the latent that the U-Net's server is handed, and finish the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..defenses.he_diffusion.sampler import Solver
from ..defenses.he_diffusion.selection import Latent
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import ROWS, Model, condition_of, steps_of

if TYPE_CHECKING:
    from ..targets.sampling import Conditioning


@dataclass(frozen=True, kw_only=True)
class LatentReading:
    """The server runs the U-Net on plaintext latents, so it can run the sampler as well.

    The server replays its own steps on the latents that it was handed, applies the update of the
    last one to the whole latent instead of its plaintext part, goes on alone if steps are left
    (a server that goes away early), and decodes. No key is touched: this is why encrypting a
    latent that is sent in the clear beside it protects nothing.

    Where no latent crosses in the clear as a whole there is nothing to read, and the answer is the
    prior picture (`he_views.Model.prior`). Partly visible latents are for `fill_in`.

    Queries: two U-Net rows a game and step.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset({"condition", "denoise"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        model = Model.open(aux, views)
        pictures = model.prior(len(views))
        groups: dict[int, list[int]] = defaultdict(list)
        for game in range(len(views)):
            groups[len(_latents(views, game))].append(game)
        for seen, games in groups.items():
            for start in range(0, len(games) if seen else 0, ROWS):
                part = games[start : start + ROWS]
                pictures[part] = model.pictures(_finished(model, views, part))
        notes = {"games read": len(views) - len(groups.get(0, ()))}
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures, notes=notes)


def _latents(views: Views, game: int) -> list[Latent]:
    """The first image's latent before each step, where it and the conditioning were sent."""
    if condition_of(views, [game]) is None:
        return []
    asked = (step.asked for step in steps_of(views, game))
    return [
        np.asarray(tensors["latent"][0], np.float64) for tensors in asked if "latent" in tensors
    ]


def _finished(model: Model, views: Views, games: Sequence[int]) -> Latent:
    """Final latents of games that were handed equally many, shape (games, ...)."""
    conditioning = condition_of(views, games)
    assert conditioning is not None
    seen = np.stack([_latents(views, game) for game in games], axis=1)
    return finish(model, conditioning, seen)


def finish(model: Model, conditioning: Conditioning, seen: Latent) -> Latent:
    """The sampler's last latents, given its first ones.

    Args:
        model: The model.
        conditioning: For n images.
        seen: Latents before the first steps, shape (steps seen, n, channels, height, width).
    """
    solver = Solver(model.predictor(conditioning), model.grid, model.method)
    latent = seen[0]
    for step in range(len(model.grid)):
        latent = seen[step] if step < len(seen) else latent
        latent = model.grid.factor(step) * latent + solver.term(latent, step)
    return np.asarray(latent)
