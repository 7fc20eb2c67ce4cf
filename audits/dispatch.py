"""Which audit takes a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..defenses.claims import (
    Claim,
    DifferentialPrivacy,
    Fidelity,
    Hidden,
    Indistinguishability,
    MembershipArea,
    MembershipRate,
    Obliviousness,
    Offload,
    SecurityLevel,
    TrainingPrivacy,
)
from ..scenarios.contract import Setting
from .verdict import Finding

Audit = Callable[..., Finding]


def audit_of(claim: Claim) -> Audit:
    """The audit of a type of claim, imported when it is needed.

    Raises:
        TypeError: If no audit takes such claims.
    """
    if isinstance(claim, Fidelity | Offload) or _from_servers(claim):
        from .ppidm.audit import audit as shared

        return shared
    if isinstance(claim, Obliviousness):
        from .obliviousness.audit import audit as oblivious

        return oblivious
    if isinstance(claim, MembershipArea | MembershipRate | TrainingPrivacy):
        from .membership.audit import audit as member

        return member
    if isinstance(claim, DifferentialPrivacy):
        from .dp_epsilon.audit import audit as private

        return private
    if isinstance(claim, Hidden | Indistinguishability | SecurityLevel):
        from .he.audit import audit as encrypted

        return encrypted
    raise TypeError(
        f"claim={claim} has no audit; claims of type {type(claim).__name__} are not run"
    )


def _from_servers(claim: Claim) -> bool:
    return isinstance(claim, Hidden) and " from " in claim.what


def shares_of(defense: Any, setting: Setting) -> tuple[Mapping[str, Any], ...]:
    """What is recorded of additive shares beside the games; nothing for other defences."""
    if getattr(defense, "share", None) != "ring":
        return ()
    from .ppidm.argument import arguments

    return arguments(defense, setting)
