"""Ridge regression finds what is linear, and the mean where features say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.ridge import PENALTIES, fit, regress


def test_outputs_that_are_linear_in_the_features_are_found() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((400, 10)) < 0.5
    outputs = 100 + np.tensordot(features, rng.standard_normal((10, 4, 4, 3)), 1)
    found = regress(features[:300], outputs[:300], features[300:])
    assert found.shape == (100, 4, 4, 3)
    assert np.abs(found - outputs[300:]).max() < 0.15


def test_noise_is_not_fitted_with_more_features_than_examples() -> None:
    rng = np.random.default_rng(0)
    features, outputs = rng.standard_normal((100, 300)), rng.standard_normal((100, 50))
    found = regress(features, outputs, rng.standard_normal((40, 300)))
    assert np.square(found).mean() < 0.25


def test_features_that_say_nothing_give_the_mean() -> None:
    outputs = np.arange(0, 200, 10.0)
    found = regress(np.ones((20, 5)), outputs[:, None], np.ones((2, 5)))
    assert np.allclose(found, 95)


@pytest.mark.parametrize("features", [7, 90])
def test_slopes_solve_the_normal_equations(features: int) -> None:
    """With fewer features than examples, and with more: (X^T X + p I) B = X^T Y."""
    rng = np.random.default_rng(3)
    given, outputs = rng.standard_normal((40, features)), rng.standard_normal((40, 2, 3))
    ridge = fit(given, outputs)
    own, wanted = given - given.mean(axis=0), (outputs - outputs.mean(axis=0)).reshape(40, 6)
    unit = np.square(own).sum() / 40
    gaps = [
        np.abs((own.T @ own + p * unit * np.eye(features)) @ ridge.slopes - own.T @ wanted).max()
        for p in PENALTIES
    ]
    assert min(gaps) < 1e-9
    assert ridge(given[:5]).shape == (5, 2, 3)
