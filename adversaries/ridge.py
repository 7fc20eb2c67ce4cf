"""Ridge regression with many features, its penalty chosen on held-out examples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Penalties that are tried, in units of the mean squared norm of a centered example."""

OUTPUTS = 512
"""About how many outputs the penalty is chosen on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ridge:
    """A fitted regression: outputs of features x are `mean + (x - center) @ slopes`.

    Attributes:
        center: Mean of the examples' features, shape (d,).
        mean: Mean of their outputs, shape (m,).
        slopes: Shape (d, m).
        shape: Of one output; m is its product.
    """

    center: Floats
    mean: Floats
    slopes: Floats
    shape: tuple[int, ...]

    def __call__(self, queries: npt.ArrayLike) -> Floats:
        """Outputs of others, shape (q, ...), from their features, shape (q, d)."""
        asked = np.asarray(queries, np.float64) - self.center
        return np.asarray(self.mean + asked @ self.slopes).reshape(-1, *self.shape)


def fit(features: npt.ArrayLike, outputs: npt.ArrayLike) -> Ridge:
    """Learn from examples; a quarter of these chooses the penalty.

    Args:
        features: Shape (n, d).
        outputs: Shape (n, ...).
    """
    given, known = np.asarray(features, np.float64), np.asarray(outputs, np.float64)
    flat = known.reshape(len(known), -1)
    held, sample = np.arange(len(flat)) % 4 == 0, flat[:, :: -(-flat.shape[1] // OUTPUTS)]
    tried = _Spectrum.of(given[~held], sample[~held])
    errors = [
        np.square(tried.fitted(penalty)(given[held]) - sample[held]).mean() for penalty in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(errors))]
    return replace(_Spectrum.of(given, flat).fitted(best), shape=known.shape[1:])


def regress(features: npt.ArrayLike, outputs: npt.ArrayLike, queries: npt.ArrayLike) -> Floats:
    """Estimate the outputs of `queries`, shape (q, ...), from examples; see `fit`."""
    return fit(features, outputs)(queries)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Spectrum:
    """Examples turned so that any penalty costs one product: slopes = basis (rotated / (v + p)).

    Eigenvectors of X^T X, or where there are fewer examples than features, of X X^T.
    """

    center: Floats
    mean: Floats
    basis: Floats
    values: Floats
    rotated: Floats
    unit: float

    @classmethod
    def of(cls, features: Floats, outputs: Floats) -> _Spectrum:
        center, mean = features.mean(axis=0), outputs.mean(axis=0)
        own, wanted = features - center, outputs - mean
        few = own.shape[0] < own.shape[1]
        values, vectors = np.linalg.eigh(own @ own.T if few else own.T @ own)
        return cls(
            center=center,
            mean=mean,
            basis=own.T @ vectors if few else vectors,
            values=values,
            rotated=vectors.T @ (wanted if few else own.T @ wanted),
            unit=float(values.sum()) / len(own) or 1.0,
        )

    def fitted(self, penalty: float) -> Ridge:
        weights = self.rotated / (self.values + penalty * self.unit)[:, None]
        return Ridge(
            center=self.center, mean=self.mean, slopes=self.basis @ weights, shape=self.mean.shape
        )
