"""What the attacks that score one sample at a time have in common."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from ...defenses.views import Views
from ..contract import Auxiliary, Guesses, Knowledge, Question
from .challenge import KIND, opened, samples_of
from .model import Denoiser, Samples, scores


class Scorer:
    """Plays membership games with `part`, which a technique provides."""

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_IN_TRAINING})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset({KIND})

    def samples(self, views: Views, pipe: DiffusionPipeline) -> Samples:
        """What is scored."""
        return samples_of(views, pipe)

    def part(self, model: Denoiser, samples: Samples, noise: torch.Generator) -> Tensor:
        """Scores of one batch, shape `(n,)`; higher means member."""
        raise NotImplementedError

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score the sample of every game."""
        pipe = opened(aux.weights)
        samples, seed = self.samples(views, pipe), int(rng.integers(2**31))
        found = scores(self, Denoiser.of(pipe), samples, seed=seed)
        return Guesses(scores=found[:, None])
