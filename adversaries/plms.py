"""Undo PLMS: from the combined noise predictions that it applies to those of the U-Net."""

from __future__ import annotations

import numpy as np

from ..defenses.he_diffusion.sampler import MEMORY, Grid, adams_bashforth
from ..defenses.he_diffusion.selection import Latent


def single_predictions(terms: Latent, grid: Grid, method: str) -> Latent:
    """The noise prediction of each step from the update terms a.

    DDIM: e_t = a_t / scale_t. PLMS combines e'_t = w_0 e_t + w_1 e_(t-1) + ... (Adams-Bashforth),
    which is solved for e_t in order. Its first step averages e_0 with a prediction at a trial
    point of the second step; taking that for e_1 gives e_0 = (3 e'_0 - e'_1) / 2. The error of
    that dies out: the recursion's characteristic roots, of 55 r^3 - 59 r^2 + 37 r - 9, are at
    most 0.64.

    Args:
        terms: Shape (steps, ...).
        grid: Time steps, as many.
        method: `plms` or `ddim`.
    """
    scales = [float(grid.term(np.ones(()), step)) for step in range(len(grid))]
    combined = terms / np.reshape(scales, (-1, *(1,) * (terms.ndim - 1)))
    if method == "ddim" or len(grid) < 2:
        return np.asarray(combined)
    found = [(3 * combined[0] - combined[1]) / 2]
    for step in range(1, len(grid)):
        older = found[::-1][:MEMORY]
        zero = np.zeros_like(found[0])
        one = np.ones(())
        rest = adams_bashforth([zero, *older])
        weight = adams_bashforth([one, *(np.zeros(()) for _ in older)])
        found.append((combined[step] - rest) / weight)
    return np.stack(found)
