"""One embedding for everything, with and without privacy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentleak.defenses.dp_adaptation.baselines import (
    PlainMean,
    gradient_norms,
    invert_dp_sgd,
    invert_together,
)
from latentleak.defenses.dp_adaptation.dp_sgd import DescentProcedure, DpSgdInversion
from latentleak.defenses.dp_adaptation.inversion import Recipe
from latentleak.defenses.dp_adaptation.token import token_vector
from latentleak.targets import private_sets
from latentleak.targets.pipeline import Target

RECIPE = Recipe(steps=4, rows=4)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return private_sets.load("pictograms").images[:10]


def test_plain_mean() -> None:
    records = np.arange(6.0).reshape(3, 2)
    assert PlainMean().release(records, np.random.default_rng(0), trials=2).tolist() == [[2, 3]] * 2
    assert PlainMean().claims == ()
    with pytest.raises(ValueError, match="must be"):
        PlainMean().release(np.zeros((0, 2)), np.random.default_rng(0), trials=1)


def test_together_moves_one_embedding(tiny: Target, images: np.ndarray) -> None:
    vector = invert_together(tiny, images, RECIPE)
    start = token_vector(tiny.open(), "icon").numpy()
    assert vector.shape == (32,)
    assert 0 < np.abs(vector - start).max() <= 4.5 * RECIPE.rate
    assert np.array_equal(vector, invert_together(tiny, images, RECIPE))


def test_gradient_norms_depend_on_their_own_image(tiny: Target, images: np.ndarray) -> None:
    norms = gradient_norms(tiny, images, RECIPE)
    assert norms.shape == (10,)
    assert (norms > 0).all()
    other = images.copy()
    other[3] = 0
    changed = gradient_norms(tiny, other, RECIPE)
    assert np.flatnonzero(~np.isclose(changed, norms, rtol=1e-4)).tolist() == [3]


def test_dp_sgd_published_all_that_moved_the_embedding(tiny: Target, images: np.ndarray) -> None:
    """The vector is Adam on the published gradients: post-processing of the release."""
    mechanism = DpSgdInversion(steps=5, sample_rate=0.4, clip=0.1)
    done = invert_dp_sgd(tiny, images, mechanism, RECIPE, seed=1)
    row = token_vector(tiny.open(), "icon").requires_grad_()
    adam = torch.optim.Adam([row], lr=mechanism.rate)
    for gradient in done.gradients:
        row.grad = gradient.clone()
        adam.step()
    torch.testing.assert_close(done.vector, row.detach(), rtol=0, atol=1e-6)
    again = invert_dp_sgd(tiny, images, mechanism, RECIPE, seed=1)
    assert torch.equal(again.gradients, done.gradients)


def test_dp_sgd_without_noise_adapts(tiny: Target, images: np.ndarray) -> None:
    quiet = DescentProcedure(calibrate=lambda *_, **__: 0.0)
    mechanism = DpSgdInversion(steps=3, sample_rate=1.0, clip=0.01, procedure=quiet)
    done = invert_dp_sgd(tiny, images, mechanism, RECIPE, seed=1)
    assert (done.gradients.norm(dim=1) <= 10 * 0.01 + 1e-6).all()
    assert (done.gradients.norm(dim=1) > 0).all()
