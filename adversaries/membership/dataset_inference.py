"""CDI: was this whole set trained on? Weak signals of many samples, one p-value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import ttest_ind
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .model import Scores

Features = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What the test found.

    Attributes:
        p_value: One-sided: were the suspects no likelier members than the others, a difference of
            held-out scores like this or larger has about this probability.
        suspects: Held-out scores of the suspected set.
        others: Of samples that nobody trained on.
    """

    p_value: float
    suspects: Scores
    others: Scores


def infer(suspects: Features, others: Features, *, seed: int) -> Inference:
    """Fit a scorer on half of each set, compare the scores of the other halves by Welch's test.

    Both sets must be of one law, or the test finds their difference.

    Args:
        suspects: Features of the set in question, such as scores of several attacks, shape (n, k).
        others: Of samples never trained on, shape (m, k).
        seed: Of the halves.

    References:
        Dubinski et al., CDI: Copyrighted Data Identification in Diffusion Models (2025),
        https://arxiv.org/abs/2411.12858.
    """
    if min(len(suspects), len(others)) < 4:
        raise ValueError(f"{len(suspects)} suspects and {len(others)} others; give at least 4 each")
    rng = np.random.default_rng(seed)
    (fit_in, test_in), (fit_out, test_out) = (
        np.array_split(side[rng.permutation(len(side))], 2) for side in (suspects, others)
    )
    scorer = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    labels = np.repeat([1, 0], [len(fit_in), len(fit_out)])
    scorer.fit(np.concatenate([fit_in, fit_out]), labels)
    inside, outside = scorer.decision_function(test_in), scorer.decision_function(test_out)
    test: Any = ttest_ind(inside, outside, equal_var=False, alternative="greater")
    return Inference(p_value=float(test.pvalue), suspects=inside, others=outside)
