"""Linear layers and convolutions in Z_2^k, exact for every residue."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .limbs import Engine, Matrix, prepare

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ModularLinear:
    """y = W x mod 2^k.

    Attributes:
        matrix: W in digits.
    """

    matrix: Matrix

    @classmethod
    def of(cls, weight: Tensor, *, k: int, engine: Engine | None = None) -> ModularLinear:
        """Prepare signed integers of shape (out, in)."""
        return cls(matrix=prepare(weight, k=k, engine=engine))

    def __call__(self, x: Tensor) -> Tensor:
        """Residues of shape (..., out) for residues of shape (..., in)."""
        rows = x.reshape(-1, x.shape[-1])
        parts = [
            self.matrix.multiply(self.matrix.split(chunk).transpose(1, 2))
            for chunk in rows.split(self.matrix.tile)
        ]
        return torch.cat(parts).reshape(*x.shape[:-1], self.matrix.stacked.shape[1])


@dataclass(frozen=True, kw_only=True)
class ModularConv2d:
    """y = W * x mod 2^k, as `torch.nn.functional.conv2d` with zero padding.

    Attributes:
        matrices: One a group, each of shape (out / groups, height, width, in / groups) unrolled.
        kernel: Height and width of the kernel.
        stride: Vertical and horizontal, as all pairs here.
        padding: Zeros on each side.
        dilation: Distance between taps.
    """

    matrices: tuple[Matrix, ...]
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @classmethod
    def of(
        cls,
        weight: Tensor,
        *,
        k: int,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        engine: Engine | None = None,
    ) -> ModularConv2d:
        """Prepare signed integers of shape (out, in / groups, height, width)."""
        if groups < 1 or len(weight) % groups:
            raise ValueError(f"groups={groups} must divide the {len(weight)} output channels")
        rows = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
        return cls(
            matrices=tuple(prepare(part, k=k, engine=engine) for part in rows.chunk(groups)),
            kernel=(weight.shape[2], weight.shape[3]),
            stride=_pair(stride),
            padding=_pair(padding),
            dilation=_pair(dilation),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Residues of shape (n, out, ...) for residues of shape (n, in, height, width)."""
        groups = x.chunk(len(self.matrices), dim=1)
        parts = [self._group(m, part) for m, part in zip(self.matrices, groups, strict=True)]
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def size(self, height: int, width: int) -> Pair:
        """Height and width of the output."""
        down, across = (
            (side + 2 * self.padding[i] - self.dilation[i] * (self.kernel[i] - 1) - 1)
            // self.stride[i]
            + 1
            for i, side in enumerate((height, width))
        )
        return down, across

    def _group(self, matrix: Matrix, x: Tensor) -> Tensor:
        """One group's outputs; a tile is some rows of the output of one image."""
        height, width = self.size(*x.shape[2:])
        step = max(1, matrix.tile // width)
        out = torch.empty(
            len(x), matrix.stacked.shape[1], height, width, dtype=torch.int64, device=x.device
        )
        for image, result in zip(x, out, strict=True):
            planes = self._planes(matrix, image)
            for top in range(0, height, step):
                rows = min(step, height - top)
                product = matrix.multiply(self._windows(planes, top, rows, width))
                result[:, top : top + rows] = product.T.reshape(-1, rows, width)
        return out

    def _planes(self, matrix: Matrix, image: Tensor) -> Tensor:
        """Padded digits (levels, height, width, in) of residues (in, height, width)."""
        digits = matrix.split(image.permute(1, 2, 0).contiguous()).permute(3, 0, 1, 2)
        (down, across), (levels, height, width, channels) = self.padding, digits.shape
        planes = digits.new_zeros(levels, height + 2 * down, width + 2 * across, channels)
        planes[:, down : down + height, across : across + width] = digits
        return planes

    def _windows(self, planes: Tensor, top: int, rows: int, width: int) -> Tensor:
        """What `rows` rows of the output see: a view of shape (rows * width, levels, K)."""
        level, line, column, channel = planes.stride()
        (sy, sx), (dy, dx) = self.stride, self.dilation
        windows = planes.as_strided(
            (rows, width, planes.shape[0], *self.kernel, planes.shape[3]),
            (line * sy, column * sx, level, line * dy, column * dx, channel),
            planes.storage_offset() + top * sy * line,
        )
        return windows.reshape(rows * width, planes.shape[0], -1)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value
