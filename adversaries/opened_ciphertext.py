"""Get the client's key, and open the one ciphertext that was never handed back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.seal_format import SealFormatError
from ..defenses.views import Views
from .candidate_latent import candidates_of
from .ckks_key_recovery import KeyNotRecovered
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores
from .he_views import steps_of
from .key_theft import stolen_latent

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OpenedCiphertext:
    """Which of the candidates is in the last ciphertexts that the server computed?

    The key is read where the context holds it, and else solved for from decryptions that came
    back (`key_theft`). With the key the score is minus the largest distance to a candidate;
    without it all candidates score alike.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PLAINTEXT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET})
    reads: ClassVar[frozenset[str]] = frozenset({"context", "denoise", "update"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        rows = [_scores(views, game, own) for game, own in enumerate(candidates_of(aux))]
        return Guesses(scores=np.stack(rows))


def _scores(views: Views, game: int, candidates: Reals) -> Scores:
    try:
        opened = stolen_latent(views, game).ravel()
    except (KeyNotRecovered, SealFormatError):
        return np.zeros(len(candidates))
    encrypted = steps_of(views, game)[-1].asked["indices"]
    numbers = opened[encrypted][: candidates.shape[1]]
    return np.asarray(-np.abs(candidates[:, : len(numbers)] - numbers).max(axis=1))
