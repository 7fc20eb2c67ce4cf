"""What a release says of itself: public numbers from which anybody can check its claim."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from scipy.special import ndtr, ndtri

from ..claims import Neighbours
from .calibration import Accountant, Noise, Query


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The record published with a release.

    Attributes:
        epsilon: Of all releases together.
        delta: Of all releases together.
        neighbours: Which two data sets are told apart.
        records: n, public.
        sample: m, records in one mean: its divisor.
        clip: C, bound on the norm of a record.
        normalize: Whether every record was scaled to C.
        sensitivity: L2 distance by which neighbours move one mean.
        sigma: Standard deviation of the noise on each coordinate.
        releases: Vectors published about these records.
        accountant: Which arguments were allowed.
        argument: Which of them gave sigma.
    """

    epsilon: float
    delta: float
    neighbours: Neighbours
    records: int
    sample: int
    clip: float
    normalize: bool
    sensitivity: float
    sigma: float
    releases: int
    accountant: Accountant
    argument: str

    @classmethod
    def of(cls, query: Query, noise: Noise, **facts: Any) -> Certificate:
        """The certificate of a calibrated query; `facts` are the fields that neither holds."""
        asked = {f.name: getattr(query, f.name) for f in fields(query)}
        return cls(**asked, sigma=noise.sigma, argument=noise.argument, **facts)

    @property
    def rate(self) -> float:
        """Share of the records in one mean, m / n."""
        return self.sample / self.records

    @property
    def mu(self) -> float | None:
        """All releases are exactly mu-GDP; None with subsampling, whose curve is not Gaussian.

        It is also d', the distance in standard deviations that the best test has.
        """
        if self.sample < self.records:
            return None
        return math.sqrt(self.releases) * self.sensitivity / self.sigma

    def best_auc(self) -> float | None:
        """AUC of the best membership test, `Phi(mu / sqrt 2)`; None with subsampling.

        A measured AUC above it is a bug of the implementation.
        """
        return None if self.mu is None else float(ndtr(self.mu / math.sqrt(2)))

    def best_tpr(self, fpr: float) -> float | None:
        """Power of the best test at a false-positive rate, `Phi(mu + Phi^-1(fpr))`.

        Raises:
            ValueError: If `fpr` is outside [0, 1].
        """
        if not 0 <= fpr <= 1:
            raise ValueError(f"fpr={fpr} must be in [0, 1]; divide a percentage by 100")
        return None if self.mu is None else float(ndtr(self.mu + ndtri(fpr)))

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with mu."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {"neighbours": self.neighbours.value, "accountant": self.accountant.value}
        return {**values, **plain, "mu": self.mu}

    def __str__(self) -> str:
        what = "normalized" if self.normalize else "clipped"
        mean = f"mean of {self.sample} of {self.records} records {what} to {self.clip:g}"
        count = f", {self.releases} releases" if self.releases > 1 else ""
        return (
            f"({self.epsilon:g}, {self.delta:g})-DP, {self.neighbours.value}: {mean}{count}, "
            f"sigma {self.sigma:.4g} ({self.argument})"
        )
