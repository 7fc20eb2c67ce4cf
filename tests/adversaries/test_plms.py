"""Single noise predictions from what PLMS made of them."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.plms import single_predictions
from latentleak.defenses.he_diffusion.sampler import Grid, Solver
from latentleak.defenses.he_diffusion.selection import Latent


class Scheduler:
    alphas_cumprod = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)


def recorded(grid: Grid, method: str) -> tuple[Latent, Latent]:
    """Predictions of a smooth model along a trajectory, and the update terms."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((1, 2, 3, 3))
    clean = rng.standard_normal((1, 2, 3, 3))
    told = {}

    def predict(z: Latent, step: int) -> Latent:
        share = grid.before[step]
        noise = (z - np.sqrt(share) * (clean + 0.1 * np.tanh(z))) / np.sqrt(1 - share)
        told.setdefault(step, noise)
        return noise

    solver, terms, single = Solver(predict, grid, method), [], []
    for step in range(len(grid)):
        told.pop(step, None)  # what the trial point of the first step said
        terms.append(solver.term(latent, step))
        single.append(told[step])
        latent = grid.factor(step) * latent + terms[-1]
    return np.stack(terms), np.stack(single)


@pytest.mark.parametrize("steps", [1, 2, 12])
def test_ddim_is_undone_exactly(steps: int) -> None:
    grid = Grid.of(Scheduler(), steps)
    terms, single = recorded(grid, "ddim")
    assert np.allclose(single_predictions(terms, grid, "ddim"), single)


def test_plms_is_undone_but_for_its_first_step_whose_error_dies_out() -> None:
    grid = Grid.of(Scheduler(), 25)
    terms, single = recorded(grid, "plms")
    errors = np.abs(single_predictions(terms, grid, "plms") - single).max(axis=(1, 2, 3, 4))
    assert errors[0] < 0.1 * np.abs(single[0]).max()
    assert errors[12:].max() < 0.02 * errors[0]
