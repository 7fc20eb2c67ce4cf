"""Every attack on a network that was overfitted in seconds, and on permuted labels."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from scipy.stats import mannwhitneyu

from latentleak.adversaries.membership.clid import CLiD
from latentleak.adversaries.membership.gradients import GradientNorms
from latentleak.adversaries.membership.learned import Learned
from latentleak.adversaries.membership.loss import Loss
from latentleak.adversaries.membership.model import Denoiser, Samples, scores
from latentleak.adversaries.membership.pia import PIA, normal
from latentleak.adversaries.membership.secmi import SecMI, moved
from latentleak.adversaries.membership.sima import SimA
from latentleak.targets.sampling import Conditioning

EACH = 24
BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()
ALPHAS = torch.cumprod(1 - BETAS, 0)
ATTACKS = {
    "loss": Loss(),
    "losses": Loss(times=(60, 120, 200), draws=2),
    "secmi": SecMI(),
    "pia": PIA(),
    "pian": PIA(normalized=True),
    "sima": SimA(),
    "clid": CLiD(),
}


@pytest.fixture(scope="module")
def samples() -> Samples:
    torch.manual_seed(0)
    told = Conditioning(text=torch.randn(2 * EACH, 2, 16), empty=torch.zeros(2 * EACH, 2, 16))
    return Samples(latents=torch.randn(2 * EACH, 4, 4, 4), told=told)


@pytest.fixture(scope="module")
def model(samples: Samples) -> Denoiser:
    """Trained on the first half, captions dropped once in ten."""
    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64,),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=16,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    denoiser = Denoiser(unet=unet, alphas=ALPHAS, predicts="v_prediction")
    optimizer = torch.optim.Adam(unet.parameters(), 2e-3)
    members = samples[slice(0, EACH)]
    for _ in range(400):
        times = torch.randint(350, (EACH,))
        alpha = ALPHAS[times].view(-1, 1, 1, 1)
        noise = torch.randn_like(members.latents)
        noisy = alpha.sqrt() * members.latents + (1 - alpha).sqrt() * noise
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * members.latents
        kept = (torch.rand(EACH, 1, 1) > 0.1) * members.told.text
        out = unet(noisy, times, encoder_hidden_states=kept).sample
        optimizer.zero_grad()
        (out - velocity).square().mean().backward()
        optimizer.step()
    return denoiser


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_finds_members_and_nothing_in_permuted_labels(
    name: str, model: Denoiser, samples: Samples
) -> None:
    found = scores(ATTACKS[name], model, samples, seed=3)
    assert found.shape == (2 * EACH,)
    assert area(found[:EACH], found[EACH:]) > 0.9, name
    mixed = found[np.random.default_rng(0).permutation(2 * EACH)]
    assert at_chance(mixed)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_untrained_network_tells_nothing(name: str, model: Denoiser, samples: Samples) -> None:
    torch.manual_seed(5)
    unet = UNet2DConditionModel.from_config(model.unet.config)
    fresh = Denoiser(unet=unet, alphas=ALPHAS, predicts="v_prediction")
    found = scores(ATTACKS[name], fresh, samples, seed=3)
    assert at_chance(found)


@pytest.mark.parametrize("name", ["secmi", "pia", "pian", "sima"])
def test_batches_do_not_change_scores_without_noise(
    name: str, model: Denoiser, samples: Samples
) -> None:
    assert ATTACKS[name].queries > 0
    one = scores(ATTACKS[name], model, samples, seed=0, batch=1)
    assert np.allclose(one, scores(ATTACKS[name], model, samples, seed=0), rtol=1e-3)


@pytest.mark.parametrize("name", ATTACKS)
def test_queries_are_counted(name: str, model: Denoiser, samples: Samples) -> None:
    rows = 0

    def count(module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal rows
        rows += len(inputs[0])

    handle = model.unet.register_forward_pre_hook(count)
    scores(ATTACKS[name], model, samples[slice(0, 3)], seed=0)
    handle.remove()
    assert rows == 3 * ATTACKS[name].queries


def test_gradients_are_small_on_members(model: Denoiser, samples: Samples) -> None:
    wanted = [p.requires_grad for p in model.unet.parameters()]
    norms = GradientNorms().features(model, samples, seed=0)
    assert area(*np.split(-np.linalg.norm(norms, axis=1), [EACH])) > 0.9
    half = EACH // 2
    learned = Learned.fit(norms[:half], norms[EACH : EACH + half])
    found = learned.scores(norms)
    assert area(found[half:EACH], found[EACH + half :]) > 0.9
    assert [p.requires_grad for p in model.unet.parameters()] == wanted


def test_secmi_learned_on_its_error(model: Denoiser, samples: Samples) -> None:
    with torch.no_grad():
        error = SecMI().error(model, samples).abs().flatten(1).double().numpy()
    half = EACH // 2
    found = Learned.fit(error[:half], error[EACH : EACH + half], penalty=100).scores(error)
    assert area(found[half:EACH], found[EACH + half :]) > 0.8


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
    plain = Samples(latents=torch.randn(5, 4, 4, 4))
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
    assert np.allclose(scores(SimA(), model, one, seed=0), -norm, rtol=1e-4)


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
        lambda: Denoiser(unet=None, alphas=ALPHAS, predicts="noise"),
        lambda: Samples(latents=torch.zeros(2, 1, 1, 1), text=torch.zeros(1, 1, 1)),
        lambda: Denoiser(unet=None, alphas=ALPHAS, predicts="sample").alpha(1000),
    ],
)
def test_arguments_are_checked(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must|rows"):
        make()


def area(members: np.ndarray, non_members: np.ndarray) -> float:
    return float((members[:, None] > non_members[None]).mean())


def at_chance(found: np.ndarray) -> bool:
    """Whether an exact rank test is between its 5e-7 quantiles: wrong with probability 1e-6."""
    test = mannwhitneyu(found[:EACH], found[EACH:], alternative="two-sided", method="exact")
    return bool(test.pvalue > 1e-6)
