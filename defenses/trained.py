"""Models that were trained on somebody's samples and published with their weights.

Here a training is the defence: what it claims is that nobody tells its samples from others of the
same law. A model is named; `targets` opens it and says which samples it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .claims import Claim, MembershipArea, Neighbours, TrainingPrivacy


@dataclass(frozen=True, kw_only=True)
class _Hiding:
    """A training that is said to hide its samples.

    Attributes:
        area_at_most: AUC that it is held against.
    """

    area_at_most: float = 0.6

    @property
    def claims(self) -> tuple[Claim, ...]:
        """That members are hardly told from others."""
        return (MembershipArea(at_most=self.area_at_most),)


@dataclass(frozen=True, kw_only=True)
class FromScratch(_Hiding):
    """The embedded model: trained for long on all member families, with no defence beyond that."""

    model: ClassVar[str] = "embedded"
    samples: ClassVar[str] = "emoji"


@dataclass(frozen=True, kw_only=True)
class Overfitted:
    """A fine-tune on few portraits for far too long: what every attack must find."""

    model: ClassVar[str] = "embedded+avatars-overfitted"
    samples: ClassVar[str] = "avatars-overfitted"

    @property
    def claims(self) -> tuple[Claim, ...]:
        """None."""
        return ()


@dataclass(frozen=True, kw_only=True)
class EarlyStopped(_Hiding):
    """The same fine-tune, stopped where the loss of validation pictures is lowest."""

    model: ClassVar[str] = "embedded+avatars-early"
    samples: ClassVar[str] = "avatars-early"


@dataclass(frozen=True, kw_only=True)
class Private(_Hiding):
    """The same fine-tune by DP-SGD: each picture's gradient clipped, noise on their sum.

    Attributes:
        epsilon: That its training was calibrated to.
        delta: The same.
    """

    model: ClassVar[str] = "embedded+avatars-private"
    samples: ClassVar[str] = "avatars-private"
    epsilon: float = 2.0
    delta: float = 1e-5

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The budget of the training, and that it hides members."""
        budget = TrainingPrivacy(
            epsilon=self.epsilon, delta=self.delta, neighbours=Neighbours.ADD_REMOVE
        )
        return (*super().claims, budget)
