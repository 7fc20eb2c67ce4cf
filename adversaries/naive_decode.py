"""Add up the shares that a coalition has, take the sum for the layer's input, and go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import Pictures
from .own_order import in_own_order
from .share_inputs import at_step, seen_steps
from .share_latent import read_ends, run_on
from .share_model import ShareModel
from .share_views import LAYERS


@dataclass(frozen=True, kw_only=True)
class NaiveDecode:
    """The sum of shares as if it were the input: exact for all servers, noise or gaps for fewer.

    1. The latent z before the last step that was seen, by least squares from layers linear in it
       (`share_latent`).
    2. The U-Net on z and an empty prompt, the inputs of layers that were opened in place of its
       own. With those of `share_model.ends` nothing of either is left in the output.
    3. Decode the clean latent that output and z mean. At the sampler's last step, which leaves no
       noise, that is the client's.

    What is missing is taken to be 0, and what is noisy to be true. Works in every mode; where
    no message was kept it shows the prior picture.

    Queries: two U-Net rows a game.

    Attributes:
        step: Which of the steps that were seen is read, counted from the end: -1 is the last.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = LAYERS
    step: int = -1

    def __post_init__(self) -> None:
        if self.step >= 0:
            raise ValueError(f"step={self.step} must be < 0: -1 is the last")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        model = ShareModel.open(aux, views)
        return Guesses(scores=np.zeros((len(views), 0)), images=self.drawn(model, views))

    def drawn(self, model: ShareModel, views: Views) -> Pictures:
        """Pictures of n games."""
        opened = read_ends(model, views)
        steps = seen_steps(opened)
        if len(steps) < -self.step:
            return model.nothing(len(views))
        step = steps[self.step]
        return model.pictures(run_on(model, at_step(opened, step), step))
