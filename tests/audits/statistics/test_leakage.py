"""Leakage of known channels: published programs, closed forms, inequalities."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentleak.audits.statistics import (
    bayes_capacity,
    g_leakage,
    g_vulnerability,
    identity,
    min_entropy_leakage,
    one_time_pad,
    posterior_vulnerability,
    prior_vulnerability,
    randomized_response,
)


def uniform(k: int) -> np.ndarray:
    return np.full(k, 1 / k)


def deterministic(outputs: list[int]) -> np.ndarray:
    return np.eye(max(outputs) + 1)[outputs]


@st.composite
def channels(draw: st.DrawFn, rows: int = 4, columns: int = 3) -> np.ndarray:
    raw = draw(hnp.arrays(np.float64, (rows, columns), elements=st.floats(0.01, 1)))
    return raw / raw.sum(axis=1, keepdims=True)


priors = channels(rows=1, columns=4).map(lambda p: p[0])
gains = hnp.arrays(np.float64, (3, 4), elements=st.floats(0.01, 1))


@pytest.mark.parametrize("bits", [4, 8])
def test_smiths_modulo_program(bits: int) -> None:
    """Smith (2009), Section 3: `if S mod 8 = 0 then O = S else O = 1` leaks log2(2^(b-3) + 1)."""
    channel = deterministic([s if s % 8 == 0 else 1 for s in range(2**bits)])
    leaked = min_entropy_leakage(channel, prior=uniform(2**bits))
    assert leaked == pytest.approx(math.log2(2 ** (bits - 3) + 1))


def test_smiths_masking_program() -> None:
    """Smith (2009), Section 3: `O = S & 0...01...1` with m ones leaks m bits."""
    channel = deterministic([s & 0b111 for s in range(256)])
    assert min_entropy_leakage(channel, prior=uniform(256)) == pytest.approx(3)


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 4.0, 50.0])
def test_randomized_response(k: int, epsilon: float) -> None:
    truth = math.exp(epsilon) / (math.exp(epsilon) + k - 1)
    channel = randomized_response(k, epsilon=epsilon)
    assert posterior_vulnerability(channel, prior=uniform(k)) == pytest.approx(truth)
    assert bayes_capacity(channel) == pytest.approx(k * truth)


@pytest.mark.parametrize("k", [1, 2, 7, 100])
def test_pad_and_identity(k: int) -> None:
    assert min_entropy_leakage(one_time_pad(k), prior=uniform(k)) == pytest.approx(0, abs=1e-12)
    assert min_entropy_leakage(identity(k), prior=uniform(k)) == pytest.approx(math.log2(k))
    assert bayes_capacity(identity(k)) == k


def test_two_tries_gain_is_the_sum_of_the_two_likeliest() -> None:
    gain = [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
    blind = g_vulnerability(np.ones((3, 1)), prior=[0.6, 0.3, 0.1], gain=gain)
    assert blind == pytest.approx(0.9)
    leaked = g_leakage(identity(3), prior=[0.6, 0.3, 0.1], gain=gain)
    assert leaked == pytest.approx(math.log2(1 / 0.9))


@given(channels(), priors, gains)
def test_vulnerabilities_agree_with_slow_sums(
    channel: np.ndarray, prior: np.ndarray, gain: np.ndarray
) -> None:
    x, y, w = range(4), range(3), range(3)
    slow = sum(max(prior[i] * channel[i, j] for i in x) for j in y)
    slow_g = sum(max(sum(prior[i] * channel[i, j] * gain[a, i] for i in x) for a in w) for j in y)
    assert posterior_vulnerability(channel, prior=prior) == pytest.approx(slow)
    assert g_vulnerability(channel, prior=prior, gain=gain) == pytest.approx(slow_g)
    assert g_vulnerability(channel, prior=prior, gain=np.eye(4)) == pytest.approx(slow)


@given(channels(), priors, gains)
def test_capacity_bounds_every_leakage(
    channel: np.ndarray, prior: np.ndarray, gain: np.ndarray
) -> None:
    """The miracle theorem, Alvim et al. (2012), Theorem 5.1."""
    capacity = math.log2(bayes_capacity(channel)) + 1e-9
    assert 0 <= min_entropy_leakage(channel, prior=prior) <= capacity
    assert 0 <= g_leakage(channel, prior=prior, gain=gain) <= capacity
    assert min_entropy_leakage(channel, prior=uniform(4)) == pytest.approx(capacity, abs=1e-6)


@given(channels(), channels(rows=3), priors, gains)
def test_processing_never_adds_leakage(
    channel: np.ndarray, after: np.ndarray, prior: np.ndarray, gain: np.ndarray
) -> None:
    cascade = channel @ after
    before = g_vulnerability(channel, prior=prior, gain=gain)
    assert g_vulnerability(cascade, prior=prior, gain=gain) <= before + 1e-12
    assert bayes_capacity(cascade) <= bayes_capacity(channel) + 1e-12


def test_prior_vulnerability() -> None:
    assert prior_vulnerability([0.7, 0.2, 0.1]) == 0.7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prior_vulnerability([0.5, 0.4]), "prior sums to 0.9"),
        (lambda: bayes_capacity([[0.5, 0.6]]), r"channel has shape \(1, 2\)"),
        (lambda: posterior_vulnerability(np.eye(3), prior=[0.5, 0.5]), "prior has 2 secrets"),
        (lambda: g_leakage(np.eye(2), prior=[0.5, 0.5], gain=[[1.0]]), r"gain has shape \(1, 1\)"),
        (lambda: g_leakage(np.eye(2), prior=[0.5, 0.5], gain=[[0, 0]]), "gain gives 0.0 before"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
