"""PLMS and DDIM against diffusers' own schedulers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler

from latentleak.defenses.he_diffusion.sampler import (
    Grid,
    NoisePredictor,
    adams_bashforth,
    sample,
)
from latentleak.defenses.he_diffusion.selection import Latent
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
}


def toy_noise(latent: Any, time: int) -> Any:
    """A smooth stand-in for a U-Net."""
    return (latent * 0.9 + 0.1 * latent**3 / (1 + latent**2)) * (0.5 + time / 2000)


def start() -> Latent:
    return np.random.default_rng(0).standard_normal((2, 4, 8, 8))


@pytest.mark.parametrize("steps", [2, 3, 4, 7, 25, 50, 500])
@pytest.mark.parametrize(
    ("method", "scheduler"),
    [
        ("ddim", DDIMScheduler(**SCHEDULE, clip_sample=False)),
        ("plms", PNDMScheduler(**SCHEDULE, skip_prk_steps=True)),
    ],
)
def test_equals_diffusers(method: str, scheduler: Any, steps: int) -> None:
    scheduler.set_timesteps(steps)
    theirs = torch.from_numpy(start())
    for time in scheduler.timesteps:
        theirs = scheduler.step(toy_noise(theirs, int(time)), time, theirs).prev_sample
    grid = Grid.of(scheduler, steps)
    ours = sample(lambda z, step: toy_noise(z, grid.times[step]), grid, start(), method)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-4, atol=2e-5)


def test_adams_bashforth_weights_sum_to_one() -> None:
    """And are exact on polynomials in the step number up to their order: golden values."""
    ones = [np.ones(1)] * 4
    assert [adams_bashforth(ones[:n])[0] for n in (1, 2, 3, 4)] == pytest.approx([1] * 4)
    # The mean of k^3 over [0, 1] from its values at 0, -1, -2, -3 is 1/4.
    assert adams_bashforth([np.array([float(-k) ** 3]) for k in range(4)])[0] == pytest.approx(0.25)


def test_the_grid_is_that_of_the_released_sampler(tiny: Target) -> None:
    scheduler = sampling.open_denoiser(tiny).scheduler
    grid = Grid.of(scheduler, 50)
    alphas = scheduler.alphas_cumprod.double()
    assert grid.times == tuple(range(981, 0, -20))
    assert grid.after[-1] == alphas[0]
    assert grid.after[:-1] == grid.before[1:]
    assert min(grid.factor(step) for step in range(50)) >= 1
    with pytest.raises(ValueError, match="steps=501 must be from 1 to 500"):
        Grid.of(scheduler, 501)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_velocities_become_noise(tiny: Target, kind: str) -> None:
    """A U-Net that knows the answer, in either parametrisation, is understood."""
    pipe = sampling.open_denoiser(tiny)
    grid = Grid.of(pipe.scheduler, 10)
    clean, noise = (np.random.default_rng(s).standard_normal((1, 4, 4, 4)) for s in (0, 1))
    alpha = grid.before[3]
    noisy = alpha**0.5 * clean + (1 - alpha) ** 0.5 * noise
    velocity = alpha**0.5 * noise - (1 - alpha) ** 0.5 * clean
    answer = torch.from_numpy(noise if kind == "epsilon" else velocity).float()
    fake = _Oracle(answer)
    scheduler = SimpleNamespace(config=SimpleNamespace(prediction_type=kind))
    predict = NoisePredictor(
        pipe=SimpleNamespace(unet=fake, scheduler=scheduler),
        conditioning=sampling.encode_prompts(pipe, ["a"]),
        guidance=4.0,
        grid=grid,
    )
    np.testing.assert_allclose(predict(noisy, 3), noise, atol=1e-5)


def test_other_parametrisations_are_refused(tiny: Target) -> None:
    pipe = sampling.open_denoiser(tiny)
    scheduler = SimpleNamespace(config=SimpleNamespace(prediction_type="sample"))
    predict = NoisePredictor(
        pipe=SimpleNamespace(unet=pipe.unet, scheduler=scheduler),
        conditioning=sampling.encode_prompts(pipe, ["a"]),
        guidance=1.0,
        grid=Grid.of(pipe.scheduler, 2),
    )
    with pytest.raises(ValueError, match="prediction_type='sample' must be 'epsilon' or"):
        predict(np.zeros((1, 4, 4, 4)), 0)


class _Oracle:
    """Returns the same output for every row, whatever it is called on."""

    def __init__(self, answer: torch.Tensor) -> None:
        self._answer = answer
        self.device = answer.device
        self.dtype = answer.dtype

    def __call__(self, latents: torch.Tensor, *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(sample=self._answer.repeat(len(latents), 1, 1, 1))
