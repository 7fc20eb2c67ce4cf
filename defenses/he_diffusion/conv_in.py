"""The U-Net's first convolution on an encrypted latent.

A convolution is linear, so on z = encrypted + rest it is the convolution of each, added up. The
rest is convolved in the clear. To shift a packed latent one would need rotations (TenSEAL exposes
none, and Galois keys would make the context fifty times as large), so the client shifts: it
encrypts one vector over the positions for each input channel and kernel tap, a *shift*. An output
channel is then a sum of shifts, each times a single weight.

Slots are divided as [inner][outer][position]: a ciphertext carries `inner` different shifts, each
repeated `outer` times, and is multiplied by the weights of `outer` output channels at once. The
products that make up an output channel are added over ciphertexts by the server, and over `inner`
by the client after decryption. A large `inner` means fewer ciphertexts up and more down;
`Layout.of` takes the split with the fewest bytes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .parameters import CkksParameters
from .selection import Latent

_UP_OVER_DOWN = 2
"""About the size of a fresh ciphertext over that of a product."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How shifts and output channels share slots.

    Attributes:
        held: Positions in one ciphertext.
        inner: Shifts in one ciphertext.
        outer: Output channels for which it is multiplied at once.
        blocks: Ciphertexts over which the positions are spread.
        shifts: Input channels times kernel taps.
        channels: Output channels.
    """

    held: int
    inner: int
    outer: int
    blocks: int
    shifts: int
    channels: int

    @classmethod
    def of(cls, parameters: CkksParameters, positions: int, shifts: int, channels: int) -> Layout:
        """The layout that sends the fewest bytes.

        Args:
            parameters: CKKS parameters.
            positions: Latents times height times width of the output.
            shifts: Input channels times kernel taps.
            channels: Output channels.
        """
        blocks = parameters.ciphertexts(positions)
        held = -(-positions // blocks)
        groups = parameters.slots // held
        layouts = (
            cls(
                held=held,
                inner=1 << k,
                outer=groups >> k,
                blocks=blocks,
                shifts=shifts,
                channels=channels,
            )
            for k in range(groups.bit_length())
        )
        return min(layouts, key=lambda split: _UP_OVER_DOWN * split.up + split.down)

    @property
    def up(self) -> int:
        """Ciphertexts that the client sends for one convolution."""
        return self.blocks * -(-self.shifts // self.inner)

    @property
    def down(self) -> int:
        """Ciphertexts that it gets back."""
        return self.blocks * -(-self.channels // self.outer)

    @property
    def size(self) -> int:
        """Slots in use in each ciphertext."""
        return self.inner * self.outer * self.held

    def pack_shifts(self, shifts: Latent) -> Latent:
        """Vectors to encrypt, shape (up, size), of shifts of shape (shifts, positions)."""
        padded = self._padded(shifts, self.inner)  # (groups * inner, blocks * held)
        parts = padded.reshape(-1, self.inner, self.blocks, self.held).transpose(0, 2, 1, 3)
        return np.repeat(parts[:, :, :, None], self.outer, axis=3).reshape(self.up, self.size)

    def pack_weights(self, weights: Latent) -> Latent:
        """Multipliers, shape (down / blocks, up / blocks, size), of weights (channels, shifts)."""
        rows, columns = self.down // self.blocks, self.up // self.blocks
        padded = np.zeros((rows * self.outer, columns * self.inner))
        padded[: self.channels, : self.shifts] = weights
        parts = padded.reshape(rows, self.outer, columns, self.inner).transpose(0, 2, 3, 1)
        return np.repeat(parts, self.held, axis=-1).reshape(rows, columns, self.size)

    def pack_outputs(self, outputs: Latent) -> Latent:
        """Addends, shape (down, size), of outputs of shape (channels, positions)."""
        padded = self._padded(outputs, self.outer)
        parts = padded.reshape(-1, self.outer, self.blocks, self.held).transpose(0, 2, 1, 3)
        slots = np.zeros((self.down, self.inner, self.outer, self.held))
        slots[:, 0] = parts.reshape(self.down, self.outer, self.held)
        return slots.reshape(self.down, self.size)

    def unpack_outputs(self, slots: Latent, positions: int) -> Latent:
        """Outputs of shape (channels, positions) from decrypted slots of shape (down, size)."""
        sums = slots.reshape(-1, self.blocks, self.inner, self.outer, self.held).sum(axis=2)
        dense = sums.transpose(0, 2, 1, 3).reshape(-1, self.blocks * self.held)
        return np.asarray(dense[: self.channels, :positions])

    def _padded(self, rows: Latent, multiple: int) -> Latent:
        padded = np.zeros((-(-len(rows) // multiple) * multiple, self.blocks * self.held))
        padded[: len(rows), : rows.shape[1]] = rows
        return padded


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution as a matrix: outputs = weights @ shifts + bias.

    Attributes:
        module: The U-Net's `conv_in`.
    """

    module: Any

    def layout(self, parameters: CkksParameters, latent: Latent) -> Layout:
        """How latents of this shape are packed."""
        weights = self.weights()
        positions = len(latent) * math.prod(self.size(latent))
        return Layout.of(parameters, positions, weights.shape[1], len(weights))

    def size(self, latent: Latent) -> tuple[int, ...]:
        """Height and width of the output."""
        m = self.module
        spans = (d * (k - 1) for d, k in zip(m.dilation, m.kernel_size, strict=True))
        sides = zip(latent.shape[2:], m.padding, spans, m.stride, strict=True)
        return tuple((side + 2 * pad - span - 1) // stride + 1 for side, pad, span, stride in sides)

    def image(self, outputs: Latent, latent: Latent) -> Latent:
        """Outputs of shape (channels, positions) as (n, channels, height, width)."""
        shape = (len(outputs), len(latent), *self.size(latent))
        return np.moveaxis(outputs.reshape(shape), 0, 1)

    def weights(self) -> Latent:
        """Shape (output channels, input channels * kernel taps)."""
        weight = self.module.weight.detach().double().cpu()
        return np.asarray(weight.reshape(len(weight), -1).numpy())

    def shifts(self, latent: Latent) -> Latent:
        """What the weights multiply, shape (input channels * kernel taps, positions).

        Args:
            latent: Shape (n, channels, height, width).
        """
        columns = torch.nn.functional.unfold(
            torch.from_numpy(latent),
            self.module.kernel_size,
            self.module.dilation,
            self.module.padding,
            self.module.stride,
        )
        return np.asarray(columns.transpose(0, 1).reshape(columns.shape[1], -1).numpy())

    def plain(self, latent: Latent) -> Latent:
        """The convolution in the clear with its bias, shape (output channels, positions)."""
        outputs = self.weights() @ self.shifts(latent)
        bias = self.module.bias
        return outputs if bias is None else outputs + bias.detach().double().cpu().numpy()[:, None]


def convolve(
    vectors: Sequence[Any], rest: Latent, convolution: Convolution, parameters: CkksParameters
) -> list[Any]:
    """The server's part: encrypted shifts and the plaintext rest to encrypted outputs.

    Args:
        vectors: TenSEAL vectors of `Layout.pack_shifts`.
        rest: The latent with zeros where it is encrypted, shape (n, channels, height, width).
        convolution: The layer.
        parameters: CKKS parameters.

    Returns:
        TenSEAL vectors for `Layout.unpack_outputs`.
    """
    layout = convolution.layout(parameters, rest)
    addends = layout.pack_outputs(convolution.plain(rest))
    outputs = []
    for row, multipliers in enumerate(layout.pack_weights(convolution.weights())):
        for block in range(layout.blocks):
            products = [
                vector * weights.tolist()
                for vector, weights in zip(
                    vectors[block :: layout.blocks], multipliers, strict=True
                )
                if np.abs(weights).max() * parameters.scale > 1
            ]
            total = sum(products[1:], start=products[0])
            outputs.append(total + addends[row * layout.blocks + block].tolist())
    return outputs


class RemoteConvolution(torch.nn.Module):
    """Stands in for `conv_in`: asks for the convolution of the latents it is called on.

    Args:
        ask: Latents to their convolution, shapes (n, channels, height, width).
        rows: n; guidance calls the U-Net on the same latents several times over.
    """

    def __init__(self, ask: Callable[[Latent], Latent], rows: int) -> None:
        super().__init__()
        self._ask = ask
        self._rows = rows

    def forward(self, latents: Tensor) -> Tensor:
        """Features, shape (k n, output channels, height, width), of k n latents."""
        outputs = self._ask(latents[: self._rows].double().cpu().numpy())
        features = torch.from_numpy(outputs).to(latents.device, latents.dtype)
        return features.repeat(len(latents) // self._rows, 1, 1, 1)


def with_conv_in(unet: Any, module: torch.nn.Module) -> Any:
    """A U-Net that shares every layer with `unet` but the first; `unet` stays as it is."""
    twin = copy.copy(unet)
    twin.__dict__["_modules"] = {**unet._modules, "conv_in": module}
    return twin
