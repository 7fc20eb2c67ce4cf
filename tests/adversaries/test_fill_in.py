"""Encrypted entries filled in from those in the clear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries.fill_in import METHODS, FillIn, linear_mmse, moments
from latentleak.adversaries.he_views import public_latents
from latentleak.adversaries.repaint import repaint
from latentleak.defenses.he_diffusion.variants import (
    AsReleased,
    EncryptedTerm,
    FullEncryption,
    FullyHardened,
)
from latentleak.targets.pipeline import Target


def smooth_covariance(size: int, length: float) -> np.ndarray:
    """Of a Gaussian field with exponential correlation on a line."""
    position = np.arange(size)
    return np.exp(-np.abs(position[:, None] - position) / length) + 0.05 * np.eye(size)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_error_is_that_of_the_schur_complement(share: float) -> None:
    """A mask that is fixed before the data.

    The mean over 20,000 draws and n missing entries of correlated squared errors has a relative
    standard deviation of at most sqrt(2 / 20,000) = 0.01 even if all entries err alike, and 5
    times less here (at least 12 missing entries, correlation length 3): 2 % are over 9 of them.
    """
    rng = np.random.default_rng(0)
    size, covariance = 64, smooth_covariance(64, 3.0)
    mask = rng.permutation(size) < share * size
    mean = rng.standard_normal(size)
    samples = mean + rng.standard_normal((20_000, size)) @ np.linalg.cholesky(covariance).T
    filled = linear_mmse(np.where(mask, samples, np.nan), mask, mean, covariance)
    error = np.square(filled - samples)[:, ~mask].mean()
    cross = covariance[np.ix_(~mask, mask)]
    explained = cross @ np.linalg.solve(covariance[np.ix_(mask, mask)], cross.T)
    schur = np.trace(covariance[np.ix_(~mask, ~mask)] - explained) / (~mask).sum()
    assert error == pytest.approx(schur, rel=0.02)
    assert np.array_equal(filled[:, mask], samples[:, mask])


@given(st.integers(0, 2**16), st.integers(1, 12))
def test_nothing_else_linear_does_better(seed: int, size: int) -> None:
    """Orthogonality: the error is uncorrelated with every observed entry."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size)) + 2 * np.eye(size)
    covariance = root @ root.T
    mask = rng.random(size) < 0.5
    gain = linear_mmse(np.eye(size), mask, np.zeros(size), covariance)[:, ~mask].T
    residual = covariance[~mask] - gain[:, mask] @ covariance[mask]
    assert np.allclose(residual[:, mask], 0, atol=1e-6 * np.abs(covariance).max())


def test_moments_are_those_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    covariance = smooth_covariance(6, 2.0)
    samples = 3 + rng.standard_normal((50_000, 6)) @ np.linalg.cholesky(covariance).T
    mean, found = moments(samples)
    assert np.abs(mean - 3).max() < 0.05
    assert np.abs(found - covariance).max() < 0.05


def test_the_better_the_prior_the_better_the_picture(embedded: Target, play_he) -> None:
    config = EncryptedTerm(steps=5, method="ddim", encrypt_fraction=0.5)
    played = play_he(config, embedded, 4)
    leakage = {name: played.leakage(FillIn(method=name)) for name in METHODS}
    assert leakage["lmmse"] > 0.8
    assert leakage["repaint"] > 0.5
    assert leakage["zero"] < leakage["repaint"] < leakage["lmmse"] == leakage["ridge"]
    assert played.swapped.leakage(FillIn()) < 0.1


def test_which_entries_are_in_the_clear_says_more_than_their_values(
    embedded: Target, play_he
) -> None:
    played = play_he(EncryptedTerm(steps=5, method="ddim", threshold=0.01), embedded, 6)
    both = played.leakage(FillIn(method="ridge"))
    assert both > 0.25
    assert both > played.leakage(FillIn(method="lmmse")) + 0.1


@pytest.mark.parametrize("method", METHODS)
def test_with_everything_encrypted_it_finds_nothing(tiny: Target, play_he, method: str) -> None:
    assert play_he(FullyHardened(steps=2), tiny, 2).finds_nothing(FillIn(method=method))
    assert play_he(FullEncryption(steps=2), tiny, 2).finds_nothing(FillIn(method=method))


@pytest.mark.parametrize("method", METHODS)
def test_known_entries_stay(tiny: Target, play_he, method: str) -> None:
    played = play_he(AsReleased(steps=2, encrypt_fraction=0.4), tiny, 2)
    rng = np.random.default_rng(0)
    visible = rng.random(played.latents.shape) < 0.6
    filled = FillIn(method=method).fill(played.model, played.latents, visible, rng)
    assert np.array_equal(filled[visible], played.latents[visible])
    assert np.isfinite(filled).all()


def test_repaint_samples_what_fits(embedded: Target, play_he) -> None:
    model = play_he(FullEncryption(steps=1), embedded, 1).model
    latents = public_latents(embedded)[:8]
    rng = np.random.default_rng(0)
    known = rng.random(latents.shape) < 0.8
    filled = repaint(model, latents, known, rng, steps=6, resample=2)
    error = np.square(filled - latents)[~known].mean()
    assert error < 0.5 * latents[~known].var()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"method": "guess"}, "method='guess' must be one of zero, lmmse, ridge, repaint"),
     ({"draws": 0}, "draws=0 must be >= 1")],
)  # fmt: skip
def test_bad_configurations_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FillIn(**changes)
