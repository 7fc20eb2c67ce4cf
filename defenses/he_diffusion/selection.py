"""Which entries of a latent are encrypted.

Min-distortion selection borrows from steganography: HILL gives every position a cost that is low
where the image is busy, and the *distortion* of zeroing an entry is its absolute value times that
cost. Entries of least distortion, up to a share `tau` of the total, stay in the clear; the rest
is encrypted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d

Latent = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SECOND_DIFFERENCE = (1.0, -2.0, 1.0)
"""The Ker-Boehme high-pass is minus the outer product of this with itself."""


def hill_cost(latent: Latent) -> Latent:
    """HILL cost of each position, shape (n, 1, height, width); one cost for all channels.

    With H the 3 x 3 high-pass, applied to the sum over channels, and L_k the k x k mean, all with
    mirrored borders: cost = L_15 * (1 / (L_3 * |H * latent|)), where 1 / 0 counts as 0.

    Args:
        latent: Shape (n, channels, height, width).

    References:
        Li et al., A new cost function for spatial image steganography (ICIP 2014).
    """
    residual = np.abs(_separable(latent.sum(axis=1, keepdims=True), _SECOND_DIFFERENCE))
    smooth = _separable(residual, (1 / 3,) * 3)
    inverse = np.divide(1.0, smooth, out=np.zeros_like(smooth), where=smooth != 0)
    return _separable(inverse, (1 / 15,) * 15)


def distortion(latent: Latent) -> Latent:
    """Distortion D that zeroing each entry incurs; the shape of `latent`."""
    return np.abs(latent) * hill_cost(latent)


def min_distortion(latent: Latent, threshold: float) -> Mask:
    """Entries to encrypt, True, as HE-Diffusion selects them.

    The released selection works in four passes: it zeroes every entry with D < tau mean(D); then,
    as long as a pass removes many, every entry with D times the remaining count below what is
    left of the budget tau sum(D); then halves, quarters, ... of the remaining as long as they
    fit; then the single least entry until the budget is reached. Every pass takes entries in
    ascending order of D and the last ends at the first entry that reaches the budget, so all four
    together take the shortest ascending prefix whose total is at least tau sum(D). A test
    compares this with the four passes, entry by entry.

    Args:
        latent: Shape (n, channels, height, width); the n latents share one budget.
        threshold: Tau, the share of the total distortion that may stay in the clear.
    """
    cost = distortion(latent).ravel()
    order = np.argsort(cost, kind="stable")
    spent = np.cumsum(cost[order])
    budget = threshold * cost.sum()
    removed = int(np.searchsorted(spent, budget, side="left")) + 1 if budget > 0 else 0
    encrypted = np.asarray(latent.ravel() != 0)
    encrypted[order[:removed]] = False
    return encrypted.reshape(latent.shape)


def fixed_mask(latent: Latent, fraction: float, rng: np.random.Generator) -> Mask:
    """A uniformly drawn `fraction` of the entries, True; only the shape of `latent` is used.

    Args:
        latent: Any shape.
        fraction: Share to encrypt, rounded up to a whole number of entries.
        rng: Where the mask is drawn from; the same state gives the same mask at every step.
    """
    count = int(np.ceil(fraction * latent.size))
    mask = np.zeros(latent.size, dtype=np.bool_)
    mask[rng.permutation(latent.size)[:count]] = True
    return mask.reshape(latent.shape)


def _separable(image: Latent, weights: tuple[float, ...]) -> Latent:
    rows = correlate1d(image, weights, axis=-2, mode="mirror")
    return np.asarray(correlate1d(rows, weights, axis=-1, mode="mirror"))
