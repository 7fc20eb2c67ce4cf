"""The latent before a step, from layers whose inputs are linear in it.

Two are: `conv_in` gets the latent z itself, and the shortcut of the last residual block gets
conv_in(z) over a skip connection. With A z + b the input of such a layer, v the variance of what
a coalition knows of it, and a normal prior with mean m and variance p on every entry of z,

    z = argmin sum |A z + b - y|^2 / v + |z - m|^2 / p

over known entries. Conjugate gradients solve for all games at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..defenses.views import Views
from .share_inputs import Inputs, read
from .share_model import LATENT, NOISE, ShareModel, Tap, ends

ROUNDS = 40
"""Most iterations of conjugate gradients."""

EXACT = 1e-8
"""Variance of an exact value, in units of the mean square of all values."""

Linear = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """A linear image of latents that is known in part, for n games.

    Attributes:
        forward: A, from latents to images, shape (n, ...).
        back: Its transpose.
        values: y - b, shape (n, branches, ...).
        weight: 1 / v on known entries and 0 elsewhere, same shape.
    """

    forward: Linear
    back: Linear
    values: Tensor
    weight: Tensor


def read_ends(model: ShareModel, views: Views, session: int = 0) -> dict[int, dict[int, Inputs]]:
    """What a coalition knows of the inputs at the network's ends, by request group and step.

    In mode `ring` values are whole numbers in units of the client's. At low noise the latent's size
    differs too much from picture to picture to give its unit away; that it reaches the last
    shortcut over the skip connection does.
    """
    opened = {number: read(model, views, number, session) for number in model.ends}
    first = opened.get(model.numbers.get(LATENT, -1), {})
    shortcut = opened.get(model.numbers.get(ends(model.pipe.unet)[1], -1), {})
    for step in first.keys() & shortcut.keys():
        first[step] = _agreeing(first[step], shortcut[step], model.pipe.unet.conv_in)
    return opened


def _agreeing(latent: Inputs, shortcut: Inputs, conv: Any) -> Inputs:
    """Exact latents in units in which the skip connection says the same."""
    skip, values = _skip(shortcut, conv), latent.values
    noisy = latent.variance.any() or skip.variance.any()
    if noisy or not (latent.known.all() and skip.known.all()):
        return latent
    image = _convolution(conv)[0](torch.from_numpy(values).flatten(0, 1)).numpy()
    image = image.reshape(skip.values.shape)
    over = tuple(range(1, values.ndim))
    ratio = (image * skip.values).sum(axis=over) / np.square(image).sum(axis=over)
    unit = 2.0 ** np.round(np.log2(np.clip(ratio, 2.0**-60, 2.0**60)))
    return replace(latent, values=values * unit.reshape(-1, *[1] * len(over)))


def latents(
    model: ShareModel, inputs: Mapping[int, Inputs], mean: Tensor, variance: float
) -> tuple[Tensor, Tensor]:
    """Latents before a step.

    Args:
        model: The public side.
        inputs: Opened inputs at that step, by request group; n games.
        mean: m, shape (n, channels, height, width).
        variance: p.

    Returns:
        z, shape as `mean`; and how much of it is seen: 0 is nothing, beyond 1 each entry is known
        better from the view than from the prior, shape (n,).
    """
    seen = observed(model, inputs)
    right = sum((o.back((o.weight * o.values).sum(dim=1)) for o in seen), mean / variance)

    def curvature(z: Tensor) -> Tensor:
        parts = (o.back((o.weight.sum(dim=1)) * o.forward(z)) for o in seen)
        return sum(parts, z / variance)

    solved = conjugate_gradients(curvature, torch.as_tensor(right), mean)
    share = (curvature(torch.ones_like(mean)) * variance - 1).flatten(1).mean(dim=1)
    return solved, share


def run_on(model: ShareModel, inputs: Mapping[int, Inputs], step: int) -> Tensor:
    """The clean latent that the network gives from opened inputs on, shape (games, ...).

    What is missing is taken to be 0, and what is noisy to be true.

    Args:
        model: The public side.
        inputs: Opened inputs at that step, by request group; n games.
        step: Number of the step.
    """
    known = {number: _taken_for_true(x) for number, x in inputs.items()}
    games = len(next(iter(known.values())).values)
    nothing = torch.zeros((games, *model.shown.shape), dtype=torch.float64)
    z, _ = latents(model, known, nothing, 1e6)
    forced = {
        number: (
            model.in_rows(torch.from_numpy(x.values).float()),
            model.in_rows(torch.from_numpy(x.known)),
        )
        for number, x in known.items()
    }
    return model.run(z.float(), model.empty(games), step, Tap(forced=forced))[1]


def _taken_for_true(inputs: Inputs) -> Inputs:
    return replace(
        inputs,
        known=np.ones_like(inputs.known),
        variance=np.zeros_like(inputs.variance),
    )


def observed(model: ShareModel, inputs: Mapping[int, Inputs]) -> list[Observed]:
    """The opened inputs that are linear in the latent."""
    numbers, unet = model.numbers, model.pipe.unet
    found = []
    first, shortcut = numbers.get(LATENT, -1), numbers.get(ends(unet)[1], -1)
    if first in inputs:
        found.append(_observed(inputs[first], lambda z: z, lambda y: y))
    if shortcut in inputs:
        skip = _skip(inputs[shortcut], unet.conv_in)
        found.append(_observed(skip, *_convolution(unet.conv_in)))
    return found


def latent_images(model: ShareModel, inputs: Mapping[int, Inputs]) -> list[Tensor]:
    """Opened inputs carried to the grid of latents by public linear maps, unknown entries as 0.

    Those that are linear in the latent by the transpose of their map, averaged over branches; the
    last features by the last convolution.

    Returns:
        Each of shape (games, channels, height, width).
    """
    found = [o.back((o.values * (o.weight > 0)).mean(dim=1)) for o in observed(model, inputs)]
    last, conv = model.numbers.get(NOISE, -1), model.pipe.unet.conv_out
    if last in inputs:
        weight = conv.weight.detach().float().cpu()
        rows = torch.from_numpy(inputs[last].values).float().unbind(dim=1)
        found += [functional.conv2d(row, weight, padding=conv.padding).double() for row in rows]
    return found


def conjugate_gradients(curvature: Linear, right: Tensor, start: Tensor) -> Tensor:
    """Solve for every row of `right`; `curvature` is symmetric and positive definite."""
    z, residual = start.clone(), right - curvature(start)
    direction, size = residual, _dot(residual, residual)
    goal = 1e-12 * _dot(right, right)
    for _ in range(ROUNDS):
        if bool((size <= goal).all()):
            break
        image = curvature(direction)
        length = size / _dot(direction, image).clamp_min(1e-300)
        z, residual = z + length * direction, residual - length * image
        size, before = _dot(residual, residual), size
        direction = residual + size / before.clamp_min(1e-300) * direction
    return z


def _observed(inputs: Inputs, forward: Linear, back: Linear) -> Observed:
    values = torch.from_numpy(inputs.values)
    return Observed(forward=forward, back=back, values=values, weight=weights(inputs))


def weights(inputs: Inputs) -> Tensor:
    """1 / variance on known entries, 0 elsewhere; exact values count as nearly so."""
    values = torch.from_numpy(inputs.values)
    square = values.square().flatten(1).mean(dim=1)
    noise = torch.from_numpy(inputs.variance) + EXACT * square + 1e-30
    weight = torch.from_numpy(inputs.known.astype(np.float64))
    return weight / noise.reshape(-1, *[1] * (weight.ndim - 1))


def _skip(inputs: Inputs, conv: Any) -> Inputs:
    """The channels that come from `conv_in`, less its bias."""
    count = conv.out_channels
    bias = conv.bias.detach().double().cpu().numpy().reshape(-1, 1, 1)
    return Inputs(
        values=inputs.values[:, :, -count:] - bias,
        known=inputs.known[:, :, -count:],
        variance=inputs.variance,
    )


def _convolution(conv: Any) -> tuple[Linear, Linear]:
    weight, padding = conv.weight.detach().double().cpu(), conv.padding
    return (
        lambda z: functional.conv2d(z, weight, padding=padding),
        lambda y: functional.conv_transpose2d(y, weight, padding=padding),
    )


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(dim=1).reshape(-1, *[1] * (a.ndim - 1))
