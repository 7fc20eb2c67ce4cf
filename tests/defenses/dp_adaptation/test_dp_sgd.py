"""DP-SGD on one row: sums, noise and sampling, and another accountant that confirms the noise."""

from __future__ import annotations

import dp_accounting
import numpy as np
import pytest
import torch
from dp_accounting.pld import PLDAccountant
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from latentleak.defenses.claims import Neighbours
from latentleak.defenses.dp_adaptation.dp_sgd import (
    DescentProcedure,
    DpSgdInversion,
    noise_multiplier,
)

QUIET = DescentProcedure(calibrate=lambda *_, **__: 0.0)
FAILURE = 1e-6
"""Probability with which each statistical assertion fails on correct code."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("epsilon", "rate", "steps"), [(1.0, 0.5, 4), (4.0, 0.1, 20)])
def test_another_accountant_confirms_the_noise(epsilon: float, rate: float, steps: int) -> None:
    noise = noise_multiplier(epsilon, 1e-5, sample_rate=rate, steps=steps)
    event = dp_accounting.SelfComposedDpEvent(
        dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), steps
    )
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    spent = accountant.compose(event).get_epsilon(1e-5)
    assert 0.97 * epsilon < spent <= epsilon * 1.002
    assert noise_multiplier(epsilon, 1e-5, sample_rate=rate, steps=steps, accountant="rdp") > noise


@given(
    records=st.integers(1, 6),
    width=st.integers(1, 5),
    clip=st.floats(0.1, 10.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_without_noise_and_sampling_it_is_the_sum_of_clipped_gradients(
    records: int, width: int, clip: float, seed: int
) -> None:
    given_gradients = rng(seed).normal(size=(records, width)) * 3
    mechanism = DpSgdInversion(clip=clip, steps=2, sample_rate=1.0, procedure=QUIET)
    out = mechanism.release(given_gradients, rng(), trials=2)
    norms = np.linalg.norm(given_gradients, axis=1, keepdims=True)
    total = (given_gradients * np.minimum(1, clip / norms)).sum(0)
    np.testing.assert_allclose(out, np.tile(total, (2, 2)), rtol=1e-4, atol=1e-4)


def test_a_huge_gradient_moves_the_sum_by_the_clip() -> None:
    mechanism = DpSgdInversion(clip=0.5, steps=1, sample_rate=1.0, procedure=QUIET)
    out = mechanism.release(np.array([[1e6, 0.0]]), rng(), trials=1)
    np.testing.assert_allclose(out, [[0.5, 0.0]], atol=1e-6)


def test_noise_is_as_calibrated_and_independent() -> None:
    mechanism = DpSgdInversion(clip=2.0)
    out = mechanism.release(np.zeros((3, 50)), rng(1), trials=20)
    assert out.shape == (20, 4 * 50)
    scaled = out / (2.0 * mechanism.noise_multiplier)
    low, high = chi2.ppf([FAILURE / 2, 1 - FAILURE / 2], out.size)
    assert low <= np.square(scaled).sum() <= high
    assert len(np.unique(out)) > 0.99 * out.size


def test_sampling_is_poisson() -> None:
    """Counts of a canary, which takes part or not; the others' gradients are zero."""
    mechanism = DpSgdInversion(steps=5, sample_rate=0.3, procedure=QUIET)
    canary = np.eye(4)[:1].repeat(1, 0)
    records = np.concatenate([canary, np.zeros((3, 4))])
    out = mechanism.release(records, rng(2), trials=200).reshape(-1, 4)
    taken = (out[:, 0] > 0.5).sum()
    low, high = binom.ppf([FAILURE / 2, 1 - FAILURE / 2], len(out), 0.3)
    assert low <= taken <= high
    assert set(np.round(out[:, 0], 4)) == {0.0, 1.0}


def test_empty_batches_and_empty_collections_publish_noise() -> None:
    rare = DpSgdInversion(steps=3, sample_rate=1e-6, accountant="rdp")
    assert rare.release(np.ones((2, 4)), rng(), trials=2).std() > 0
    nobody = DpSgdInversion(steps=3, accountant="rdp").release(np.zeros((0, 4)), rng(), trials=2)
    assert nobody.shape == (2, 12)
    assert nobody.std() > 0


def test_descends_on_a_quadratic_without_noise() -> None:
    goal = torch.tensor([0.3, -0.2])
    mechanism = DpSgdInversion(steps=150, rate=0.01, sample_rate=1.0, clip=100.0, procedure=QUIET)
    done = mechanism.descend(
        lambda rows, places, step: 2 * (rows - goal), 3, torch.zeros(2), torch.Generator()
    )
    torch.testing.assert_close(done.vector, goal, atol=0.02, rtol=0)
    assert done.gradients.shape == (150, 2)


def test_same_stream_same_release() -> None:
    mechanism, records = DpSgdInversion(), np.ones((3, 4))
    first, second = (mechanism.release(records, rng(7), trials=2) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, mechanism.release(records, rng(8), trials=2))


def test_claim() -> None:
    (claim,) = DpSgdInversion(epsilon=2.0, delta=1e-6).claims
    assert str(claim) == "(2, 1e-06)-DP, add-remove"
    assert claim.neighbours is Neighbours.ADD_REMOVE


@pytest.mark.parametrize(
    ("field", "value"),
    [("epsilon", 0.0), ("delta", 1.0), ("clip", -1.0), ("steps", 0), ("sample_rate", 1.1),
     ("rate", float("nan")), ("accountant", "gdp")],
)  # fmt: skip
def test_configuration_is_checked(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field}={value!r} must be"):
        DpSgdInversion(**{field: value})  # type: ignore[arg-type]


def test_records_are_checked() -> None:
    for bad in (np.zeros(3), np.zeros((2, 0)), np.full((1, 2), np.inf)):
        with pytest.raises(ValueError, match="must be finite gradients"):
            DpSgdInversion().release(bad, rng(), trials=1)
    with pytest.raises(ValueError, match="trials=0"):
        DpSgdInversion().release(np.zeros((1, 2)), rng(), trials=0)


def test_an_accountant_that_fails_says_so() -> None:
    with pytest.raises(ValueError, match="use accountant='rdp'"):
        noise_multiplier(1.0, 1e-5, sample_rate=1e-9, steps=4)
