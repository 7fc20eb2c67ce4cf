"""A latent of which some entries are encrypted: COO, packed into slots.

The released code keeps the encrypted values in one long vector beside their indices, and the
other entries in a dense plaintext twin. So does this, with each ciphertext a vector of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .keys import Keys, chunks
from .parameters import CkksParameters
from .selection import Latent, Mask

Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A partly encrypted latent in bytes, as its owner sends it.

    Attributes:
        rest: The latent with zeros where it is encrypted; the shape of the latent.
        indices: Positions of the encrypted entries in the flattened latent, ascending.
        messages: TenSEAL vectors, each of as many of those entries as fit.
    """

    rest: Latent
    indices: Indices
    messages: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class EncryptedLatent:
    """The same, opened under a context: `factor * latent + term` works as on arrays.

    Attributes:
        rest: The latent with zeros where it is encrypted.
        indices: Positions of the encrypted entries in the flattened latent, ascending.
        vectors: TenSEAL vectors; all but the last fill their slots.
        parameters: CKKS parameters.
    """

    rest: Latent
    indices: Indices
    vectors: tuple[Any, ...]
    parameters: CkksParameters

    def __mul__(self, factor: float) -> EncryptedLatent:
        """Scale by a public number: ciphertext times plaintext, then one rescaling."""
        vectors = tuple(vector * factor for vector in self.vectors)
        return self.replaced(rest=self.rest * factor, vectors=vectors)

    __rmul__ = __mul__

    def __add__(self, term: Latent | EncryptedLatent) -> EncryptedLatent:
        """Add a plaintext latent, or one encrypted at the same positions."""
        if isinstance(term, EncryptedLatent):
            pairs = zip(self.vectors, term.vectors, strict=True)
            return self.replaced(rest=self.rest + term.rest, vectors=tuple(a + b for a, b in pairs))
        parts = chunks(term.ravel()[self.indices], self.parameters.slots)
        sums = (v + part.tolist() for v, part in zip(self.vectors, parts, strict=True))
        return self.replaced(rest=self.rest + cleared(term, self.indices), vectors=tuple(sums))

    def seal(self) -> Sealed:
        """The result in bytes."""
        messages = tuple(bytes(vector.serialize()) for vector in self.vectors)
        return Sealed(rest=self.rest, indices=self.indices, messages=messages)

    def replaced(self, *, rest: Latent, vectors: tuple[Any, ...]) -> EncryptedLatent:
        """Another latent that is encrypted at the same positions."""
        return replace(self, rest=rest, vectors=vectors)


def seal(latent: Latent, mask: Mask, keys: Keys) -> Sealed:
    """Encrypt the entries of `latent` where `mask` holds."""
    indices = np.flatnonzero(mask).astype(np.int32)
    messages = keys.encrypt(latent.ravel()[indices])
    return Sealed(rest=cleared(latent, indices), indices=indices, messages=tuple(messages))


def merge(rest: Latent, indices: Indices, values: Sequence[float] | Latent) -> Latent:
    """The dense latent: `rest` with `values` put in at `indices`."""
    dense = np.array(rest)
    np.put(dense, indices, values)
    return dense


def cleared(latent: Latent, indices: Indices) -> Latent:
    """A copy of `latent` with zeros at `indices`."""
    return merge(latent, indices, np.zeros(len(indices)))
