"""What a scenario is: arms of games played by a defence, judged apart from the adversaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import Adversary, Question, Scores, ThreatModel
from ..defenses.claims import Claim
from ..defenses.protocol import Defense
from ..targets.pipeline import Target

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and out of how much."""


Failed = Callable[[str, Any, Exception], None]
"""Called with the name of an adversary, the arm that it did not play, and why."""


def silent(label: str, done: int, total: int) -> None:
    """No progress shown."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One set of games of a scenario, all under the same configuration.

    Attributes:
        name: Such as `full k=10`; unique within a scenario and defence.
        defense: The protocol as configured for this arm.
        model: Target specification, see `targets.load`.
        prompts: Any candidate of each template that is played.
        games: Scored games.
        shadow: Labelled games granted for training, on disjoint streams.
        sessions: Executions a game, all on the same secret.
        follow_ups: For each of `prompts`, what later sessions ask for instead; empty repeats it.
        question: What is asked of the adversaries.
        prior: Law of the real candidate: `uniform` or `measured`.
        outside: Why the claim does not cover this arm; empty where it does.
        timed: Real processes and clocks instead of work counts.
        images: Keep the first games' images for the report.
        control_of: Name of the arm that this one plays again with truth and coins from the
            operating system; empty for an arm of its own.
    """

    name: str
    defense: Defense
    model: str
    prompts: tuple[str, ...]
    games: int
    shadow: int
    sessions: int = 1
    follow_ups: tuple[tuple[str, ...], ...] = ()
    question: Question = Question.WHICH_PROMPT
    prior: str = "uniform"
    outside: str = ""
    timed: bool = False
    images: bool = False
    control_of: str = ""

    def __post_init__(self) -> None:
        for name, least in (("games", 1), ("shadow", 0), ("sessions", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {least}")
        if self.follow_ups and any(len(f) != self.sessions - 1 for f in self.follow_ups):
            raise ValueError(
                f"follow_ups must name {self.sessions - 1} prompts, one a later session"
            )


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Per game: the truth, and what every adversary said.

    Attributes:
        arm: Name of the arm.
        truth: Column of the real candidate, shape (games,).
        counts: Number of candidates, shape (games,).
        scores: Adversary name to scores, shape (games, most candidates).
        swapped: The same on the views of other executions: the control.
        facts: Everything about the arm that a finding prints, JSON values.
    """

    arm: str
    truth: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    scores: Mapping[str, Scores]
    swapped: Mapping[str, Scores]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write arrays as `.npz` without pickle, facts as JSON beside it."""
        arrays: dict[str, Any] = {"truth": self.truth, "counts": self.counts}
        arrays |= {f"scores/{name}": s for name, s in self.scores.items()}
        arrays |= {f"swapped/{name}": s for name, s in self.swapped.items()}
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path, *, arm: str, facts: Mapping[str, Any]) -> Trials:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        return cls(
            arm=arm,
            truth=arrays["truth"],
            counts=arrays["counts"],
            scores=_under(arrays, "scores/"),
            swapped=_under(arrays, "swapped/"),
            facts=facts,
        )


def _under(arrays: Mapping[str, Any], prefix: str) -> dict[str, Scores]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all arms of a run share.

    Attributes:
        target: Opens a target specification.
        seed: Seed of the run.
        threads: Threads of a sealed adversary.
        sealed: Adversaries in processes of their own.
        work: Where views are kept until they are scored.
        artifacts: Where images go.
        progress: Shows how far it is.
        at_once: Adversaries that play at the same time.
        failed: Told of an adversary that did not play an arm, by name, and why; None raises.
    """

    target: Callable[[str], Target]
    seed: int
    work: Path
    artifacts: Path
    threads: int = 1
    sealed: bool = True
    progress: Progress = silent
    at_once: int = 2
    failed: Failed | None = None


class NamedArm(Protocol):
    """What every set of games has, whatever is played in it."""

    @property
    def name(self) -> str:
        """Unique within a scenario and defence."""
        ...

    @property
    def defense(self) -> Any:
        """The defence as configured for this arm."""
        ...

    @property
    def control_of(self) -> str:
        """Arm that this one plays again with coins from the operating system, or empty."""
        ...


class Scenario(Protocol):
    """A question asked of a defence.

    Attributes:
        name: Its id.
        question: In one sentence.
        threat_model: Who is curious, knowing what.
        optimum: Name of an adversary that succeeds on the undefended pipeline.
    """

    name: str
    question: str
    threat_model: ThreatModel
    optimum: str

    @property
    def about(self) -> tuple[type[Any], ...]:
        """Types of the claims that it puts to the test."""
        ...

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What controls, which promise nothing, are held against; one a finding."""
        ...

    @property
    def defenses(self) -> tuple[str, ...]:
        """Ids of the defences that it is about."""
        ...

    @property
    def controls(self) -> tuple[str, ...]:
        """Ids or paths of what it must refute, the undefended pipeline first."""
        ...

    def arms(self, defense: Any, profile: str) -> tuple[Any, ...]:
        """The sets of games that `profile` plays against `defense`."""
        ...

    def adversaries(self) -> Mapping[str, Adversary]:
        """Who plays."""
        ...

    def play(self, arm: Any, adversaries: Mapping[str, Adversary], setting: Setting) -> Any:
        """Play one arm; what it returns goes to `judge`."""
        ...

    def judge(
        self, played: Sequence[Any], adversaries: Mapping[str, Adversary], setting: Setting
    ) -> tuple[Trials, ...]:
        """Hand the views of all arms to every adversary, and count."""
        ...

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Exact arguments, such as byte-identical views."""
        ...


def adjusted(thing: Any, **values: Any) -> Any:
    """Copy of a frozen dataclass with those of `values` that it has as fields."""
    known = {k: v for k, v in values.items() if k in getattr(thing, "__dataclass_fields__", {})}
    return replace(thing, **known)


def derangement(groups: Sequence[Any], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A permutation that moves every game to another one of its group where it can.

    Groups of one trade views with each other, in a cycle.
    """
    order = np.arange(len(groups))
    buckets: dict[Any, list[int]] = {}
    for game, group in enumerate(groups):
        buckets.setdefault(group, []).append(game)
    lonely = [games[0] for games in buckets.values() if len(games) == 1]
    for games in [*(g for g in buckets.values() if len(g) > 1), lonely]:
        shuffled = rng.permutation(np.array(games, dtype=np.int64))
        order[shuffled] = np.roll(shuffled, 1)
    return order
