"""Finding and verdict: what the evidence supports, and everything needed to judge that."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

SCHEMA = 1
"""Version of the record; `report/finding.schema.json` is its JSON Schema."""


class Verdict(str, enum.Enum):
    """There is no "secure": absence of evidence is not proof."""

    REFUTED = "REFUTED"
    NOT_REFUTED = "NOT_REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"


class Role(str, enum.Enum):
    """Claims set the exit status; controls say whether the audit can be believed."""

    CLAIM = "claim"
    CONTROL = "control"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One adversary in one arm.

    Attributes:
        adversary: Its name.
        arm: Set of games.
        metric: What `estimate` measures.
        n: Games, failed ones included.
        wins: Games won; None where nothing is won, such as in a test of means.
        chance: Value of the metric for an attacker who saw nothing.
        estimate: Metric less chance.
        interval: Two-sided interval of `estimate` at `level`.
        p_value: Of the claim's null hypothesis, before Holm.
        p_adjusted: After Holm over all rows of the claim.
        critical: Wins from which this row alone refutes at `level`; None without wins.
        detectable: Smallest true effect found with probability 0.9.
        ceiling: Largest lower bound that these games could have shown.
        alpha: The claim's level, against which `p_adjusted` is held.
        level: alpha / rows: of `interval`, `critical`, `detectable` and `ceiling`, which so hold
            for all rows at once.
        swapped: The same adversary on the views of other executions: n, p_value, holds.
        games: Facts of the arm: model, sessions, candidates, shadow games, timed, sealed.
    """

    adversary: str
    arm: str
    metric: str
    n: int
    wins: int | None
    chance: float
    estimate: float
    interval: tuple[float, float]
    p_value: float
    p_adjusted: float
    critical: int | None
    detectable: float
    ceiling: float
    alpha: float
    level: float
    swapped: Mapping[str, Any]
    games: Mapping[str, Any]

    @property
    def refutes(self) -> bool:
        """Whether this row refutes the claim at the claim's alpha, all looks paid for."""
        return self.p_adjusted <= self.alpha


@dataclass(frozen=True, kw_only=True)
class Control:
    """Something whose outcome is known beforehand.

    Attributes:
        name: Such as `undefended pipeline`.
        expected: What must come out.
        observed: What came out.
        holds: Whether they agree.
    """

    name: str
    expected: str
    observed: str
    holds: bool


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One audited claim, or one control.

    Attributes:
        id: `scenario/defence`, stable between runs.
        scenario: Name of the game.
        question: The game in one sentence.
        defense: Name, import path and fields.
        role: Claim or control.
        expected: Verdict that a control must get, else None.
        claim: What is audited, with its assumptions.
        verdict: What the evidence supports.
        reason: Why, in one sentence.
        metric: Of `estimate`.
        estimate: The strongest row's, or None with `reason`.
        interval: Two-sided, simultaneous over the rows at `alpha`.
        ceiling: The strongest row's.
        detectable: The worst over adversaries of their best arm, in advantage or normalized
            leakage whatever the metric.
        resolution: What `detectable` must not exceed for NOT_REFUTED.
        alpha: This claim's share of the run's alpha.
        n: Games of the strongest row.
        rows: Every adversary in every arm.
        exact: Exact arguments, such as byte-identical views.
        measures: Further measured quantities with intervals, not part of the verdict.
        controls: What had to hold for the verdict to be believed.
        threat_model: Coalition, behaviour, knowledge.
        provenance: Models, versions, seed, tap.
        artifacts: Files of the run folder with their SHA-256.
        timed: Whether real clocks ran: then the finding does not repeat byte for byte.
    """

    id: str
    scenario: str
    question: str
    defense: Mapping[str, Any]
    role: Role
    expected: Verdict | None
    claim: Mapping[str, Any]
    verdict: Verdict
    reason: str
    metric: str
    estimate: float | None
    interval: tuple[float, float] | None
    ceiling: float | None
    detectable: float | None
    resolution: float
    alpha: float
    n: int
    rows: tuple[Row, ...]
    exact: tuple[Mapping[str, Any], ...] = ()
    measures: tuple[Mapping[str, Any], ...] = ()
    controls: tuple[Control, ...] = ()
    threat_model: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[Mapping[str, str], ...] = ()
    timed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON form: unbounded is "inf", not measured is null."""
        plain: dict[str, Any] = _plain({f.name: getattr(self, f.name) for f in fields(self)})
        return {"schema": SCHEMA} | plain

    def to_json(self) -> str:
        """One line of `findings.jsonl`; equal findings give equal bytes."""
        return json.dumps(self.to_dict(), sort_keys=True, allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Finding:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: If the record has another schema version.
        """
        if record.get("schema") != SCHEMA:
            raise ValueError(
                f"schema={record.get('schema')} must be {SCHEMA}: another version wrote it; "
                "run the audit again"
            )
        values = {k: _numbers(v) for k, v in record.items() if k != "schema"}
        rows = tuple(Row(**_tupled(row)) for row in values.pop("rows"))
        controls = tuple(Control(**control) for control in values.pop("controls"))
        role, verdict = Role(values.pop("role")), Verdict(values.pop("verdict"))
        expected = values.pop("expected")
        for name in ("exact", "measures", "artifacts"):
            values[name] = tuple(values[name])
        return cls(
            rows=rows,
            controls=controls,
            role=role,
            verdict=verdict,
            expected=None if expected is None else Verdict(expected),
            **_tupled(values),
        )

    @property
    def surprising(self) -> bool:
        """A claim refuted, or a control that missed its expectation."""
        if self.role is Role.CLAIM:
            return self.verdict is Verdict.REFUTED
        return self.expected is not None and self.verdict is not self.expected

    def __repr__(self) -> str:
        value = "not measured" if self.estimate is None else f"{self.metric} {self.estimate:+.3f}"
        low, high = self.interval or (math.nan, math.nan)
        where = "" if self.interval is None else f" [{low:+.3f}, {high:+.3f}]"
        said = f"{self.id} ({self.role.value}): {self.verdict.value}"
        return f"<Finding {said}, {value}{where}, n={self.n}>"


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Row | Control):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return float(value) if value in ("inf", "-inf") else value


def _tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    pair = values.get("interval")
    return {**values, "interval": tuple(pair) if pair is not None else None}
