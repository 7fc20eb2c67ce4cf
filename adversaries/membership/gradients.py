"""GSA: how far a sample still pulls at each parameter of the network; needs the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from .model import Denoiser, Samples, batches, gaussian

LAYERS = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
"""Layers whose gradient of each sample is known in closed form from their input and output."""


@dataclass(frozen=True, kw_only=True)
class GradientNorms:
    """Features: per parameter tensor, the norm of the gradient of the sample's mean loss.

    The mean is over equidistant times, the cheaper of the reference's two variants (GSA_1: losses
    are summed before one backward pass). A classifier learned on models of one's own turns the
    features into a score (`learned.LearnedGradients`); without any, minus the whole norm is one:
    on members the gradient has been descended.

    Queries: one forward and one backward pass a time step, batched over samples: each layer's
    gradient of each sample is formed from its input and its output's gradient, and only its norm
    is kept.

    Attributes:
        times: Time steps of the losses.

    References:
        Pang et al., White-box Membership Inference Attacks against Diffusion Models (2023),
        Section 4 (GSA_1), https://arxiv.org/abs/2308.06405; Goodfellow, Efficient Per-Example
        Gradient Computations (2015), https://arxiv.org/abs/1510.01799.
    """

    times: tuple[int, ...] = (60, 120, 200)

    @property
    def queries(self) -> int:
        """One forward and one backward pass a time step."""
        return len(self.times)

    def features(
        self, model: Denoiser, samples: Samples, *, seed: int, layers: str = "", batch: int = 16
    ) -> npt.NDArray[np.float64]:
        """Norms, shape `(n, parameters)`, in the order of the network's parameters.

        Args:
            model: Left without gradients.
            samples: In question.
            seed: Of the noise.
            layers: Only parameters whose name starts so.
            batch: Samples of one pass; each takes a row for every time.

        Raises:
            ValueError: No parameter's name starts with `layers`, or a layer is of another kind.
        """
        generator = torch.Generator().manual_seed(seed)
        with _watched(model.unet, layers) as watch:
            rows = [self._norms(model, each, watch, generator) for each in batches(samples, batch)]
        return np.concatenate(rows)

    def _norms(
        self, model: Denoiser, samples: Samples, watch: Watch, generator: torch.Generator
    ) -> npt.NDArray[np.float64]:
        n = len(samples)
        watch.start(n)
        latents = samples.latents
        noises = [gaussian(latents, generator) for _ in self.times]
        for time, noise in zip(self.times, noises, strict=True):
            x = model.noisy(latents, noise, time).requires_grad_(True)
            with torch.enable_grad():
                error = model.noise(x, time, samples.told) - noise
                error.square().flatten(1).mean(1).sum().div(len(self.times)).backward()
        return watch.norms()


class Watch:
    """Gradients of each sample, summed over the passes since `start`.

    Args:
        parameters: Names of the parameters that are watched, in order.
    """

    def __init__(self, parameters: tuple[str, ...]) -> None:
        self.parameters = parameters
        self.samples = 0
        self.sums: dict[str, Tensor] = {}

    def start(self, samples: int) -> None:
        """Forget what was seen; the next passes are of so many samples."""
        self.samples, self.sums = samples, {}

    def add(self, name: str, gradient: Tensor) -> None:
        """One layer's gradient, leading axis samples."""
        known = self.sums.get(name)
        self.sums[name] = gradient if known is None else known + gradient

    def norms(self) -> npt.NDArray[np.float64]:
        """Shape (samples, parameters); 0 where nothing reached a parameter."""
        none = torch.zeros(self.samples)
        found = [
            self.sums[name].flatten(1).norm(dim=1).cpu() if name in self.sums else none
            for name in self.parameters
        ]
        return np.asarray(torch.stack(found, 1).double().numpy())


@contextmanager
def _watched(network: nn.Module, layers: str) -> Iterator[Watch]:
    """Hooks on every layer with parameters, taken off at the end."""
    names = tuple(name for name, _ in network.named_parameters() if name.startswith(layers))
    if not names:
        raise ValueError(f"layers={layers!r} is the start of no parameter's name")
    watch, held = Watch(names), list(network.parameters())
    before = [p.requires_grad for p in held]
    with ExitStack() as stack:
        for name, layer in network.named_modules():
            own = {f"{name}.{part}" for part, _ in layer.named_parameters(recurse=False)}
            if own.isdisjoint(names):
                continue
            if not isinstance(layer, LAYERS):
                raise ValueError(f"layer {name!r} is a {type(layer).__name__}; GSA knows {LAYERS}")
            stack.callback(layer.register_forward_hook(_forward(name, watch)).remove)
        for parameter in held:
            parameter.requires_grad_(False)  # the hooks form what is wanted, sample by sample
        try:
            yield watch
        finally:
            for parameter, wanted in zip(held, before, strict=True):
                parameter.requires_grad_(wanted)


def _forward(name: str, watch: Watch) -> Any:
    def seen(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not torch.is_grad_enabled():
            return None
        x = inputs[0].detach()

        def arrived(gradient: Tensor) -> None:
            for part, value in sample_gradients(layer, x, gradient):
                watch.add(f"{name}.{part}" if name else part, value)

        # what depends on no latent, such as the time, has a gradient too
        tracked = output if output.requires_grad else output.requires_grad_(True) * 1
        tracked.register_hook(arrived)
        return tracked

    return seen


def sample_gradients(layer: nn.Module, x: Tensor, gradient: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The gradient of a layer's parameters for each row of its batch.

    Args:
        layer: One of `LAYERS`.
        x: Its input, leading axis samples.
        gradient: Of the loss by its output.

    Yields:
        `weight` and `bias`, each of shape (samples, *shape of the parameter).
    """
    if isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str):
            raise ValueError(
                f"padding={layer.padding!r} of a convolution must be a number of pixels"
            )
        columns = functional.unfold(
            x, layer.kernel_size, layer.dilation, layer.padding, layer.stride
        )
        flat = gradient.flatten(2)
        yield "weight", torch.einsum("nop,nip->noi", flat, columns)
        bias = flat.sum(2)
    elif isinstance(layer, nn.Linear):
        x, gradient = (each.reshape(len(each), -1, each.shape[-1]) for each in (x, gradient))
        yield "weight", torch.einsum("npo,npi->noi", gradient, x)
        bias = gradient.sum(1)
    else:
        scaled = _standardized(layer, x) * gradient
        axes = _summed(layer, x)
        yield "weight", scaled.sum(axes)
        bias = gradient.sum(axes)
    if getattr(layer, "bias", None) is not None:
        yield "bias", bias


def _standardized(layer: nn.Module, x: Tensor) -> Tensor:
    if isinstance(layer, nn.GroupNorm):
        return functional.group_norm(x, layer.num_groups, eps=layer.eps)
    assert isinstance(layer, nn.LayerNorm)
    return functional.layer_norm(x, layer.normalized_shape, eps=layer.eps)


def _summed(layer: nn.Module, x: Tensor) -> tuple[int, ...]:
    """The axes over which a scale is shared."""
    if isinstance(layer, nn.GroupNorm):
        return tuple(range(2, x.dim()))
    return tuple(range(1, x.dim() - 1))
