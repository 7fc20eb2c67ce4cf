"""Name the candidate that explains what noise predictions did, where no encoding crosses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...defenses.views import Views
from ..contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from ..he_views import Model
from ..noise_prediction import surprise
from ..prompt_fit import PromptFit
from ..share_model import ShareModel
from ..share_views import LAYERS
from ..trace import traces_of
from .plausible import typical
from .seen import UPDATE


@dataclass(frozen=True, kw_only=True)
class NoiseFit:
    """The U-Net under each candidate, at latents that all games share, against what was seen.

    From update terms in the clear (HE-Diffusion): minus how unlikely a final latent the candidate
    would lead to (`noise_prediction.surprise`). From layer inputs (PPIDM): how well the candidate
    explains the difference that guidance makes to them (`prompt_fit`). Both leave out what their
    full attacks do next, solving for the latent of single games: a closed list of 100 is told
    apart without.

    Queries: `points` U-Net calls a candidate, none a game.

    Attributes:
        points: Shared latents.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = frozenset({UPDATE}) | LAYERS
    points: int = 2

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ValueError(f"points={self.points} must be >= 2, or no deviation can be told")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game's candidates, and say the best one."""
        if aux.candidates is None:
            raise ValueError("NoiseFit needs the fact candidates")
        kinds = {m.kind for m in views.view(0).messages} if len(views) else set()
        if kinds & LAYERS:
            fit = PromptFit(points=self.points, likeliest=0)
            scores = fit.scores(ShareModel.open(aux, views), views, aux.candidates)
        else:
            scores = self._by_terms(views, aux, aux.candidates)
        return Guesses(scores=scores, texts=best(scores, aux.candidates))

    def _by_terms(
        self, views: Views, aux: Auxiliary, candidates: Sequence[Sequence[str]]
    ) -> Scores:
        model, scores = Model.open(aux, views), empty_scores(candidates)
        games, trace = traces_of(views, model.grid)
        if trace is not None:
            options = [candidates[game] for game in games]
            told = -surprise(model, trace, options, points=self.points)
            scores[games, : told.shape[1]] = told
        return scores


def best(scores: Scores, candidates: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The best candidate of each game; the prior's prompt where all score alike."""
    return tuple(
        options[int(np.nanargmax(row))] if np.nanmax(row) > np.nanmin(row) else typical()
        for row, options in zip(scores, candidates, strict=True)
    )
