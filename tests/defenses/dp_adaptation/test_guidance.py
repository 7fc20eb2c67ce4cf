"""Guidance by a feature: exact where it is off, nearer to the feature where it is on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.dp_adaptation.aggregation import Centroid
from latentleak.defenses.dp_adaptation.guidance import (
    LOSS_SCALE,
    Guidance,
    _levels,
    _pixels,
    generate_guided,
    image_features,
    noise_and_clean,
)
from latentleak.defenses.seeds import torch_stream
from latentleak.targets import load, private_sets, sampling
from latentleak.targets.features import ImageEncoder
from latentleak.targets.pipeline import Target

KINDS = ("v_prediction", "epsilon", "sample")
PROMPTS = ["red heart, noto style", "star"]


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return ImageEncoder.open()


@pytest.fixture(scope="module")
def feature() -> np.ndarray:
    return np.random.default_rng(0).normal(size=256)


@pytest.mark.parametrize("kind", KINDS)
@given(signal=st.floats(0.01, 0.99), seed=st.integers(0, 2**32 - 1))
def test_every_output_stands_for_the_same_noise(
    kinds: dict[str, Target], kind: str, signal: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    noise, clean = torch.randn((2, 1, 4, 2, 2), generator=generator, dtype=torch.float64)
    share = torch.tensor(signal, dtype=torch.float64)
    z = share.sqrt() * clean + (1 - share).sqrt() * noise
    output = {
        "epsilon": noise,
        "sample": clean,
        "v_prediction": share.sqrt() * noise - (1 - share).sqrt() * clean,
    }[kind]
    found = noise_and_clean(kinds[kind].open(), output, z, share)
    torch.testing.assert_close(found[0], noise, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found[1], clean, rtol=1e-6, atol=1e-6)


def slow(
    target: Target, feature: np.ndarray, encoder: ImageEncoder, guidance: Guidance
) -> torch.Tensor:
    """The formulas of the module, one after the other, for a model that predicts noise."""
    pipe = target.open()
    goal = torch.nn.functional.normalize(torch.from_numpy(feature), dim=0).float()
    conditions = sampling.encode_prompts(pipe, PROMPTS)
    z = sampling.initial_noise(pipe, 2, torch_stream(4, "start"))
    again = torch_stream(4, "recurrence")
    for time, a, b in _levels(pipe, guidance.steps):
        for turn in range(guidance.recurrence):
            z = z.detach().requires_grad_()
            e = sampling.predict(pipe, z, time, conditions, guidance.scale)
            x0 = (z - (1 - a).sqrt() * e) / a.sqrt()
            cosines = encoder.features(_pixels(pipe, x0)) @ goal
            g = torch.autograd.grad(guidance.weight * LOSS_SCALE * cosines.sum(), z)[0]
            e = (e - (1 - a).sqrt() * g).detach()
            x0 = (z.detach() - (1 - a).sqrt() * e) / a.sqrt()
            later = b.sqrt() * x0 + (1 - b).sqrt() * e
            z = later
            if turn < guidance.recurrence - 1:
                fresh = torch.randn(z.shape, generator=again)
                z = (a / b).sqrt() * later + (1 - a / b).sqrt() * fresh
    return sampling.decode(pipe, z)


def test_equals_the_formulas(
    kinds: dict[str, Target], feature: np.ndarray, encoder: ImageEncoder
) -> None:
    guidance = Guidance(weight=0.3, recurrence=2, steps=3, scale=2.0)
    fast = generate_guided(
        kinds["epsilon"].open(), PROMPTS, feature, encoder, guidance=guidance, seed=4
    )
    torch.testing.assert_close(fast, slow(kinds["epsilon"], feature, encoder, guidance))


@pytest.mark.parametrize("kind", KINDS)
def test_without_weight_the_feature_does_not_matter(
    kinds: dict[str, Target], kind: str, feature: np.ndarray, encoder: ImageEncoder
) -> None:
    guidance = Guidance(weight=0.0, recurrence=1, steps=4)
    pipe = kinds[kind].open()
    first, second = (
        generate_guided(pipe, PROMPTS, f, encoder, guidance=guidance, seed=0)
        for f in (feature, -feature)
    )
    assert torch.equal(first, second)
    strong = Guidance(weight=5.0, recurrence=1, steps=4)
    third = generate_guided(pipe, PROMPTS, feature, encoder, guidance=strong, seed=0)
    assert torch.isfinite(third).all()
    assert not torch.equal(first, third)


def test_ends_without_noise_and_starts_at_the_noisiest(tiny: Target) -> None:
    levels = _levels(tiny.open(), 5)
    assert [int(time) for time, _, _ in levels] == [999, 749, 500, 250, 0]
    assert levels[-1][2] == 1
    assert all(now < later for _, now, later in levels)
    assert all(levels[i][2] == levels[i + 1][1] for i in range(4))


def test_leads_towards_the_collection(encoder: ImageEncoder) -> None:
    pipe = load("embedded", device="cpu").open()
    features = image_features(encoder, private_sets.load("pictograms").images[:20])
    centroid = features.mean(0)
    goal = torch.from_numpy(centroid / np.linalg.norm(centroid)).float()
    near = [
        encoder.embed(
            generate_guided(
                pipe, PROMPTS, centroid, encoder,
                guidance=Guidance(weight=weight, recurrence=1, steps=6), seed=1,
            )
        ) @ goal
        for weight in (0.0, 1.0)
    ]  # fmt: skip
    assert (near[1] > near[0]).all()


def test_features_are_unit_records_of_the_centroid(encoder: ImageEncoder) -> None:
    images = private_sets.load("pictograms").images[:6]
    features = image_features(encoder, images)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-6)
    assert np.array_equal(image_features(encoder, images[4:5])[0], features[4])
    out = Centroid(epsilon=1.0).release(features, np.random.default_rng(0), trials=3)
    assert out.shape == (3, 256)


def test_errors(tiny: Target, encoder: ImageEncoder) -> None:
    plan = Guidance(steps=1)
    for bad in (np.zeros(256), np.ones(255), np.full(256, np.nan)):
        with pytest.raises(ValueError, match="must be a finite non-zero vector of length 256"):
            generate_guided(tiny.open(), PROMPTS, bad, encoder, guidance=plan, seed=0)
    for field, value in (("weight", -1.0), ("recurrence", 0), ("steps", 0), ("scale", 0.5)):
        with pytest.raises(ValueError, match=f"{field}={value} must be"):
            Guidance(**{field: value})  # type: ignore[arg-type]
