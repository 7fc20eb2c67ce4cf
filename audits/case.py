"""What is audited: one defence's trials in one scenario, and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..defenses.claims import Claim
from ..scenarios.contract import Trials
from .verdict import Role, Verdict


@dataclass(frozen=True, kw_only=True)
class Case:
    """What every audit is given.

    Attributes:
        id: `scenario/defence`.
        scenario: Name.
        question: In one sentence.
        defense: Name and specification.
        claim: What is promised, with its assumptions.
        role: Claim, or control with an `expected` verdict.
        trials: Arms of the defence.
        reference: Arms of the undefended pipeline.
        expected: Verdict of a control.
        exact: Exact arguments.
        threat_model: Coalition, behaviour, knowledge.
        provenance: Models, versions, seed.
        artifacts: Files of the run folder.
    """

    id: str
    scenario: str
    question: str
    defense: Mapping[str, Any]
    claim: Claim
    role: Role
    trials: Sequence[Trials]
    reference: Sequence[Trials]
    expected: Verdict | None = None
    exact: Sequence[Mapping[str, Any]] = ()
    threat_model: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Sequence[Mapping[str, str]] = ()

    def finding_fields(self) -> dict[str, Any]:
        """The fields of a finding that no audit decides."""
        return {
            "id": self.id,
            "scenario": self.scenario,
            "question": self.question,
            "defense": self.defense,
            "role": self.role,
            "expected": self.expected,
            "claim": self.claim.to_dict(),
            "exact": tuple(self.exact),
            "threat_model": self.threat_model,
            "provenance": self.provenance,
            "artifacts": tuple(self.artifacts),
            "timed": any(trials.facts.get("timed", False) for trials in self.trials),
        }
