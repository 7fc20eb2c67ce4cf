"""Tensors of this protocol's messages, and the checks on what a stranger sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ...targets.sampling import Conditioning
from ..codec import ProtocolError
from .selection import Latent
from .sparse import Indices, Sealed

Tensors = Mapping[str, Tensor]


def pack_bytes(content: bytes) -> Tensor:
    """Bytes as a uint8 tensor."""
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def unpack_bytes(tensors: Tensors, name: str) -> bytes:
    """What `pack_bytes` packed.

    Raises:
        ProtocolError: If the tensor is missing or holds anything but bytes.
    """
    tensor = _named(tensors, name)
    if tensor.dtype != torch.uint8 or tensor.ndim != 1:
        raise ProtocolError(
            f"{name} must be a 1-D uint8 tensor, not {tensor.dtype} of {tuple(tensor.shape)}"
        )
    return tensor.numpy().tobytes()


def pack_messages(prefix: str, messages: Sequence[bytes]) -> dict[str, Tensor]:
    """Ciphertexts under `prefix_0`, `prefix_1`, ..."""
    return {f"{prefix}_{i}": pack_bytes(message) for i, message in enumerate(messages)}


def unpack_messages(tensors: Tensors, prefix: str, count: int) -> list[bytes]:
    """The `count` ciphertexts under `prefix`."""
    return [unpack_bytes(tensors, f"{prefix}_{i}") for i in range(count)]


def pack_latent(latent: Latent, precision: str) -> Tensor:
    """A latent as it travels in the clear; `precision` is `float64` or `float32`."""
    return torch.from_numpy(latent.copy()).to(getattr(torch, precision))


def unpack_latent(tensors: Tensors, name: str, shape: tuple[int, ...]) -> Latent:
    """A latent of a given shape, in double precision.

    Raises:
        ProtocolError: If it has another shape or type, or is not finite.
    """
    tensor = _named(tensors, name)
    if tuple(tensor.shape) != shape or not tensor.dtype.is_floating_point:
        raise ProtocolError(
            f"{name} must hold floating-point numbers of shape {shape}, not {tensor.dtype} of "
            f"{tuple(tensor.shape)}"
        )
    values = tensor.double().numpy()
    if not np.isfinite(values).all():
        raise ProtocolError(f"{name} must be finite")
    return np.asarray(values)


def unpack_indices(tensors: Tensors, size: int) -> Indices:
    """Positions of encrypted entries in a flattened latent of `size` entries.

    Raises:
        ProtocolError: If they are not ascending positions.
    """
    tensor = _named(tensors, "indices")
    if tensor.dtype != torch.int32 or tensor.ndim != 1:
        raise ProtocolError(
            f"indices must be a 1-D int32 tensor, not {tensor.dtype} of {tuple(tensor.shape)}"
        )
    indices = np.asarray(tensor.numpy())
    ascending = bool((np.diff(indices.astype(np.int64)) > 0).all())
    if len(indices) and (not ascending or indices[0] < 0 or indices[-1] >= size):
        raise ProtocolError(f"indices must ascend from >= 0 to < {size}")
    return indices


def unpack_step(tensors: Tensors) -> int:
    """A step number.

    Raises:
        ProtocolError: If it is not one integer.
    """
    tensor = _named(tensors, "step")
    if tensor.dtype != torch.int64 or tensor.ndim:
        raise ProtocolError(f"step must be one int64, not {tensor.dtype} of {tuple(tensor.shape)}")
    return int(tensor)


def pack_sealed(sealed: Sealed, precision: str) -> dict[str, Tensor]:
    """A partly encrypted latent: plaintext rest, indices and ciphertexts."""
    return {
        "rest": pack_latent(sealed.rest, precision),
        "indices": torch.from_numpy(sealed.indices.copy()),
        **pack_messages("cipher", sealed.messages),
    }


def pack_conditioning(conditioning: Conditioning) -> dict[str, Tensor]:
    """What the U-Net is told, under names that may cross the wire."""
    return {
        "text": conditioning.text,
        "empty": conditioning.empty,
        **{f"added_{name}": value for name, value in conditioning.added.items()},
        **{f"negative_{name}": value for name, value in conditioning.added_empty.items()},
    }


def unpack_conditioning(tensors: Tensors, like: Conditioning) -> Conditioning:
    """What `pack_conditioning` packed.

    Raises:
        ProtocolError: If names, shapes or types are not those of `like`, or it is not finite.
    """
    expected = pack_conditioning(like)
    expect_names("condition", tensors, set(expected))
    for name, own in expected.items():
        given = tensors[name]
        if given.shape != own.shape or given.dtype != own.dtype or not given.isfinite().all():
            raise ProtocolError(
                f"{name} must hold finite {own.dtype} of shape {tuple(own.shape)}, not "
                f"{given.dtype} of {tuple(given.shape)}"
            )
    placed = {name: given.to(like.text.device) for name, given in tensors.items()}
    return Conditioning(
        text=placed["text"],
        empty=placed["empty"],
        added={name: placed[f"added_{name}"] for name in like.added},
        added_empty={name: placed[f"negative_{name}"] for name in like.added_empty},
    )


def expect_names(kind: str, tensors: Tensors, names: set[str]) -> None:
    """Raise `ProtocolError` unless `tensors` has exactly these names."""
    if set(tensors) != names:
        odd = sorted(set(tensors) ^ names)
        raise ProtocolError(f"{kind} has missing or unknown tensors: {', '.join(odd)}")


def _named(tensors: Tensors, name: str) -> Tensor:
    if name not in tensors:
        raise ProtocolError(f"tensor {name!r} is missing")
    return tensors[name]
