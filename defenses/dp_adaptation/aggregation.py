"""Noisy aggregated embeddings: the release of DPAgg-TI and the centroid of DP guidance.

Protocol, for records u_1 .. u_n held by a trusted curator:

1. u_i <- u_i min(1, C / |u_i|), or u_i C / |u_i|
2. S ~ uniform m-subset of {1 .. n}, or everything
3. v = (1 / m) sum over S of u_i + N(0, sigma^2 I)
4. curator -> public: v, certificate

Steps 2 and 3 are repeated for every release; all releases together are (epsilon, delta)-DP.
Whatever is done with v afterwards is free (`postprocess`).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..claims import Assumption, Claim, DifferentialPrivacy, Neighbours
from ..codec import Array
from ..protocol import Space, Terms
from ..seeds import stream
from .calibration import MAX_DELTA, Accountant, Query, default_delta
from .certificate import Certificate
from .procedure import Procedure

CHUNK_BYTES = 64 << 20
"""Most memory that the arrays of one batch take."""


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """Publish the mean of clipped vectors under Gaussian noise.

    The noise is drawn in double precision by NumPy's ziggurat, on 2^52 points a layer: the low
    bits of a release are not those of a real Gaussian, and an adversary that reads them is outside
    the claim (assumption `idealized-numerics`). Raising on bad records tells about them, so check
    records before they are promised privacy.

    Attributes:
        epsilon: Of all releases together.
        delta: Of all releases together; keep it at most 1 / (10 n) (see `default_delta`).
        clip: C, chosen on public data.
        sample: m, records in one mean, drawn anew for every release; None takes all. A single
            release of fewer records always needs more noise: draw to publish several vectors.
        size: Public number of records. None reads it off the records, which replace-one keeps;
            add-remove hides it, and divides by `size` whatever is there.
        neighbours: Which two data sets are told apart.
        releases: Vectors published, side by side.
        accountant: Arguments that may set sigma (see `calibration.calibrate`).
        normalize: Scale every record to C, short ones too.
        procedure: The curator's steps (see `procedure`).

    References:
        Peetathawatchai et al. (2024), https://arxiv.org/abs/2411.14639;
        Balle, Wang (2018), Theorem 8, https://arxiv.org/abs/1805.06530;
        Mironov (2012) on low bits, https://doi.org/10.1145/2382196.2382264.
    """

    epsilon: float = 1.0
    delta: float = MAX_DELTA
    clip: float = 1.0
    sample: int | None = None
    size: int | None = None
    neighbours: Neighbours = Neighbours.REPLACE_ONE
    releases: int = 1
    accountant: Accountant = Accountant.ANALYTIC
    normalize: bool = False
    procedure: Procedure = field(default_factory=Procedure)

    def __post_init__(self) -> None:
        # Names travel as text on the command line.
        object.__setattr__(self, "neighbours", Neighbours(self.neighbours))
        object.__setattr__(self, "accountant", Accountant(self.accountant))
        if not (math.isfinite(self.clip) and self.clip > 0):
            raise ValueError(f"clip={self.clip} must be finite and > 0")
        for name in ("releases", "sample"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be >= 1")
        if self.neighbours is Neighbours.ADD_REMOVE:
            self._check_add_remove()

    def _check_add_remove(self) -> None:
        if self.size is None or self.size < 1:
            raise ValueError(
                f"size={self.size} must be a public number >= 1 with neighbours='add-remove': the "
                "mean must not be divided by a count that neighbours differ in"
            )
        if self.sample is not None or self.accountant is Accountant.RDP:
            raise ValueError(
                "sample and accountant='rdp' need neighbours='replace-one': in a subset of fixed "
                "size a removed record is replaced by another"
            )

    @property
    def space(self) -> Space:
        """Records are embeddings of images as tokens."""
        return Space.TOKEN

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Differential privacy of one record, against everybody but the curator."""
        assumptions = (Assumption.SECRET_SEED, Assumption.IDEALIZED_NUMERICS)
        claim = DifferentialPrivacy(
            epsilon=self.epsilon,
            delta=self.delta,
            neighbours=self.neighbours,
            assumptions=assumptions,
        )
        return (claim,)

    def terms(self, records: int) -> Terms:
        """What is public of a release of so many records."""
        certificate = self.certificate(records)
        return Terms(
            neighbours=self.neighbours,
            clip=self.clip,
            normalize=self.normalize,
            divisor=certificate.sample,
            rate=certificate.rate,
            sigma=certificate.sigma,
            rounds=self.releases,
        )

    def certificate(self, records: int) -> Certificate:
        """What will be published with the release of so many records; looks at no data.

        Raises:
            ValueError: If `records` does not fit, or the accountant has no proof.
        """
        n = records if self.size is None else self.size
        if self.neighbours is Neighbours.REPLACE_ONE and n != records:
            raise ValueError(f"size={n} must be the number of records, which is {records}")
        if n < 1:
            raise ValueError("records is empty; there must be at least one")
        m = n if self.sample is None else self.sample
        query = Query(
            epsilon=self.epsilon,
            delta=self.delta,
            sensitivity=self.procedure.sensitivity(self.clip, m, self.neighbours),
            records=n,
            sample=m,
            releases=self.releases,
        )
        noise = self.procedure.calibrate(query, self.accountant)
        return Certificate.of(
            query,
            noise,
            neighbours=self.neighbours,
            clip=self.clip,
            normalize=self.normalize,
            accountant=self.accountant,
        )

    def release(
        self, records: Sequence[Any] | Array, rng: np.random.Generator, *, trials: int
    ) -> Array:
        """Independent repetitions of the whole release.

        Args:
            records: Shape (n, d), finite.
            rng: Source of subsets and noise; never reuse its state for other records.
            trials: How many, >= 1. Publishing more than one costs epsilon anew each time.

        Returns:
            Shape (trials, releases * d): the vectors of one trial side by side.

        Raises:
            ValueError: If `records` is empty, has another shape or holds NaN or infinity, or the
                configuration does not fit it.
        """
        values = _matrix(records)
        out = np.empty((trials, self.releases * values.shape[1]))
        start = 0
        for batch in self.batches(values, rng, trials=trials):
            out[start : start + len(batch)] = batch
            start += len(batch)
        return out

    def batches(
        self, records: Sequence[Any] | Array, rng: np.random.Generator, *, trials: int
    ) -> Iterator[Array]:
        """The same rows as `release`, in batches that take at most 64 MB.

        Yields:
            Shape (some trials, releases * d).
        """
        if trials < 1:
            raise ValueError(f"trials={trials} must be >= 1")
        values = _matrix(records)
        certificate = self.certificate(len(values))
        n, width = values.shape
        drawn = 3 * n if certificate.sample < certificate.records else 0
        rows = max(1, CHUNK_BYTES // (8 * self.releases * (3 * width + drawn)))
        for start in range(0, trials, rows):
            yield self._batch(values, certificate, rng, min(rows, trials - start))

    def _batch(
        self, records: Array, certificate: Certificate, rng: np.random.Generator, trials: int
    ) -> Array:
        """Steps 1 to 3."""
        step, shape = self.procedure, (trials, self.releases, records.shape[1])
        drawn = certificate.sample < certificate.records
        m = certificate.sample if drawn else len(records)
        chosen = step.choose(len(records), m, shape[:2], rng)
        means = step.average(
            records,
            lambda rows: step.limit(rows, self.clip, normalize=self.normalize),
            chosen,
            certificate.sample,
        )
        published = step.publish(means, lambda: step.draw(shape, certificate.sigma, rng))
        return published.reshape(trials, -1)


@dataclass(frozen=True, kw_only=True)
class Centroid(Aggregation):
    """Publish the centroid of normalized image features, as the target of universal guidance.

    References:
        Peetathawatchai et al. (2024), version 1, https://arxiv.org/abs/2411.14639v1.
    """

    normalize: bool = True

    @property
    def space(self) -> Space:
        """Records are features of images."""
        return Space.IMAGE


def aggregate(
    embeddings: ArrayLike,
    *,
    clip: float,
    epsilon: float,
    delta: float | None = None,
    sample: int | None = None,
    accountant: Accountant | str = Accountant.ANALYTIC,
    neighbours: Neighbours | str = Neighbours.REPLACE_ONE,
    size: int | None = None,
    releases: int = 1,
    normalize: bool = False,
    seed: int | None = None,
) -> tuple[Array, Certificate]:
    """Publish noisy aggregated embeddings, once.

    Args:
        embeddings: One vector a private image, shape (n, d).
        clip: C, chosen on public data.
        epsilon: Of everything returned.
        delta: Of everything returned; `default_delta(n)` if None.
        sample: m, or None for all.
        accountant: `analytic`, `classical` or `rdp`.
        neighbours: `replace-one` or `add-remove`.
        size: Public number of records, for add-remove.
        releases: Number of vectors.
        normalize: Scale every vector to C.
        seed: For experiments. None, the default, draws from the operating system: a seed that is
            known, or used for two data sets, takes the noise off again.

    Returns:
        The vector, shape (d,), or the vectors, shape (releases, d); and the certificate.

    Raises:
        ValueError: As for `Aggregation`.

    >>> vector, certificate = aggregate(np.eye(47, 768), clip=1.0, epsilon=1.0, seed=0)
    >>> vector.shape, round(certificate.sigma, 3)
    ((768,), 0.159)
    """
    records = _matrix(embeddings)
    public = len(records) if size is None else size
    mechanism = Aggregation(
        epsilon=epsilon,
        delta=default_delta(public) if delta is None else delta,
        clip=clip,
        sample=sample,
        size=size,
        neighbours=Neighbours(neighbours),
        releases=releases,
        accountant=Accountant(accountant),
        normalize=normalize,
    )
    rng = stream(secrets.randbits(128) if seed is None else seed, "dp-aggregation")
    vectors = mechanism.release(records, rng, trials=1).reshape(releases, -1)
    certificate = mechanism.certificate(len(records))
    return (vectors[0] if releases == 1 else vectors), certificate


def _matrix(records: Any) -> Array:
    values = np.asarray(records)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"records has dtype {values.dtype}, must be real numbers")
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"records has shape {values.shape}, must be (n, d): one row a record")
    values = values.astype(np.float64)
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise ValueError(
            f"records has {bad} rows with NaN or infinity, all must be finite; leave those out"
        )
    return values
