"""The steps of one noisy aggregated release on which its privacy rests.

Each is one named function, so that a broken copy replaces exactly one of them. Arrays carry the
axes (trials, releases, ...); an axis of length 1 says that nothing differs along it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..claims import Neighbours
from ..codec import Array
from .calibration import Accountant, Noise, Query, calibrate

Bound = Callable[[Array], Array]
Sensitivity = Callable[[float, int, Neighbours], float]
Calibrate = Callable[[Query, Accountant], Noise]
Choose = Callable[[int, int, tuple[int, int], np.random.Generator], Array]
Average = Callable[[Array, Bound, Array, int], Array]
Draw = Callable[[tuple[int, int, int], float, np.random.Generator], Array]
Publish = Callable[[Array, Callable[[], Array]], Array]


class Limit(Protocol):
    """Bounds the norm of every row."""

    def __call__(self, records: Array, clip: float, *, normalize: bool) -> Array:
        """Rows no longer than `clip`."""
        ...


def limit_norm(records: Array, clip: float, *, normalize: bool) -> Array:
    """`u min(1, C / |u|)`, or `u C / |u|` to normalize; zero stays zero.

    Args:
        records: Shape (n, d), finite.
        clip: C.
        normalize: Whether short records are stretched to C too.
    """
    peak = np.abs(records).max(axis=1, initial=0.0, keepdims=True)
    peak = np.where(peak > 0, peak, 1.0)
    unit = records / peak  # entries of at most 1, so that no square overflows or vanishes
    norm = np.linalg.norm(unit, axis=1, keepdims=True)
    scaled = unit * (clip / np.where(norm > 0, norm, 1.0))
    if normalize:
        return scaled
    long = (peak > clip) | (norm * np.minimum(peak, clip) > clip)
    return np.where(long, scaled, records)


def mean_sensitivity(clip: float, divisor: int, neighbours: Neighbours) -> float:
    """How far one record moves the mean: `2 C / m` if replaced, `C / m` if added or removed."""
    return (2 if neighbours is Neighbours.REPLACE_ONE else 1) * clip / divisor


def draw_subset(n: int, m: int, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """A uniform m-subset of n records for every release, without replacement.

    Returns:
        Booleans, shape (trials, releases, n); (1, 1, n) if m = n, where nothing is drawn.
    """
    if m == n:
        return np.ones((1, 1, n), dtype=bool)
    keys = rng.random((*shape, n))
    chosen = np.zeros(keys.shape, dtype=bool)
    np.put_along_axis(chosen, np.argpartition(keys, m - 1, axis=-1)[..., :m], True, axis=-1)
    return chosen


def mean_of_limited(records: Array, limit: Bound, chosen: Array, divisor: int) -> Array:
    """Limit every record, then average the chosen ones.

    Args:
        records: Shape (n, d), as they came.
        limit: Limits the norm of each row.
        chosen: Shape (t, r, n), booleans.
        divisor: m, a public number: not the count of what is there.

    Returns:
        Shape (t, r, d).
    """
    *shape, n = chosen.shape
    weights = chosen.reshape(math.prod(shape), n).astype(np.float64)
    return (weights @ limit(records) / divisor).reshape(*shape, records.shape[1])


def draw_noise(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> Array:
    """Independent N(0, sigma^2) for every trial, release and coordinate, in double precision."""
    noise = rng.standard_normal(shape)
    noise *= sigma
    return noise


def add_noise(means: Array, noise: Callable[[], Array]) -> Array:
    """The mean plus one draw of noise, whatever it looks like."""
    return means + noise()


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """The curator's steps, in the order in which they are taken.

    Attributes:
        sensitivity: Clip, divisor and relation to the distance between neighbours.
        calibrate: What is published to the noise it needs.
        limit: Bounds the norm of each record.
        choose: Draws the records of each release.
        average: Records to means; told how to limit them.
        draw: Draws the noise.
        publish: Means and a source of noise to what leaves.
    """

    sensitivity: Sensitivity = mean_sensitivity
    calibrate: Calibrate = calibrate
    limit: Limit = limit_norm
    choose: Choose = draw_subset
    average: Average = mean_of_limited
    draw: Draw = draw_noise
    publish: Publish = add_noise
