"""What a defence promises, to whom, under which named assumptions.

A claim is a statement that an audit can refute. Its assumptions are printed beside every verdict.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any


class Assumption(str, enum.Enum):
    """A condition outside the audit without which a claim promises nothing."""

    SEMI_HONEST = "semi-honest"
    NON_COLLUDING = "non-colluding"
    UNIFORM_PRIOR = "uniform-prior"
    SECRET_SEED = "secret-seed"
    IDEALIZED_NUMERICS = "idealized-numerics"
    COMPLETE_LEXICON = "complete-lexicon"


class Neighbours(str, enum.Enum):
    """Which two data sets a differential-privacy claim compares."""

    REPLACE_ONE = "replace-one"
    ADD_REMOVE = "add-remove"


@dataclass(frozen=True, kw_only=True)
class _Base:
    assumptions: tuple[Assumption, ...] = (Assumption.SEMI_HONEST, Assumption.SECRET_SEED)

    @property
    def label(self) -> str:
        """Short name that tells the claims of one defence apart, in a finding's id."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(self).__name__)
        return words.lower()

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the key `type` names the class."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["assumptions"] = [a.value for a in self.assumptions]
        plain = {k: v.value if isinstance(v, enum.Enum) else v for k, v in values.items()}
        return {"type": type(self).__name__, "statement": str(self)} | plain


@dataclass(frozen=True, kw_only=True)
class DifferentialPrivacy(_Base):
    """One release is (epsilon, delta)-DP under the stated neighbouring relation."""

    epsilon: float
    delta: float
    neighbours: Neighbours = Neighbours.REPLACE_ONE

    def __post_init__(self) -> None:
        _require(self, "epsilon", lambda v: v >= 0, ">= 0")
        _require(self, "delta", lambda v: 0 <= v < 1, "in [0, 1)")

    def __str__(self) -> str:
        return f"({self.epsilon:g}, {self.delta:g})-DP, {self.neighbours.value}"


@dataclass(frozen=True, kw_only=True)
class Obliviousness(_Base):
    """No coalition names the real candidate with probability above 1/N + slack.

    Attributes:
        candidates: N, or None where it depends on the prompt (1/N is then per game).
        slack: Tolerated advantage, the paper's lambda (ObCLIP, Theorem 1).
        prior: Law of the real candidate: `uniform` as the paper's bound needs it, or `measured`, as
            often as prompts are really asked for.
    """

    candidates: int | None = None
    slack: float = 0.02
    prior: str = "uniform"
    assumptions: tuple[Assumption, ...] = (
        Assumption.SEMI_HONEST,
        Assumption.UNIFORM_PRIOR,
        Assumption.COMPLETE_LEXICON,
        Assumption.SECRET_SEED,
    )

    @property
    def label(self) -> str:
        """`uniform-prior` or `measured-prior`."""
        return f"{self.prior}-prior"

    def __post_init__(self) -> None:
        if self.prior not in ("uniform", "measured"):
            raise ValueError(f"prior={self.prior!r} must be uniform or measured")
        _require(self, "slack", lambda v: 0 <= v < 1, "in [0, 1)")
        if self.candidates is not None:
            _require(self, "candidates", lambda v: v >= 2, ">= 2")

    def __str__(self) -> str:
        n = "N" if self.candidates is None else str(self.candidates)
        law = "" if self.prior == "uniform" else f", under the {self.prior} prior"
        return f"real candidate named with probability at most 1/{n} + {self.slack:g}{law}"


@dataclass(frozen=True, kw_only=True)
class Hidden(_Base):
    """What is named stays hidden: bounds on normalized leakage and on retrieval among 100."""

    what: str
    metric: str
    normalized_leakage_at_most: float = 0.05
    retrieval_at_most: float = 0.06

    @property
    def label(self) -> str:
        """`hidden-image`."""
        return f"hidden-{self.what.replace(' ', '-')}"

    def __str__(self) -> str:
        return (
            f"{self.what} hidden: normalized {self.metric} <= {self.normalized_leakage_at_most:g}"
        )


@dataclass(frozen=True, kw_only=True)
class Indistinguishability(_Base):
    """Two secrets chosen beforehand are told apart with at most this advantage."""

    advantage: float

    def __post_init__(self) -> None:
        _require(self, "advantage", lambda v: 0 <= v <= 1, "in [0, 1]")

    def __str__(self) -> str:
        return f"two chosen secrets told apart with advantage at most {self.advantage:g}"


@dataclass(frozen=True, kw_only=True)
class SecurityLevel(_Base):
    """Parameters reach this many bits in the named table of a standard."""

    bits: int
    table: str

    @property
    def label(self) -> str:
        """`128-bits-2024`: the number, and the first year in the table's name."""
        year = re.search(r"\d{4}", self.table)
        return f"{self.bits}-bits" + (f"-{year[0]}" if year else "")

    def __str__(self) -> str:
        return f"{self.bits} bits by {self.table}"


@dataclass(frozen=True, kw_only=True)
class Fidelity(_Base):
    """The protected output is this close to the undefended one."""

    metric: str
    at_least: float

    def __str__(self) -> str:
        return f"{self.metric} of the output at least {self.at_least:g}"


@dataclass(frozen=True, kw_only=True)
class Offload(_Base):
    """At least this share of the work leaves the client."""

    share: float

    def __post_init__(self) -> None:
        _require(self, "share", lambda v: 0 <= v <= 1, "in [0, 1]")

    def __str__(self) -> str:
        return f"at least {100 * self.share:g} % of the work offloaded"


@dataclass(frozen=True, kw_only=True)
class MembershipArea(_Base):
    """No attack on a trained model has a larger area under the ROC curve than this."""

    at_most: float

    def __post_init__(self) -> None:
        _require(self, "at_most", lambda v: 0.5 <= v < 1, "in [0.5, 1)")

    def __str__(self) -> str:
        return f"members told from others with an AUC of at most {self.at_most:g}"


@dataclass(frozen=True, kw_only=True)
class MembershipRate(_Base):
    """No attack on a trained model finds a larger share of the members at this false-positive rate.

    Attributes:
        at_most: True-positive rate.
        at_fpr: False-positive rate.
    """

    at_most: float
    at_fpr: float = 0.01

    def __post_init__(self) -> None:
        _require(self, "at_most", lambda v: 0 <= v < 1, "in [0, 1)")
        _require(self, "at_fpr", lambda v: 0 < v < 1, "in (0, 1)")

    def __str__(self) -> str:
        return f"at most {self.at_most:g} of the members found at an FPR of {self.at_fpr:g}"


@dataclass(frozen=True, kw_only=True)
class TrainingPrivacy(DifferentialPrivacy):
    """A whole training, published with its weights, is (epsilon, delta)-DP in one sample."""

    assumptions: tuple[Assumption, ...] = (
        Assumption.SEMI_HONEST,
        Assumption.SECRET_SEED,
        Assumption.IDEALIZED_NUMERICS,
    )

    def __str__(self) -> str:
        return f"training is ({self.epsilon:g}, {self.delta:g})-DP, {self.neighbours.value}"


Claim = (
    DifferentialPrivacy
    | MembershipArea
    | MembershipRate
    | TrainingPrivacy
    | Obliviousness
    | Hidden
    | Indistinguishability
    | SecurityLevel
    | Fidelity
    | Offload
)


def _require(claim: object, name: str, holds: Callable[[float], bool], condition: str) -> None:
    value = float(getattr(claim, name))
    if math.isnan(value) or not holds(value):
        raise ValueError(f"{name}={value:g} must be {condition}")
