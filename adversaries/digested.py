"""Large values as keys of a cache: equal if their digests are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Digested(Generic[T]):
    """A value that is compared by its digest.

    Attributes:
        value: What it is.
        digest: Of all that decides it.
    """

    value: T
    digest: str

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digested) and self.digest == other.digest
