"""How much noise a number of noisy means needs, and by which argument.

Pure functions of public numbers. Every argument here is a proof; where several apply, the least
noise is taken, which is again a proof because the choice looks at no data.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from scipy.optimize import brentq

from .gaussian import analytic_sigma, gaussian_mu

MAX_DELTA = 1e-5
"""Largest default delta."""

ORDERS = (*range(2, 21), 24, 28, 32, 40, 48, 64, 128)
"""Renyi orders that are tried; any set gives a valid bound."""

MAX_NOISE = 1e6
"""Largest sigma / sensitivity that Renyi accounting is asked about: beyond, its sums round off."""


class Accountant(str, enum.Enum):
    """Which arguments may be used."""

    ANALYTIC = "analytic"
    CLASSICAL = "classical"
    RDP = "rdp"


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is to be noised: `releases` means, each over `sample` of `records` records.

    Attributes:
        epsilon: Of all releases together, >= 0.
        delta: Of all releases together, in (0, 1).
        sensitivity: L2 distance by which neighbours move the mean of one chosen subset, > 0.
        records: n, public.
        sample: m, drawn anew for every release without replacement; n draws nothing.
        releases: Vectors published about the same records.
    """

    epsilon: float
    delta: float
    sensitivity: float
    records: int
    sample: int
    releases: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.sample <= self.records:
            raise ValueError(
                f"sample={self.sample} must be at least 1 and at most the {self.records} records; "
                "None takes all of them"
            )
        if self.releases < 1:
            raise ValueError(f"releases={self.releases} must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviation of each coordinate, and why it is enough."""

    sigma: float
    argument: str


def default_delta(records: int) -> float:
    """The delta to claim where none is asked for: `min(1e-5, 1 / (10 n))`.

    Publishing one record of n, chosen at random, is (0, 1/n)-DP. A delta of that order promises
    nothing, so it must stay well below 1/n: here a mechanism that fails outright with probability
    delta for every record still exposes 0.1 of a record on average.

    >>> default_delta(47), default_delta(1_000_000)
    (1e-05, 1e-07)
    """
    if records < 1:
        raise ValueError(f"records={records} must be >= 1; there is nothing to protect")
    return min(MAX_DELTA, 1 / (10 * records))


def amplified(epsilon: float, delta: float, *, rate: float) -> tuple[float, float]:
    """What an (epsilon, delta)-DP mechanism gives on a random subset of share `rate`.

    `(ln(1 + q (e^epsilon - 1)), q delta)`, for replace-one and subsets of fixed size drawn
    without replacement.

    Args:
        epsilon: Of the mechanism on m records, >= 0.
        delta: Of the mechanism on m records.
        rate: q = m / n, in (0, 1].

    References:
        Balle, Barthe, Gaboardi (2018), Theorem 9, https://arxiv.org/abs/1807.01647.

    >>> [round(value, 6) for value in amplified(1.0, 1e-3, rate=0.1)]
    [0.158565, 0.0001]
    """
    _rate(rate)
    if epsilon < 1:
        return math.log1p(rate * math.expm1(epsilon)), rate * delta
    return epsilon + math.log(rate + (1 - rate) * math.exp(-epsilon)), rate * delta


def before_sampling(epsilon: float, delta: float, *, rate: float) -> tuple[float, float]:
    """What the mechanism on the subset must be for the whole to be (epsilon, delta)-DP.

    The inverse of `amplified`: `(ln(1 + (e^epsilon - 1) / q), delta / q)`. The delta returned may
    be 1 or more: then no mechanism is needed, and this argument gives no noise to add.

    >>> [round(value, 3) for value in before_sampling(5.0, 1 / 158, rate=8 / 158)]
    [7.977, 0.125]
    """
    _rate(rate)
    return epsilon + math.log1p(-(1 / rate - 1) * math.expm1(-epsilon)), delta / rate


def classical_sigma(epsilon: float, delta: float, *, sensitivity: float) -> float:
    """`D sqrt(2 ln(1.25 / delta)) / epsilon`, the formula of the paper.

    Args:
        epsilon: In (0, 1]: the proof ends there, and above it the noise may be too small.
        delta: In (0, 1).
        sensitivity: D.

    Raises:
        ValueError: If `epsilon` is outside (0, 1] or `delta` outside (0, 1).

    References:
        Dwork, Roth (2014), Theorem A.1, https://doi.org/10.1561/0400000042.

    >>> round(classical_sigma(1.0, 1e-5, sensitivity=1.0), 4)
    4.8448
    """
    if not 0 < epsilon <= 1:
        raise ValueError(
            f"epsilon={epsilon:g} (of one release, before subsampling) must be in (0, 1] for the "
            "classical formula, which is not proven above 1; use accountant='analytic'"
        )
    if not 0 < delta < 1:
        raise ValueError(
            f"delta={delta:g} (of one release, before subsampling) must be in (0, 1); lower delta"
        )
    return sensitivity * math.sqrt(2 * math.log(1.25 / delta)) / epsilon


def rdp_epsilon(noise: float, delta: float, *, records: int, sample: int, releases: int) -> float:
    """Epsilon of subsampled Gaussian releases by Renyi accounting (dp-accounting).

    Args:
        noise: sigma / sensitivity, replace-one.
        delta: Of all releases together.
        records: n.
        sample: m, without replacement.
        releases: How many.

    References:
        Wang, Balle, Kasiviswanathan (2019), Theorem 27, https://arxiv.org/abs/1808.00087.
    """
    # Loaded here: it takes a second, and carries no types.
    event, rdp = import_module("dp_accounting.dp_event"), import_module("dp_accounting.rdp")
    relation = import_module("dp_accounting.privacy_accountant").NeighboringRelation.REPLACE_ONE
    accountant = rdp.RdpAccountant(ORDERS, neighboring_relation=relation)
    one = event.SampledWithoutReplacementDpEvent(records, sample, event.GaussianDpEvent(noise))
    accountant.compose(one, releases)
    return float(accountant.get_epsilon(delta))


@functools.lru_cache(maxsize=256)
def rdp_noise(epsilon: float, delta: float, *, records: int, sample: int, releases: int) -> float:
    """The least sigma / sensitivity with `rdp_epsilon` at most `epsilon`, to 0.01 %, from above.

    Infinite where that takes more than `MAX_NOISE`.
    """

    def excess(log_noise: float) -> float:
        sizes = {"records": records, "sample": sample, "releases": releases}
        return rdp_epsilon(math.exp(log_noise), delta, **sizes) - epsilon

    low = high = math.log(math.sqrt(releases) / gaussian_mu(epsilon, delta))
    while high <= math.log(MAX_NOISE) and excess(high) > 0:
        high += 1
    if high > math.log(MAX_NOISE):
        return math.inf
    while excess(low) <= 0:
        low -= 1
    root = cast(float, brentq(excess, low, high, xtol=5e-5))
    return math.exp(root if excess(root) <= 0 else root + 1e-4)


def calibrate(query: Query, accountant: Accountant | str = Accountant.ANALYTIC) -> Noise:
    """The least noise that the accountant's arguments allow.

    - `analytic`: Gaussian composition, exact without subsampling. With it, the least of: no credit
      for subsampling; amplification with basic composition; Renyi accounting of several releases.
    - `classical`: amplification, basic composition, and the formula of the paper.
    - `rdp`: Renyi accounting.

    Raises:
        ValueError: If epsilon or delta is out of range, or the accountant has no proof.
    """
    accountant = Accountant(accountant)
    if accountant is Accountant.CLASSICAL:
        return _classical(query)
    if accountant is Accountant.RDP:
        return _reached(_rdp(query), query)
    return min(_proofs(query), key=lambda noise: noise.sigma)


def _proofs(query: Query) -> Iterator[Noise]:
    yield _gaussian(query)
    if query.sample == query.records:
        return
    epsilon0, delta0 = _one(query)
    if delta0 < 1:
        sigma = analytic_sigma(epsilon0, delta0, sensitivity=query.sensitivity)
        yield Noise(sigma=sigma, argument=_named("analytic Gaussian", query))
    if query.releases > 1:
        yield _rdp(query)


def _gaussian(query: Query) -> Noise:
    """`mu_total^2 = sum mu_i^2`, so sigma grows with the root of the number of releases.

    Each subset, held fixed, gives such a pair of Gaussians or a closer one, and mixing over
    subsets does not tell neighbours apart better (joint convexity).

    References:
        Dong, Roth, Su (2019), Corollary 3.3, https://arxiv.org/abs/1905.02383.
    """
    sigma = analytic_sigma(query.epsilon, query.delta, sensitivity=query.sensitivity)
    name = "Gaussian composition" if query.releases > 1 else "analytic Gaussian"
    return Noise(sigma=sigma * math.sqrt(query.releases), argument=name)


def _classical(query: Query) -> Noise:
    epsilon0, delta0 = _one(query)
    sigma = classical_sigma(epsilon0, delta0, sensitivity=query.sensitivity)
    return Noise(sigma=sigma, argument=_named("classical Gaussian", query))


def _rdp(query: Query) -> Noise:
    sizes = {"records": query.records, "sample": query.sample, "releases": query.releases}
    noise = rdp_noise(query.epsilon, query.delta, **sizes)
    return Noise(sigma=query.sensitivity * noise, argument="Renyi accounting")


def _reached(noise: Noise, query: Query) -> Noise:
    if math.isinf(noise.sigma):
        raise ValueError(
            f"epsilon={query.epsilon:g} is too small for accountant='rdp'; use 'analytic'"
        )
    return noise


def _one(query: Query) -> tuple[float, float]:
    """Budget of one release on its subset: basic composition, then amplification inverted."""
    share = (query.epsilon / query.releases, query.delta / query.releases)
    return before_sampling(*share, rate=query.sample / query.records)


def _named(formula: str, query: Query) -> str:
    amplification = ", amplification" if query.sample < query.records else ""
    composition = ", basic composition" if query.releases > 1 else ""
    return formula + amplification + composition


def _rate(rate: float) -> None:
    if not 0 < rate <= 1:
        raise ValueError(f"rate={rate} must be in (0, 1]; it is the share m / n that is drawn")
