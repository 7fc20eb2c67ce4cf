"""Networks that learn their few samples by heart in a second: what every attack must find."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from scipy.stats import mannwhitneyu
from torch import Tensor, nn

from latentleak.adversaries.membership.model import Denoiser, Samples
from latentleak.targets.sampling import Conditioning

EACH = 32
"""Members, and others."""

SHAPE = (4, 4, 4)
WIDTH = 8
BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()
ALPHAS = torch.cumprod(1 - BETAS, 0)


class Network(nn.Module):
    """Three layers on latent, time and caption."""

    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64 + 16 + WIDTH, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(),
            nn.Linear(256, 64),
        )  # fmt: skip

    def forward(
        self, x: Tensor, times: Tensor, encoder_hidden_states: Tensor | None = None
    ) -> SimpleNamespace:
        angles = times[:, None] / 1000 * 2.0 ** torch.arange(8)
        clock = torch.cat([angles.sin(), angles.cos()], 1)
        text = torch.zeros(len(x), WIDTH)
        if encoder_hidden_states is not None:
            text = encoder_hidden_states.mean(1)
        out = self.layers(torch.cat([x.flatten(1), clock, text], 1))
        return SimpleNamespace(sample=out.view_as(x))


def drawn(seed: int) -> Samples:
    """Twice `EACH` samples of one law: normal latents, each with a caption of its own."""
    generator = torch.Generator().manual_seed(seed)
    told = torch.randn(2 * EACH, 2, WIDTH, generator=generator)
    return Samples(
        latents=torch.randn(2 * EACH, *SHAPE, generator=generator),
        told=Conditioning(text=told, empty=torch.zeros_like(told)),
    )


def trained(samples: Samples, *, seed: int, steps: int = 300) -> Denoiser:
    """A network that saw the first half, captions dropped once in ten."""
    assert samples.told is not None
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    latents, text = samples.latents[:EACH], samples.told.text[:EACH]
    for _ in range(steps):
        times = torch.randint(350, (EACH,), generator=generator)
        alpha = ALPHAS[times].view(-1, 1, 1, 1)
        noise = torch.randn(latents.shape, generator=generator)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
        kept = (torch.rand(EACH, 1, 1, generator=generator) > 0.1) * text
        out = network(noisy, times, encoder_hidden_states=kept).sample
        optimizer.zero_grad()
        (out - velocity).square().mean().backward()
        optimizer.step()
    return Denoiser(unet=network.requires_grad_(False), alphas=ALPHAS, predicts="v_prediction")


def at_chance(found: object) -> bool:
    """Whether an exact rank test is between its 5e-7 quantiles: wrong with probability 1e-6."""
    members, others = found[:EACH], found[EACH:]  # type: ignore[index]
    test = mannwhitneyu(members, others, alternative="two-sided", method="exact")
    return bool(test.pvalue > 1e-6)
