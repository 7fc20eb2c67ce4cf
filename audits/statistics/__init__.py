"""Intervals, tests and measures behind every finding: pure NumPy and SciPy, no torch.

docs/statistics.md says what each number in a finding means and which function computes it.
"""

from .auc import Auc, auc_by_pairs, auc_delong, auc_test
from .bayes_risk import cover_hart_bound, nearest_neighbors, plug_in_leakage
from .channels import (
    dp_total_variation,
    identity,
    intersection_decoys,
    one_time_pad,
    randomized_response,
)
from .games import Advantage, advantage
from .guesses import FAILED, expected_wins, guesses
from .held_out import HeldOutLeakage, held_out_leakage
from .intervals import (
    Interval,
    binomial_p_value,
    clopper_pearson,
    clopper_pearson_lower,
    clopper_pearson_upper,
    mean_interval,
)
from .leakage import (
    bayes_capacity,
    g_leakage,
    g_vulnerability,
    min_entropy_leakage,
    posterior_vulnerability,
    prior_vulnerability,
)
from .multiplicity import at_most, holm, split_alpha
from .normalized import NormalizedLeakage, normalized_leakage
from .permutation import PermutationTest, paired_test, two_sample_test
from .power import critical_count, detectable_mean, detectable_rate
from .ratio import Ratio, bootstrap_ratio, fieller
from .roc import TprAtFpr, tpr_at_fpr
from .separation import BestAdvantage, best_advantage
from .two_sample import TwoSample, classifier_two_sample, correct_predictions

__all__ = [
    "FAILED",
    "Advantage",
    "Auc",
    "BestAdvantage",
    "HeldOutLeakage",
    "Interval",
    "NormalizedLeakage",
    "PermutationTest",
    "Ratio",
    "TprAtFpr",
    "TwoSample",
    "advantage",
    "at_most",
    "auc_by_pairs",
    "auc_delong",
    "auc_test",
    "bayes_capacity",
    "best_advantage",
    "binomial_p_value",
    "bootstrap_ratio",
    "classifier_two_sample",
    "clopper_pearson",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "correct_predictions",
    "cover_hart_bound",
    "critical_count",
    "detectable_mean",
    "detectable_rate",
    "dp_total_variation",
    "expected_wins",
    "fieller",
    "g_leakage",
    "g_vulnerability",
    "guesses",
    "held_out_leakage",
    "holm",
    "identity",
    "intersection_decoys",
    "mean_interval",
    "min_entropy_leakage",
    "nearest_neighbors",
    "normalized_leakage",
    "one_time_pad",
    "paired_test",
    "plug_in_leakage",
    "posterior_vulnerability",
    "prior_vulnerability",
    "randomized_response",
    "split_alpha",
    "tpr_at_fpr",
    "two_sample_test",
]
