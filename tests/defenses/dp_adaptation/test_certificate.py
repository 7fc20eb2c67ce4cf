"""What the best attack on one release can do, by the published table."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.audits.statistics import auc_delong
from latentleak.defenses.dp_adaptation.aggregation import Aggregation
from latentleak.defenses.seeds import stream

TABLE = [  # n, epsilon, delta (None: 1/n), d', worst-case AUC, TPR at 1 % FPR
    (158, 1, None, 0.49, 0.637, 0.033),
    (158, 1, 1e-5, 0.27, 0.575, 0.020),
    (158, 5, None, 1.69, 0.884, 0.262),
    (47, 1, None, 0.61, 0.668, 0.043),
    (47, 1, 1e-5, 0.27, 0.575, 0.020),
    (47, 5, None, 1.90, 0.910, 0.335),
]


@pytest.mark.parametrize(("n", "epsilon", "delta", "distance", "auc", "tpr"), TABLE)
def test_the_table(
    n: int, epsilon: float, delta: float | None, distance: float, auc: float, tpr: float
) -> None:
    """The published d' come from sigma in four digits: 0.7 % off where sigma is 0.0075."""
    certificate = Aggregation(epsilon=epsilon, delta=delta or 1 / n).certificate(n)
    assert certificate.mu == pytest.approx(distance, abs=0.0051, rel=0.007)
    assert certificate.best_auc() == pytest.approx(auc, abs=0.0015)
    assert certificate.best_tpr(0.01) == pytest.approx(tpr, abs=0.0027)
    assert certificate.rate == 1


def test_the_best_attack_reaches_the_best_auc() -> None:
    """At 2,000 releases a world the AUC has a standard deviation below 0.0073: six of them."""
    mechanism, worlds = Aggregation(epsilon=5.0, delta=1 / 47), np.zeros((2, 47, 32))
    worlds[0, 0, 0], worlds[1, 0, 0] = 1, -1
    scores = [
        mechanism.release(w, stream(i, "auc"), trials=2000)[:, 0] for i, w in enumerate(worlds)
    ]
    want = mechanism.certificate(47).best_auc()
    assert auc_delong(scores[0], scores[1], alpha=0.05).estimate == pytest.approx(want, abs=0.044)


def test_composition_and_subsampling() -> None:
    single, several = (Aggregation(releases=k).certificate(50) for k in (1, 9))
    assert several.mu == pytest.approx(single.mu)
    assert several.sigma == pytest.approx(3 * single.sigma)
    sampled = Aggregation(sample=10).certificate(50)
    assert (sampled.mu, sampled.best_auc(), sampled.best_tpr(0.1)) == (None, None, None)
    assert sampled.rate == 0.2


def test_the_ends_of_the_curve() -> None:
    certificate = Aggregation().certificate(10)
    assert (certificate.best_tpr(0.0), certificate.best_tpr(1.0)) == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"fpr=1.5 must be in"):
        certificate.best_tpr(1.5)
