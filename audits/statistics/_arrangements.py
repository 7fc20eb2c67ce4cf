"""Sums over all arrangements of a permutation test, built by doubling instead of one by one."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK = 2**20
"""Numbers drawn at a time, at most (8 MB)."""


def signed_sums(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of `x` under all `2^n` signings."""
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def subset_sums(pool: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sums of all subsets with `size` members of a pool whose sum is 0."""
    small = min(size, pool.size - size)
    sums = [np.zeros(1), *(np.empty(0) for _ in range(small))]
    for value in pool:
        for members in range(small, 0, -1):
            sums[members] = np.concatenate([sums[members], sums[members - 1] + value])
    return sums[small] if small == size else -sums[small]


def chunks(draws: int, width: int) -> Iterator[int]:
    """Split `draws` rows of `width` numbers into chunks of bounded memory."""
    rows = max(1, CHUNK // width)
    return (min(rows, draws - start) for start in range(0, draws, rows))
