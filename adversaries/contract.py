"""What an adversary is, what it may know, and what it hands back."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.views import Views

Scores = npt.NDArray[np.float64]


class Question(str, enum.Enum):
    """Which game is played."""

    WHICH_PROMPT = "which-prompt"
    WHICH_ATTRIBUTES = "which-attributes"
    WHICH_ROW_WAS_PUBLISHED = "which-row-was-published"
    SAME_PROMPT = "same-prompt"
    WAS_IT_USED = "was-it-used"
    WAS_IT_IN_TRAINING = "was-it-in-training"
    WHICH_RECORD = "which-record"
    WHAT_WAS_DRAWN = "what-was-drawn"
    WHICH_LATENT = "which-latent"
    WHICH_PLAINTEXT = "which-plaintext"


class Knowledge(str, enum.Enum):
    """A fact that a threat model may grant beyond the view."""

    PROTOCOL = "protocol"
    CANDIDATES = "candidates"
    WEIGHTS = "weights"
    SHADOW = "shadow"
    TARGET = "target"
    OTHERS = "others"


class Behavior(str, enum.Enum):
    """What corrupted parties do."""

    SEMI_HONEST = "semi-honest"


class ThreatModelError(ValueError):
    """An adversary needs what the threat model does not grant."""


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Labelled executions that the referee made on disjoint streams, for training.

    Attributes:
        views: One game each.
        candidates: Per game, the candidate prompts in canonical order.
        labels: Per game, the column of the real candidate, shape (games,).
    """

    views: Views
    candidates: tuple[tuple[str, ...], ...]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """The facts that a threat model granted; everything else is None.

    Attributes:
        candidates: Per game, the candidate prompts in canonical order.
        shadow: Labelled executions on other secrets and coins.
        weights: Target reference (specification and SHA-256 digests), never tensors.
        target: The record in question and what stands in its place in the other world, as
            arrays by name: `record`, `replacement`, and pictures where there are any; or
            `published`, the picture that each game's client showed, shape (games, h, w, 3).
        others: All other records, shape (n - 1, d).
    """

    candidates: tuple[tuple[str, ...], ...] | None = None
    shadow: Shadow | None = None
    weights: Mapping[str, Any] | None = None
    target: Mapping[str, Array] | None = None
    others: Array | None = None

    def save(self, folder: Path) -> None:
        """Write the facts as JSON and a file of views."""
        facts: dict[str, Any] = {"candidates": self.candidates, "weights": self.weights}
        if self.shadow is not None:
            self.shadow.views.save(folder / "shadow.views")
            labels = [int(i) for i in self.shadow.labels]
            facts["shadow"] = {"candidates": self.shadow.candidates, "labels": labels}
        (folder / "auxiliary.json").write_text(json.dumps(facts))
        arrays = {f"target/{name}": array for name, array in (self.target or {}).items()}
        if self.others is not None:
            arrays["others"] = self.others
        if arrays:
            with (folder / "records.npz").open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> Auxiliary:
        """Read what `save` wrote."""
        facts = json.loads((folder / "auxiliary.json").read_text())
        shadow = None
        if "shadow" in facts:
            shadow = Shadow(
                views=Views.load(folder / "shadow.views"),
                candidates=_texts(facts["shadow"]["candidates"]),
                labels=np.array(facts["shadow"]["labels"], dtype=np.int64),
            )
        candidates = None if facts["candidates"] is None else _texts(facts["candidates"])
        arrays = _arrays(folder / "records.npz")
        target = {k.removeprefix("target/"): v for k, v in arrays.items() if k != "others"}
        return cls(
            candidates=candidates,
            shadow=shadow,
            weights=facts["weights"],
            target=target or None,
            others=arrays.get("others"),
        )


@dataclass(frozen=True, kw_only=True)
class ThreatModel:
    """Who is corrupted, how they behave, and what they know beyond their view.

    Attributes:
        coalition: Parties that pool their views.
        behavior: Semi-honest parties follow the protocol and remember everything.
        knows: Facts granted to the adversary.
        queries: Executions that it may watch per game.
    """

    coalition: tuple[str, ...]
    behavior: Behavior = Behavior.SEMI_HONEST
    knows: frozenset[Knowledge] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.CANDIDATES, Knowledge.WEIGHTS, Knowledge.SHADOW}
    )
    queries: int = 1

    def check(self, adversary: Adversary) -> None:
        """Raise `ThreatModelError` unless every need of `adversary` is granted."""
        missing = sorted(k.value for k in adversary.needs - self.knows)
        if missing:
            raise ThreatModelError(
                f"{type(adversary).__name__} needs {', '.join(missing)}, which this threat model "
                "does not grant: add it to knows= or leave the adversary out"
            )

    def grant(self, facts: Auxiliary) -> Auxiliary:
        """Copy the declared facts, and only those."""
        return Auxiliary(
            candidates=facts.candidates if Knowledge.CANDIDATES in self.knows else None,
            shadow=facts.shadow if Knowledge.SHADOW in self.knows else None,
            weights=dict(facts.weights)
            if Knowledge.WEIGHTS in self.knows and facts.weights is not None
            else None,
            target=dict(facts.target)
            if Knowledge.TARGET in self.knows and facts.target is not None
            else None,
            others=facts.others if Knowledge.OTHERS in self.knows else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = asdict(self)
        return values | {
            "coalition": list(self.coalition),
            "behavior": self.behavior.value,
            "knows": sorted(k.value for k in self.knows),
        }


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """Scores of every candidate in every game; higher means "this one".

    Attributes:
        scores: Shape (games, candidates); NaN where a game has fewer candidates. A row of NaN
            is a game that the attack failed on: it counts as a wrong guess. Membership games
            have one column, higher means "it was used"; reconstructions have none.
        images: Reconstructed pictures, one a game, shape (games, height, width, 3).
        texts: Recovered prompts, one a game.
    """

    scores: Scores
    images: npt.NDArray[np.uint8] | None = None
    texts: tuple[str, ...] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Adversary(Protocol):
    """A technique: reads views and granted facts, scores candidates.

    Attributes:
        plays: Games that it can play.
        needs: Facts that it must be granted.
        reads: Message kinds that it reads; a scenario may drop all others.
    """

    plays: ClassVar[frozenset[Question]]
    needs: ClassVar[frozenset[Knowledge]]
    reads: ClassVar[frozenset[str]]

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game; higher means "this one"."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """An adversary that learns from labelled executions first."""

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Adversary:
        """Return a new, trained adversary."""
        ...


def play(adversary: Adversary, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
    """Train where there is something to train on, then attack.

    Raises:
        ValueError: If the scores do not have one row a game.
    """
    ready = adversary
    if isinstance(adversary, Trainable) and aux.shadow is not None:
        ready = adversary.fit(aux.shadow, aux, rng)
    guesses = ready.attack(views, aux, rng)
    if guesses.scores.shape[:1] != (len(views),) or guesses.scores.ndim != 2:
        raise ValueError(
            f"{type(adversary).__name__} returned scores of shape {guesses.scores.shape} for "
            f"{len(views)} games; they must be (games, candidates)"
        )
    if guesses.images is not None and len(guesses.images) != len(views):
        raise ValueError(
            f"{type(adversary).__name__} returned {len(guesses.images)} images for {len(views)} "
            "games; they must be one a game"
        )
    if guesses.texts is not None and len(guesses.texts) != len(views):
        raise ValueError(
            f"{type(adversary).__name__} returned {len(guesses.texts)} texts for {len(views)} "
            "games; they must be one a game"
        )
    return guesses


def empty_scores(candidates: Sequence[Sequence[str]]) -> Scores:
    """Zeros for every candidate of every game, NaN beyond: shape (games, most candidates)."""
    scores = np.full((len(candidates), max(map(len, candidates), default=0)), np.nan)
    for row, texts in zip(scores, candidates, strict=True):
        row[: len(texts)] = 0.0
    return scores


def _arrays(path: Path) -> dict[str, Array]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _texts(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row) for row in rows)
