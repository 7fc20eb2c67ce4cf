"""Sampling in pieces equals sampling at once, and says so when it cannot."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from latentleak.targets import TargetError, load
from latentleak.targets.sampling import (
    Conditioning,
    decode,
    denoise,
    encode,
    encode_prompts,
    generate,
    initial_noise,
    latent_shape,
    new_solver,
)

STEPS = 8


@pytest.fixture(scope="module")
def pipe() -> DiffusionPipeline:
    return load("tiny", device="cpu").open()


@pytest.fixture(scope="module")
def conditioning(pipe: DiffusionPipeline) -> Conditioning:
    return encode_prompts(pipe, ["woman firefighter: dark skin tone", "red apple"])


@pytest.fixture(scope="module")
def noise(pipe: DiffusionPipeline) -> torch.Tensor:
    return initial_noise(pipe, 2, torch.Generator().manual_seed(5))


@pytest.mark.parametrize("switch", [0, 1, 3, STEPS - 1, STEPS])
def test_two_halves_equal_the_whole(
    pipe: DiffusionPipeline, conditioning: Conditioning, noise: torch.Tensor, switch: int
) -> None:
    whole = denoise(pipe, noise, conditioning, steps=STEPS)
    first = denoise(pipe, noise, conditioning, steps=STEPS, stop=switch)
    second = denoise(
        pipe, first.latents, conditioning, steps=STEPS, start=switch, history=first.history
    )
    assert torch.equal(second.latents, whole.latents)
    assert second.history is not None
    assert whole.history is not None
    assert torch.equal(second.history, whole.history)


def test_without_history_the_solver_restarts_at_first_order(
    pipe: DiffusionPipeline, conditioning: Conditioning, noise: torch.Tensor
) -> None:
    half = denoise(pipe, noise, conditioning, steps=STEPS, stop=4)
    step = denoise(pipe, half.latents, conditioning, steps=STEPS, start=4, stop=5)
    solver = new_solver(pipe, STEPS)
    alpha, sigma = (solver.sigmas[4:6] ** 2 + 1).rsqrt(), solver.sigmas[4:6]
    ratio = (sigma[1] * alpha[1]) / (sigma[0] * alpha[0])
    lam = -sigma.log()
    assert step.history is not None
    first_order = ratio * half.latents - alpha[1] * torch.expm1(lam[0] - lam[1]) * step.history
    assert torch.allclose(step.latents, first_order, atol=1e-5)
    second_order = denoise(
        pipe, half.latents, conditioning, steps=STEPS, start=4, stop=5, history=half.history
    )
    assert not torch.equal(step.latents, second_order.latents)


def test_agrees_with_the_pipeline_itself(pipe: DiffusionPipeline) -> None:
    prompts = ["man: light skin tone", "panda"]
    noise = initial_noise(pipe, 2, torch.Generator().manual_seed(1))
    ours = generate(pipe, prompts, seed=1, steps=STEPS, guidance=3.0)
    theirs = pipe(
        prompts,
        latents=noise,
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        negative_prompt=["", ""],
        output_type="pt",
        height=8,
        width=8,
    ).images
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_parallel_calls_do_not_disturb_each_other(
    pipe: DiffusionPipeline, conditioning: Conditioning, noise: torch.Tensor
) -> None:
    def work(start: int) -> torch.Tensor:
        return denoise(pipe, noise, conditioning, steps=STEPS, start=start).latents

    alone = [work(start) for start in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(torch.equal, alone, pool.map(work, range(4))))


def test_cloud_and_local_share_the_grid() -> None:
    target = load("tiny")
    cloud = new_solver(target.open("scheduler"), 25)
    local = new_solver(target.open("scheduler", model="local"), 25)
    assert torch.equal(cloud.timesteps, local.timesteps)
    assert torch.equal(cloud.sigmas, local.sigmas)


def test_no_guidance_is_one_conditional_call(
    pipe: DiffusionPipeline, conditioning: Conditioning, noise: torch.Tensor
) -> None:
    other = Conditioning(text=conditioning.text, empty=torch.randn_like(conditioning.empty))
    first = denoise(pipe, noise, conditioning, steps=4, guidance=1)
    assert torch.equal(first.latents, denoise(pipe, noise, other, steps=4, guidance=1).latents)


def test_callback_sees_every_step(
    pipe: DiffusionPipeline, conditioning: Conditioning, noise: torch.Tensor
) -> None:
    seen: list[int] = []
    denoise(
        pipe, noise, conditioning, steps=STEPS, start=2, stop=6,
        callback=lambda step, latents: seen.append(step),
    )  # fmt: skip
    assert seen == [2, 3, 4, 5]


def test_sdxl_pieces(folders: dict[str, Path]) -> None:
    pipe = load(str(folders["sdxl"]), device="cpu").open()
    conditioning = encode_prompts(pipe, ["a cat", "a dog"])
    assert set(conditioning.added) == {"text_embeds", "time_ids"}
    assert len(conditioning[[1]]) == 1
    noise = initial_noise(pipe, 2, torch.Generator().manual_seed(0))
    whole = denoise(pipe, noise, conditioning, steps=4)
    half = denoise(pipe, noise, conditioning, steps=4, stop=2)
    rest = denoise(pipe, half.latents, conditioning, steps=4, start=2, history=half.history)
    assert torch.equal(rest.latents, whole.latents)


def test_shapes(pipe: DiffusionPipeline, noise: torch.Tensor) -> None:
    assert latent_shape(pipe) == (4, 4, 4)
    images = decode(pipe, noise)
    assert images.shape == (2, 3, 8, 8)
    assert encode(pipe, images).shape == noise.shape


def test_arguments_are_checked(
    pipe: DiffusionPipeline, conditioning: Conditioning, noise: torch.Tensor
) -> None:
    with pytest.raises(TargetError, match="start=5, stop=3 must satisfy"):
        denoise(pipe, noise, conditioning, steps=8, start=5, stop=3)
    with pytest.raises(TargetError, match="latents has 1 rows and conditioning 2"):
        denoise(pipe, noise[:1], conditioning)
    with pytest.raises(TargetError, match="history has shape"):
        denoise(pipe, noise, conditioning, history=noise[:1])
    with pytest.raises(TargetError, match="prompts is empty"):
        encode_prompts(pipe, [])
