"""Models that were trained on somebody's samples and published with their weights.

Here a training is the defence: what it claims is that nobody tells its samples from others of the
same law. A model is named; `targets` opens it and says which samples it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .claims import Claim, MembershipArea


@dataclass(frozen=True, kw_only=True)
class FromScratch:
    """The embedded model: trained for long on all member families, with no defence beyond that.

    Attributes:
        area_at_most: AUC that it is held against.
    """

    model: ClassVar[str] = "embedded"
    samples: ClassVar[str] = "emoji"
    area_at_most: float = 0.6

    @property
    def claims(self) -> tuple[Claim, ...]:
        """That training on many families hides single ones."""
        return (MembershipArea(at_most=self.area_at_most),)
