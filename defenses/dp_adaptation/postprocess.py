"""What may be done with a release at no cost in privacy: it looks at public data only.

Both functions take the noise that points nowhere useful out of a release: `project` keeps a public
subspace of k of the d dimensions, and with it k / d of the noise's energy; `rescale` restores the
length that token embeddings usually have. Project first, then rescale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..codec import Array


@dataclass(frozen=True, kw_only=True)
class Subspace:
    """A public affine subspace.

    Attributes:
        basis: Orthonormal rows, shape (k, d).
        center: A point on it, shape (d,).
    """

    basis: Array
    center: Array

    def __post_init__(self) -> None:
        if self.basis.ndim != 2 or self.center.shape != self.basis.shape[1:]:
            raise ValueError(
                f"basis has shape {self.basis.shape} and center {self.center.shape}; they must be "
                "(k, d) and (d,)"
            )
        gram = self.basis @ self.basis.T
        if not np.allclose(gram, np.eye(len(gram)), rtol=0, atol=1e-6):
            raise ValueError("basis must have orthonormal rows; take the Q of a QR decomposition")


def median_norm(embeddings: ArrayLike) -> float:
    """Median length of public vectors, such as a text encoder's token embeddings.

    Args:
        embeddings: Shape (tokens, d).
    """
    return float(np.median(np.linalg.norm(_public(embeddings), axis=1)))


def rescale(vectors: ArrayLike, *, norm: float) -> Array:
    """Give every vector the length `norm`; the zero vector has no direction and stays.

    Args:
        vectors: Shape (..., d).
        norm: Public, > 0.
    """
    if not (np.isfinite(norm) and norm > 0):
        raise ValueError(f"norm={norm} must be finite and > 0; see median_norm")
    values = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    scaled: Array = values * (norm / np.where(length > 0, length, 1.0))
    return scaled


def principal_subspace(public: ArrayLike, *, rank: int) -> Subspace:
    """The affine subspace of dimension `rank` that is nearest to public vectors (PCA).

    Args:
        public: Embeddings learned on public styles, shape (n, d).
        rank: At most n - 1 and at most d.
    """
    values = _public(public)
    most = min(len(values) - 1, values.shape[1])
    if not 1 <= rank <= most:
        raise ValueError(
            f"rank={rank} must be in [1, {most}] for {len(values)} vectors of dimension "
            f"{values.shape[1]}; give more public vectors or a smaller rank"
        )
    center = values.mean(axis=0)
    axes = np.linalg.svd(values - center, full_matrices=False)[2]
    return Subspace(basis=axes[:rank], center=center)


def project(vectors: ArrayLike, subspace: Subspace) -> Array:
    """The nearest points of the subspace, shape (..., d)."""
    values = np.asarray(vectors, dtype=np.float64)
    if values.shape[-1:] != subspace.center.shape:
        raise ValueError(
            f"vectors have dimension {values.shape[-1:]}, must have that of the subspace, "
            f"{subspace.center.shape}"
        )
    coordinates = (values - subspace.center) @ subspace.basis.T
    nearest: Array = subspace.center + coordinates @ subspace.basis
    return nearest


def _public(embeddings: ArrayLike) -> Array:
    values = np.asarray(embeddings, dtype=np.float64)
    if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"embeddings of shape {values.shape} must be (n, d), n >= 1, and finite")
    return values
