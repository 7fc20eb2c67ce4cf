"""Side by side is one by one; nothing else than its own image decides an embedding."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from latentleak.defenses.dp_adaptation import cache as caching
from latentleak.defenses.dp_adaptation import inversion
from latentleak.defenses.dp_adaptation.inversion import Recipe, identity_of, invert
from latentleak.defenses.dp_adaptation.objective import (
    denoising_losses,
    draw,
    latents_of,
    noise_schedule,
)
from latentleak.defenses.dp_adaptation.token import TOKEN, token_vector, with_tokens
from latentleak.targets import load, private_sets
from latentleak.targets.pipeline import Target

RECIPE = Recipe(steps=5, rows=4)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return private_sets.load("pictograms").images[:10]


def one_by_one(target: Target, image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """The usual way: the whole table grows by a row, and Adam sees that row's gradient alone."""
    pipe = target.open()
    encoder, tokenizer = copy.deepcopy(pipe.text_encoder), copy.deepcopy(pipe.tokenizer)
    tokenizer.add_tokens([TOKEN])
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = encoder.get_input_embeddings().weight
    (start,) = tokenizer(recipe.initializer, add_special_tokens=False).input_ids
    with torch.no_grad():
        table[-1] = table[start]
    table.requires_grad_()
    row = torch.nn.Parameter(table[-1:].detach().clone())
    adam = torch.optim.Adam([row], lr=recipe.rate)
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)
    latent = latents_of(pipe, image[None])
    for step in range(recipe.steps):
        drawn = draw(pipe, recipe.seed, step, len(recipe.templates))
        prompt = recipe.templates[drawn.template].format(TOKEN)
        ids = tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids
        time, noise = torch.tensor([drawn.time]), drawn.noise[None]
        noisy = schedule.add_noise(latent, noise, time)
        output = pipe.unet(noisy, time, encoder_hidden_states=encoder(ids)[0]).sample
        loss = (output - schedule.get_velocity(latent, noise, time)).square().mean()
        row.grad = torch.autograd.grad(loss, table)[0][-1:]
        adam.step()
        with torch.no_grad():
            table[-1] = row[0]
    return row.detach()[0].numpy()


def test_equals_one_by_one(tiny: Target, images: np.ndarray) -> None:
    together = invert(tiny, images[:3], RECIPE)
    for row, image in zip(together, images, strict=False):
        np.testing.assert_allclose(row, one_by_one(tiny, image, RECIPE), rtol=0, atol=1e-6)


@pytest.mark.parametrize("spec", ["tiny", "embedded"])
def test_independent_of_the_company_bit_for_bit(spec: str, images: np.ndarray) -> None:
    target = load(spec, device="cpu")
    recipe = replace(RECIPE, steps=3)
    company = invert(target, images[:6], recipe)
    assert np.array_equal(invert(target, images[5:6], recipe)[0], company[5])
    assert np.array_equal(invert(target, images[9:2:-1], recipe)[4], company[5])
    assert company.dtype == np.float32


def test_sdxl_has_both_encoders_vectors(sdxl: Target, images: np.ndarray) -> None:
    vectors = invert(sdxl, images[:2], RECIPE)
    assert vectors.shape == (2, 32 + 24)
    start = token_vector(sdxl.open(), RECIPE.initializer).numpy()
    moved = np.abs(vectors - start)
    assert (moved[:, :32].max(1) > 1e-3).all()
    assert (moved[:, 32:].max(1) > 1e-3).all()


@pytest.mark.parametrize("kind", ["v_prediction", "epsilon", "sample"])
def test_losses_by_what_the_model_predicts(
    kinds: dict[str, Target], images: np.ndarray, kind: str
) -> None:
    pipe = kinds[kind].open()
    latents = latents_of(pipe, images[:2])
    noise, times = torch.randn_like(latents), torch.tensor([100, 900])
    with torch.no_grad():
        losses = denoising_losses(pipe, latents, noise, times, ["red heart", "star"])
        signal = noise_schedule(pipe).alphas_cumprod[times].view(2, 1, 1, 1)
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        text = pipe.encode_prompt(["red heart", "star"], "cpu", 1, False)[0]
        output = pipe.unet(noisy, times, encoder_hidden_states=text).sample
    goals = {
        "epsilon": noise,
        "sample": latents,
        "v_prediction": signal.sqrt() * noise - (1 - signal).sqrt() * latents,
    }
    torch.testing.assert_close(losses, (output - goals[kind]).square().mean((1, 2, 3)))


def test_adapts_the_model_to_its_own_image(images: np.ndarray) -> None:
    """Loss on noises that no step has seen; with the shipped embeddings."""
    target = load("embedded", device="cpu")
    pipe = target.open()
    vectors = torch.from_numpy(invert(target, images[:3]))
    names = [f"<{place}>" for place in range(3)]
    adapted = with_tokens(pipe, dict(zip(names, vectors, strict=True)))
    latents = latents_of(pipe, images[:3])

    @torch.no_grad()
    def loss(words: list[str]) -> torch.Tensor:
        total = torch.zeros(3)
        for step in range(10):
            drawn = draw(pipe, 99, step, 1)
            times, noise = torch.full((3,), drawn.time), drawn.noise.expand_as(latents)
            prompts = [f"{word} style" for word in words]
            total += denoising_losses(adapted, latents, noise, times, prompts)
        return total

    own, start, other = loss(names), loss(["icon"] * 3), loss(names[1:] + names[:1])
    assert (own < start).all()
    assert own.mean() < other.mean()


def test_times_cover_the_schedule(tiny: Target) -> None:
    times = sorted(draw(tiny.open(), 0, step, 1).time for step in range(50))
    assert max(np.diff([0, *times, 1000])) < 60
    again = draw(tiny.open(), 0, 7, 4)
    assert torch.equal(again.noise, draw(tiny.open(), 0, 7, 4).noise)
    assert not torch.equal(again.noise, draw(tiny.open(), 1, 7, 4).noise)


def test_the_model_is_left_alone(tiny: Target, images: np.ndarray) -> None:
    pipe = tiny.open()
    before = {k: v.clone() for k, v in pipe.text_encoder.state_dict().items()}
    invert(tiny, images[:2], RECIPE)
    assert all(torch.equal(v, before[k]) for k, v in pipe.text_encoder.state_dict().items())
    assert all(p.grad is None for p in pipe.unet.parameters())


def test_zero_steps_is_the_initializer(tiny: Target, images: np.ndarray) -> None:
    start = token_vector(tiny.open(), "icon").numpy()
    assert np.array_equal(invert(tiny, images[:1], Recipe(steps=0))[0], start)


class StopError(Exception):
    pass


def test_goes_on_where_it_was_interrupted(
    tiny: Target, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inversion, "CHECKPOINT_S", 0.0)
    steps: list[int] = []

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        invert(tiny, images[:5], RECIPE, cache=tmp_path, progress=interrupt)
    resumed = invert(
        tiny, images[:5], RECIPE, cache=tmp_path, progress=lambda done, total: steps.append(done)
    )
    assert steps == [4, 5]
    assert np.array_equal(resumed, invert(tiny, images[:5], RECIPE))
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["inversions"]


def test_any_subset_is_found_again(
    tiny: Target, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = invert(tiny, images[:4], RECIPE, cache=tmp_path)
    calls: list[int] = []
    run = inversion._run
    monkeypatch.setattr(inversion, "_run", lambda *a: calls.append(len(a[1])) or run(*a))
    assert np.array_equal(invert(tiny, images[[2, 0]], RECIPE, cache=tmp_path), first[[2, 0]])
    assert calls == []
    replaced = invert(tiny, images[[0, 1, 2, 7]], RECIPE, cache=tmp_path)
    assert calls == [1]
    assert np.array_equal(replaced[:3], first[:3])
    invert(tiny, images[:1], replace(RECIPE, seed=1), cache=tmp_path)
    assert calls == [1, 1]


def test_shipped_embeddings_are_found_for_both_collections_and_the_public_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = load("embedded", device="cpu")
    monkeypatch.setattr(inversion, "_run", lambda *_: pytest.fail("computed anew"))
    sets = [private_sets.load("stickies"), private_sets.load("pictograms"), private_sets.public()]
    for data in sets:
        vectors = invert(target, data.images)
        assert vectors.shape == (len(data), 256)
        assert np.isfinite(vectors).all()
        assert len(np.unique(vectors, axis=0)) == len(data)


def test_shipped_embeddings_are_what_this_code_computes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, images: np.ndarray
) -> None:
    """A short recipe ships as well; the long one differs in its number of steps alone."""
    target, short = load("embedded", device="cpu"), Recipe(steps=5)
    shipped = caching.Cache(folder=caching.SHIPPED, any_versions=True)
    found = shipped.find(list(images[:4]), identity_of(target, short))
    assert sorted(found) == [0, 1, 2, 3]
    monkeypatch.setattr(inversion, "SHIPPED", tmp_path)
    np.testing.assert_allclose(
        invert(target, images[:4], short), np.stack([found[i] for i in range(4)]), atol=1e-3
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", -1, "steps=-1 must be >= 0"),
        ("rate", 0.0, "rate=0.0 must be > 0"),
        ("rows", 0, "rows=0 must be >= 1"),
        ("templates", ("style",), "must each hold {} once"),
        ("templates", (), "must each hold {} once"),
    ],
)
def test_recipes_are_checked(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **{field: value})


def test_images_are_checked(tiny: Target, images: np.ndarray) -> None:
    for bad in (images.astype(np.float32), images[..., :1], images[:0]):
        with pytest.raises(ValueError, match="must be uint8"):
            invert(tiny, bad, RECIPE)
