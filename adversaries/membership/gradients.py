"""GSA: how far a sample still pulls at each parameter of the network; needs the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .model import Denoiser, Samples, gaussian


@dataclass(frozen=True, kw_only=True)
class GradientNorms:
    """Features: per parameter tensor, the norm of the gradient of the sample's mean loss.

    The mean is over equidistant times (the first of the two variants of the reference). A
    classifier learned on models of one's own turns the features into a score (`Learned`);
    without any, minus the whole norm is one: on members the gradient has been descended.

    Attributes:
        times: Time steps of the losses.

    References:
        Pang et al., White-box Membership Inference Attacks against Diffusion Models (2023),
        https://arxiv.org/abs/2308.06405.
    """

    times: tuple[int, ...] = (60, 120, 200)

    @property
    def queries(self) -> int:
        """One forward and one backward pass a time step."""
        return len(self.times)

    def features(
        self, model: Denoiser, samples: Samples, *, seed: int, layers: str = ""
    ) -> npt.NDArray[np.float64]:
        """Norms, shape `(n, parameters)`; one backward pass a sample, over all times at once.

        Args:
            model: Left without gradients.
            samples: In question.
            seed: Of the noise.
            layers: Only parameters whose name starts so.
        """
        named = model.unet.named_parameters()
        parameters = [p for name, p in named if name.startswith(layers)]
        if not parameters:
            raise ValueError(f"layers={layers!r} is the start of no parameter's name")
        before = [p.requires_grad for p in parameters]
        generator = torch.Generator().manual_seed(seed)
        rows = []
        try:
            for parameter in parameters:
                parameter.requires_grad_(True)
            for i in range(len(samples)):
                rows.append(self._norms(model, samples[slice(i, i + 1)], parameters, generator))
        finally:
            for parameter, wanted in zip(parameters, before, strict=True):
                parameter.requires_grad_(wanted)
        return np.stack(rows)

    def _norms(
        self,
        model: Denoiser,
        sample: Samples,
        parameters: list[torch.nn.Parameter],
        generator: torch.Generator,
    ) -> npt.NDArray[np.float64]:
        noise = gaussian(sample.latents, generator)
        loss = torch.zeros(())
        for time in self.times:
            x = model.noisy(sample.latents, noise, time)
            loss = loss + (model.noise(x, time, sample.text) - noise).square().mean()
        gradients = torch.autograd.grad(loss / len(self.times), parameters, allow_unused=True)
        norms = [0.0 if g is None else float(g.float().norm()) for g in gradients]
        return np.array(norms)
