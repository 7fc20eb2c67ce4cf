"""Every attack on a network that knows its samples by heart, and where there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel

from latentleak.adversaries.membership.clid import CLiD, third
from latentleak.adversaries.membership.gradients import GradientNorms
from latentleak.adversaries.membership.learned import (
    ErrorOf,
    Extractor,
    Learned,
    LogLosses,
    LogNorms,
)
from latentleak.adversaries.membership.loss import Loss
from latentleak.adversaries.membership.model import Attack, Denoiser, Samples, area, scores
from latentleak.adversaries.membership.pia import PIA, normal
from latentleak.adversaries.membership.reference import lira, rmia
from latentleak.adversaries.membership.secmi import SecMI, moved
from latentleak.adversaries.membership.sima import SimA
from latentleak.targets.sampling import Conditioning
from latentleak.targets.work import meter

from .overfitted import ALPHAS, EACH, SHAPE, at_chance, drawn, trained

ATTACKS: Mapping[str, Attack] = {
    "loss": Loss(),
    "losses": Loss(times=(60, 120, 200), draws=2),
    "secmi": SecMI(),
    "pia": PIA(),
    "pian": PIA(normalized=True),
    "sima": SimA(),
    "clid": CLiD(),
}
PUBLISHED = {"loss": 1, "losses": 6, "secmi": 11, "pia": 2, "pian": 2, "sima": 1, "clid": 6}
"""Queries a sample: those of the papers, or as many as are asked for."""

LEARNED: Mapping[str, Extractor] = {
    "secmi": ErrorOf(),
    "losses": LogLosses(times=(100, 200, 300)),
    "gradients": LogNorms(norms=GradientNorms(times=(60, 200))),
}
MEMBER = np.repeat([1, 0], EACH)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return drawn(0)


@pytest.fixture(scope="module")
def model(samples: Samples) -> Denoiser:
    return trained(samples, seed=1)


@pytest.fixture(scope="module")
def shadows() -> list[tuple[Denoiser, Samples]]:
    """Models that were trained alike on other samples, of which each has its own."""
    others = [drawn(seed) for seed in range(10, 14)]
    return [(trained(each, seed=seed), each) for seed, each in enumerate(others)]


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_finds_members_and_nothing_in_permuted_labels(
    name: str, model: Denoiser, samples: Samples
) -> None:
    found = scores(ATTACKS[name], model, samples, seed=3)
    assert found.shape == (2 * EACH,)
    assert area(found, MEMBER) > 0.95
    assert at_chance(found[np.random.default_rng(0).permutation(2 * EACH)])


@pytest.mark.parametrize("name", ATTACKS)
def test_a_model_of_other_samples_tells_nothing(
    name: str, shadows: list[tuple[Denoiser, Samples]], samples: Samples
) -> None:
    assert at_chance(scores(ATTACKS[name], shadows[0][0], samples, seed=3))


@pytest.mark.parametrize("name", ATTACKS)
def test_queries_are_those_of_the_paper(name: str, model: Denoiser, samples: Samples) -> None:
    with meter() as work:
        scores(ATTACKS[name], model, samples[slice(0, 3)], seed=0)
    assert work.rows == 3 * PUBLISHED[name]
    assert ATTACKS[name].queries == PUBLISHED[name]


@pytest.mark.parametrize("name", ["secmi", "pia", "pian", "sima"])
def test_batches_do_not_change_scores_without_noise(
    name: str, model: Denoiser, samples: Samples
) -> None:
    one = scores(ATTACKS[name], model, samples, seed=0, batch=1)
    assert np.allclose(one, scores(ATTACKS[name], model, samples, seed=0), rtol=1e-3)


@pytest.mark.parametrize("name", LEARNED)
def test_what_is_learned_on_shadow_models_holds_for_others(
    name: str, model: Denoiser, samples: Samples, shadows: list[tuple[Denoiser, Samples]]
) -> None:
    extractor = LEARNED[name]
    tables = [extractor.features(each, own, seed=0) for each, own in shadows]
    groups = np.repeat(np.arange(len(shadows)), 2 * EACH)
    learned = Learned.fit(np.concatenate(tables), np.tile(MEMBER, len(shadows)), groups)
    assert area(learned.scores(extractor.features(model, samples, seed=0)), MEMBER) > 0.95
    elsewhere = extractor.features(shadows[0][0], samples, seed=0)
    assert at_chance(learned.scores(elsewhere))


@pytest.mark.parametrize("name", LEARNED)
def test_queries_of_features_are_counted(name: str, model: Denoiser, samples: Samples) -> None:
    with meter() as work:
        LEARNED[name].features(model, samples[slice(0, 3)], seed=0)
    assert work.rows == 3 * LEARNED[name].queries


def test_ratios_against_shadow_models(
    model: Denoiser, samples: Samples, shadows: list[tuple[Denoiser, Samples]]
) -> None:
    signal, population = Loss(), drawn(99)
    own = scores(signal, model, samples, seed=0)
    others = np.stack([scores(signal, each, samples, seed=0) for each, _ in shadows])
    known = scores(signal, model, population, seed=0)
    known_others = np.stack([scores(signal, each, population, seed=0) for each, _ in shadows])
    assert area(lira(own, others), MEMBER) > 0.95
    assert area(rmia(own, others, known, known_others), MEMBER) > 0.95
    assert at_chance(lira(others[0], others[1:]))
    assert at_chance(rmia(others[0], others[1:], known_others[0], known_others[1:]))


def test_captions_are_what_a_conditional_attack_reads(model: Denoiser, samples: Samples) -> None:
    """With captions of other samples the discrepancy is lost on members too."""
    assert samples.told is not None
    mixed = replace(samples, told=samples.told[torch.arange(2 * EACH).roll(1)])
    gain = CLiD(weight=1.0)
    own, others = scores(gain, model, samples, seed=0), scores(gain, model, mixed, seed=0)
    assert area(own, MEMBER) > 0.85
    assert area(others, MEMBER) < area(own, MEMBER) - 0.2


def test_thirds_of_a_caption() -> None:
    caption = "woman firefighter: dark skin tone, noto style"
    parts = [third(caption, part) for part in ("first", "middle", "last")]
    assert " ".join(parts) == caption
    reduced = drawn(5).told
    assert reduced is not None
    more = CLiD(thirds=("first", "last"))
    own = replace(drawn(0), reduced=(reduced, reduced))
    with meter() as work:
        scores(more, trained(drawn(0), seed=0, steps=1), own, seed=0)
    assert work.rows == len(own) * more.queries


@pytest.mark.parametrize("conditional", [True, False])
def test_gradients_of_each_sample_are_those_of_one_at_a_time(*, conditional: bool) -> None:
    """Norms of every layer of a U-Net: linear, convolution, group and layer norms."""
    torch.manual_seed(0)
    options = {"sample_size": 4, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
               "block_out_channels": (8,), "norm_num_groups": 4}  # fmt: skip
    told = None
    if conditional:
        unet = UNet2DConditionModel(
            down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",),
            cross_attention_dim=8, attention_head_dim=2, **options,
        )  # fmt: skip
        text = torch.randn(3, 2, 8)
        told = Conditioning(text=text, empty=text)
    else:
        unet = UNet2DModel(
            down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), **options
        )
    model = Denoiser(unet=unet, alphas=ALPHAS, predicts="epsilon")
    own = Samples(latents=torch.randn(3, 4, 4, 4), told=told)
    norms = GradientNorms(times=(60, 200))
    wanted = [p.requires_grad for p in unet.parameters()]
    found = norms.features(model, own, seed=0, batch=3)
    assert [p.requires_grad for p in unet.parameters()] == wanted
    assert np.allclose(found, _one_by_one(model, own, norms.times), rtol=1e-4, atol=1e-7)


def _one_by_one(
    model: Denoiser, samples: Samples, times: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    generator, parameters = torch.Generator().manual_seed(0), list(model.unet.parameters())
    noises = [torch.randn(samples.latents.shape, generator=generator) for _ in times]
    rows = []
    for i in range(len(samples)):
        one, loss = samples[slice(i, i + 1)], torch.zeros(())
        for time, noise in zip(times, noises, strict=True):
            x = model.noisy(one.latents, noise[i : i + 1], time)
            error = model.noise(x, time, one.told) - noise[i : i + 1]
            loss = loss + error.square().mean() / len(times)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        rows.append([0.0 if g is None else float(g.norm()) for g in gradients])
    return np.array(rows)


def test_an_unconditional_pipeline_is_attacked_too() -> None:
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
    )
    model = Denoiser(unet=unet, alphas=ALPHAS, predicts="epsilon")
    plain = Samples(latents=torch.randn(5, *SHAPE))
    for name, attack in ATTACKS.items():
        if name != "clid":
            assert np.isfinite(scores(attack, model, plain, seed=0)).all()
    with pytest.raises(ValueError, match="unconditional"):
        scores(CLiD(), model, plain, seed=0)


class Oracle(torch.nn.Module):
    """Knows the noise of data that is always zero."""

    dtype = torch.float32

    def __init__(self, predicts: str) -> None:
        super().__init__()
        self.predicts = predicts

    def forward(self, x: torch.Tensor, times: torch.Tensor) -> object:
        alpha = ALPHAS[times].view(-1, 1, 1, 1)
        noise = x / (1 - alpha).sqrt()
        told = {
            "epsilon": noise,
            "sample": torch.zeros_like(x),
            "v_prediction": alpha.sqrt() * noise,
        }
        return type("Out", (), {"sample": told[self.predicts]})()


@pytest.mark.parametrize("predicts", ["epsilon", "sample", "v_prediction"])
def test_closed_forms_of_data_at_zero(predicts: str) -> None:
    model = Denoiser(unet=Oracle(predicts), alphas=ALPHAS, predicts=predicts)
    zero = Samples(latents=torch.zeros(3, 4, 2, 2))
    assert np.allclose(scores(Loss(draws=2), model, zero, seed=0), 0, atol=1e-6)
    assert np.allclose(scores(PIA(), model, zero, seed=0), 0)
    assert np.allclose(scores(SecMI(), model, zero, seed=0), 0)
    one = Samples(latents=torch.ones(3, 4, 2, 2))
    norm = 16**0.25 / float((1 - ALPHAS[100]).sqrt())
    assert np.allclose(scores(SimA(), model, one, seed=0), -norm, rtol=1e-6)


def test_a_step_there_and_back_is_the_identity_for_the_oracle() -> None:
    model = Denoiser(unet=Oracle("epsilon"), alphas=ALPHAS, predicts="epsilon")
    x = torch.randn(2, 4, 2, 2)
    assert torch.allclose(moved(model, moved(model, x, 100, 110, None), 110, 100, None), x)


def test_normal_noise_has_the_mean_of_a_normal() -> None:
    found = normal(5 * torch.randn(3, 4, 8, 8)).abs().flatten(1).mean(1)
    assert torch.allclose(found, torch.full((3,), (2 / torch.pi) ** 0.5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SecMI(time=105),
        lambda: CLiD(weight=2),
        lambda: CLiD(thirds=("fourth",)),
        lambda: CLiD(scales=(0.0, 1.0)),
        lambda: Denoiser(unet=None, alphas=ALPHAS, predicts="noise"),
        lambda: Samples(latents=torch.zeros(2, 1, 1, 1), told=drawn(0).told),
        lambda: Denoiser(unet=None, alphas=ALPHAS, predicts="sample").alpha(1000),
        lambda: GradientNorms().features(trained(drawn(0), seed=0, steps=1), drawn(0), seed=0,
                                         layers="none"),
    ],
)  # fmt: skip
def test_arguments_are_checked(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must|rows|start of no"):
        make()
