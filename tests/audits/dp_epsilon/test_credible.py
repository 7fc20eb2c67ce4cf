"""The credible interval against draws from the posterior, and against integration in one rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from latentleak.audits.dp_epsilon import bayesian, ceiling
from latentleak.audits.dp_epsilon.credible import _probability, _Rate

DRAWS = 400_000


@pytest.mark.parametrize(
    ("tp", "tn", "fp", "fn", "delta"),
    [
        (90, 95, 5, 10, 0.0),
        (500, 500, 500, 500, 1e-5),
        (40, 60, 40, 60, 0.01),
        (1000, 999, 1, 0, 1e-5),
        (5, 900_000, 3, 7, 1e-5),
        (0, 1, 0, 1, 0.3),
    ],
)
def test_against_the_posterior(tp: int, tn: int, fp: int, fn: int, delta: float) -> None:
    """The posterior probability below either end, by draws: within 5 standard errors."""
    rng = np.random.default_rng(0)
    x = rng.beta(fp + 0.5, tn + 0.5, DRAWS)
    y = rng.beta(fn + 0.5, tp + 0.5, DRAWS)
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = (1 - y, x), (1 - x, y), (x, 1 - y), (y, 1 - x)
        ratios = np.fmax.reduce([np.log(np.maximum(a - delta, 0) / b) for a, b in pairs])
    found = bayesian(tp=tp, tn=tn, fp=fp, fn=fn, delta=delta, alpha=0.1)
    for end, level in ((found.epsilon, 0.05), (found.upper, 0.95)):
        below = float(np.mean(ratios <= (end or 0.0)))
        if end:
            assert below == pytest.approx(level, abs=5 * math.sqrt(0.05 / DRAWS))
        else:
            assert below >= level


@settings(max_examples=20)
@given(
    counts=st.tuples(*[st.integers(0, 300)] * 4).filter(lambda c: c[0] + c[3] and c[1] + c[2]),
    epsilon=st.floats(0, 6),
    delta=st.sampled_from([0.0, 1e-5, 0.1]),
)
def test_the_integral_does_not_depend_on_the_order(
    counts: tuple[int, int, int, int], epsilon: float, delta: float
) -> None:
    """Over FPR or over FNR; the second with the quantiles of SciPy on a fine grid."""
    tp, tn, fp, fn = counts
    rates = _Rate(fp + 0.5, tn + 0.5), _Rate(fn + 0.5, tp + 0.5)
    first = _probability(epsilon, *sorted(rates, key=lambda rate: rate.width), delta)
    law, other = beta(fp + 0.5, tn + 0.5), beta(fn + 0.5, tp + 0.5)
    x = law.ppf((np.arange(200_000) + 0.5) / 200_000)
    grow = math.exp(epsilon)
    least = np.maximum(1 - delta - grow * x, (1 - delta - x) / grow)
    most = np.minimum(1 - (x - delta) / grow, delta + grow * (1 - x))
    expected = np.mean(other.cdf(most) - other.cdf(least))
    assert first == pytest.approx(float(expected), abs=2e-5)


def test_worlds_and_outcomes_are_interchangeable() -> None:
    plain = bayesian(tp=80, tn=70, fp=30, fn=20, delta=1e-3, alpha=0.1)
    worlds = bayesian(tp=70, tn=80, fp=20, fn=30, delta=1e-3, alpha=0.1)
    reversed_ = bayesian(tp=20, tn=30, fp=70, fn=80, delta=1e-3, alpha=0.1)
    for other in (worlds, reversed_):
        assert other.epsilon == pytest.approx(plain.epsilon, abs=1e-7)
        assert other.upper == pytest.approx(plain.upper, abs=1e-7)


def test_no_guarantee_and_a_ceiling() -> None:
    found = bayesian(tp=50, tn=60, fp=0, fn=0, delta=1e-5, alpha=0.1)
    assert not found.guarantee
    assert "no guarantee" in repr(found)
    assert found.epsilon == found.ceiling
    assert found.ceiling == ceiling("bayesian", n_in=50, n_out=60, delta=1e-5, alpha=0.1)
