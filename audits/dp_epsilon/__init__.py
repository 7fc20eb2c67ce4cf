"""Lower bounds on epsilon from scores, each with its assumptions and its ceiling.

docs/dp-bounds.md says which bound fits which audit, with the measured strength of each. No torch.
"""

from .composed import composed_gaussian
from .counting import clopper_pearson
from .credible import bayesian
from .dispatch import ceiling, p_value
from .guesses import Guesses, guesses_from_scores
from .likelihood_ratio import gaussian_likelihood_ratio
from .looks import Threshold
from .result import ASSUMPTION_LEVEL, Assumed, Bound
from .single_run import one_run, one_run_p_value
from .single_run_fdp import one_run_fdp
from .subsampled import (
    subsampled_delta,
    subsampled_epsilon,
    subsampled_false_negatives,
    subsampled_mu,
)
from .trade_off import gdp
from .validate import METHODS

__all__ = [
    "ASSUMPTION_LEVEL",
    "METHODS",
    "Assumed",
    "Bound",
    "Guesses",
    "Threshold",
    "bayesian",
    "ceiling",
    "clopper_pearson",
    "composed_gaussian",
    "gaussian_likelihood_ratio",
    "gdp",
    "guesses_from_scores",
    "one_run",
    "one_run_fdp",
    "one_run_p_value",
    "p_value",
    "subsampled_delta",
    "subsampled_epsilon",
    "subsampled_false_negatives",
    "subsampled_mu",
]
