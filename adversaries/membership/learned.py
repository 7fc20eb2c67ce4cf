"""From features to a score, learned on models whose members are known.

The trained variant of SecMI learns on its error, GSA on gradient norms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .model import Scores

Features = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A logistic score of features."""

    scorer: Any

    @classmethod
    def fit(cls, members: Features, non_members: Features, *, penalty: float = 1.0) -> Learned:
        """Learn on shadow models' samples; never on those that are scored.

        Args:
            members: Features of samples that a shadow model was trained on, shape (n, k).
            non_members: Of samples that it was not, shape (m, k).
            penalty: Strength of the ridge.
        """
        if not penalty > 0:
            raise ValueError(f"penalty={penalty} must be > 0")
        logistic = LogisticRegression(C=1 / penalty, max_iter=1000)
        scorer = make_pipeline(StandardScaler(), logistic)
        scorer.fit(
            np.concatenate([members, non_members]),
            np.repeat([1, 0], [len(members), len(non_members)]),
        )
        return cls(scorer=scorer)

    def scores(self, features: Features) -> Scores:
        """Log-odds of membership, shape (n,)."""
        return np.asarray(self.scorer.decision_function(features))
