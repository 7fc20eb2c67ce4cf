"""Copies of the aggregated release with one mistake each: what an audit of epsilon must refute.

Each replaces one step; `effect` says what is gained by it, `canary` states two neighbouring data
sets that show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ...defenses.claims import Neighbours
from ...defenses.codec import Array
from ...defenses.dp_adaptation.aggregation import Aggregation
from ...defenses.dp_adaptation.calibration import Accountant, Noise, Query, calibrate
from ...defenses.dp_adaptation.procedure import (
    Bound,
    Procedure,
    draw_noise,
    mean_of_limited,
    mean_sensitivity,
)

BEST_OF = 10
"""Releases among which `BestOfMany` chooses."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """Two neighbouring data sets: opposite vectors along one axis, among records known to all.

    Under add-remove the second data set has no record in place of the canary.

    Attributes:
        records: n, the canary included; it comes first.
        dimension: d.
        norm: Length of the canary over the clip.
        axis: Coordinate along which it lies.
        shown: Coordinate along which all other records have length C; None leaves them zero.
            A mean then shows along it whether the canary is in.
    """

    records: int = 100
    dimension: int = 64
    norm: float = 1.0
    axis: int = 0
    shown: int | None = None

    def worlds(self, mechanism: Aggregation) -> tuple[Array, Array]:
        """The data sets with the canary and without it, shapes (n, d) and (n or n - 1, d)."""
        with_it = np.zeros((self.records, self.dimension))
        if self.shown is not None:
            with_it[1:, self.shown] = mechanism.clip
        with_it[0, self.axis] = self.norm * mechanism.clip
        if mechanism.neighbours is Neighbours.ADD_REMOVE:
            return with_it, with_it[1:]
        without = with_it.copy()
        without[0] = -without[0]
        return with_it, without


def limit_nothing(records: Array, clip: float, *, normalize: bool) -> Array:
    """The records as they are."""
    return records


def limit_the_mean(records: Array, limit: Bound, chosen: Array, divisor: int) -> Array:
    """The mean of the records as they are, its own norm limited."""
    means = mean_of_limited(records, lambda rows: rows, chosen, divisor)
    return limit(means.reshape(-1, means.shape[-1])).reshape(means.shape)


def sum_of_limited(records: Array, limit: Bound, chosen: Array, divisor: int) -> Array:
    """The sum: the mean without its division."""
    return mean_of_limited(records, limit, chosen, 1)


def sensitivity_of_removal(clip: float, divisor: int, neighbours: Neighbours) -> float:
    """`C / m`, whatever is claimed."""
    return mean_sensitivity(clip, divisor, Neighbours.ADD_REMOVE)


def draw_once(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> Array:
    """One draw for all releases of a trial."""
    trials, _, dimension = shape
    return np.broadcast_to(draw_noise((trials, 1, dimension), sigma, rng), shape)


def draw_half(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> Array:
    """Noise on the first half of the coordinates."""
    noise = draw_noise(shape, sigma, rng)
    noise[..., shape[-1] // 2 :] = 0
    return noise


def choose_first(n: int, m: int, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """The first m records, every time."""
    return (np.arange(n) < m)[None, None, :]


def calibrate_classically(query: Query, accountant: Accountant) -> Noise:
    """`D sqrt(2 ln(1.25 / delta)) / epsilon` at every epsilon."""
    factor = math.sqrt(2 * math.log(1.25 / query.delta))
    return Noise(sigma=query.sensitivity * factor / query.epsilon, argument="classical Gaussian")


def calibrate_without_delta(query: Query, accountant: Accountant) -> Noise:
    """`D / epsilon`, as for Laplace noise."""
    return Noise(sigma=query.sensitivity / query.epsilon, argument="sensitivity over epsilon")


def calibrate_for_one(query: Query, accountant: Accountant) -> Noise:
    """The noise of a single release, however many follow."""
    return calibrate(replace(query, releases=1), accountant)


def publish_the_best(means: Array, noise: Callable[[], Array]) -> Array:
    """Of several noisy means the one that looks most like the mean."""
    best: Array | None = None
    top: Array | None = None
    for _ in range(BEST_OF):
        vectors = means + noise()
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        cosine = (vectors * means).sum(axis=-1, keepdims=True) / lengths
        better = np.ones_like(cosine, dtype=bool) if top is None else cosine > top
        best = vectors if best is None else np.where(better, vectors, best)
        top = cosine if top is None else np.maximum(cosine, top)
    assert best is not None
    return best


@dataclass(frozen=True, kw_only=True)
class Broken(Aggregation):
    """Claims epsilon = 4 at delta = 1e-5 under replace-one, unless told otherwise."""

    effect: ClassVar[str]
    canary: ClassVar[Canary] = Canary()
    epsilon: float = 4.0


@dataclass(frozen=True, kw_only=True)
class NoClipping(Broken):
    """Records are averaged as they come."""

    effect: ClassVar[str] = "A record ten times too long moves the mean ten times too far."
    canary: ClassVar[Canary] = Canary(norm=10.0)
    procedure: Procedure = field(default_factory=lambda: Procedure(limit=limit_nothing))


@dataclass(frozen=True, kw_only=True)
class ClipAfterAveraging(Broken):
    """The mean is clipped instead of the records."""

    effect: ClassVar[str] = "One long record sets the whole mean."
    canary: ClassVar[Canary] = Canary(norm=100.0)
    procedure: Procedure = field(default_factory=lambda: Procedure(average=limit_the_mean))


@dataclass(frozen=True, kw_only=True)
class AddRemoveNoise(Broken):
    """Noise for add-remove under a claim of replace-one."""

    effect: ClassVar[str] = "Replacing moves the mean twice as far: half the noise needed."
    procedure: Procedure = field(
        default_factory=lambda: Procedure(sensitivity=sensitivity_of_removal)
    )


@dataclass(frozen=True, kw_only=True)
class SumReleased(Broken):
    """The sum is published under the noise of the mean."""

    effect: ClassVar[str] = "Every record counts n times as much as the noise was made for."
    procedure: Procedure = field(default_factory=lambda: Procedure(average=sum_of_limited))


@dataclass(frozen=True, kw_only=True)
class ReusedNoise(Broken):
    """Two releases over different subsets under one draw of noise."""

    effect: ClassVar[str] = "The difference of the two releases has no noise."
    canary: ClassVar[Canary] = Canary(shown=1)
    sample: int | None = 50
    releases: int = 2
    procedure: Procedure = field(default_factory=lambda: Procedure(draw=draw_once))


@dataclass(frozen=True, kw_only=True)
class PartialNoise(Broken):
    """Noise on half of the coordinates."""

    effect: ClassVar[str] = "The other half is published in the clear."
    canary: ClassVar[Canary] = Canary(axis=63)
    procedure: Procedure = field(default_factory=lambda: Procedure(draw=draw_half))


@dataclass(frozen=True, kw_only=True)
class ClassicalSigma(Broken):
    """The classical formula beyond epsilon = 1, where it is not proven.

    It under-noises at a large epsilon or delta. At delta = 1e-5 it is wrong from about epsilon = 8
    on, and over-noises at epsilon = 4: that copy keeps its claim.
    """

    effect: ClassVar[str] = "Too little noise: epsilon is larger than claimed."
    epsilon: float = 20.0
    procedure: Procedure = field(default_factory=lambda: Procedure(calibrate=calibrate_classically))


@dataclass(frozen=True, kw_only=True)
class FixedSubset(Broken):
    """Amplification by subsampling is claimed, the subset is always the same."""

    effect: ClassVar[str] = (
        "Records of the subset have the small noise and no chance to be left out."
    )
    canary: ClassVar[Canary] = Canary(records=1000)
    sample: int | None = 1
    procedure: Procedure = field(default_factory=lambda: Procedure(choose=choose_first))


@dataclass(frozen=True, kw_only=True)
class DeltaIgnored(Broken):
    """Sigma is the sensitivity over epsilon."""

    effect: ClassVar[str] = "Noise for pure differential privacy of another law: far too little."
    procedure: Procedure = field(
        default_factory=lambda: Procedure(calibrate=calibrate_without_delta)
    )


@dataclass(frozen=True, kw_only=True)
class BestOfMany(Broken):
    """Several releases are drawn, the one most like the true mean is published."""

    effect: ClassVar[str] = "The choice points where the true mean points."
    procedure: Procedure = field(default_factory=lambda: Procedure(publish=publish_the_best))


@dataclass(frozen=True, kw_only=True)
class SecondUncharged(Broken):
    """Two releases, each with the noise of one."""

    effect: ClassVar[str] = "Two releases tell more than one: mu grows by the root of two."
    releases: int = 2
    procedure: Procedure = field(default_factory=lambda: Procedure(calibrate=calibrate_for_one))


BROKEN = (
    NoClipping,
    ClipAfterAveraging,
    AddRemoveNoise,
    SumReleased,
    ReusedNoise,
    PartialNoise,
    ClassicalSigma,
    FixedSubset,
    DeltaIgnored,
    BestOfMany,
    SecondUncharged,
)
"""Every broken copy, each with its `effect` and its `canary`."""
