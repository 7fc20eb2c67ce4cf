"""The referee of releases: draw the world of each game, publish, seal the adversaries, judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import (
    Adversary,
    Auxiliary,
    Guesses,
    Knowledge,
    Question,
    ThreatModel,
)
from ..adversaries.jobs import Job
from ..defenses.claims import Neighbours
from ..defenses.codec import Array, encode
from ..defenses.protocol import Mechanism, Terms
from ..defenses.seeds import derive, stream
from ..defenses.transcript import View
from ..defenses.views import Views
from ..defenses.wire import CURATOR, PUBLIC, Message
from .asking import ask
from .contract import Setting, Trials
from .games import slug
from .neighbours import Held

Truth = npt.NDArray[np.int64]
Publish = Callable[[Array], Array]
"""From releases (games, d) to what is published of each, with leading axis games."""


@dataclass(frozen=True, kw_only=True)
class ReleaseArm:
    """One set of games of a mechanism.

    Attributes:
        name: Unique within the scenario and defence.
        defense: The mechanism.
        games: How many, all worlds together.
        records: `canaries`, `image`, `family` or `candidates`: what the curator may hold.
        group: Canaries of one person.
        kind: Message kind of what is published: `release` or `pictures`.
        knows: What the threat model grants here.
        question: What the adversaries answer.
        control_of: Arm that this one plays again with coins from the operating system.
    """

    name: str
    defense: Mechanism
    games: int
    records: str
    knows: frozenset[Knowledge]
    group: int = 1
    kind: str = "release"
    question: Question = Question.WAS_IT_USED
    control_of: str = ""

    def __post_init__(self) -> None:
        if self.games < 2:
            raise ValueError(f"games={self.games} of arm {self.name!r} must be >= 2")

    def takes(self, adversary: Adversary) -> bool:
        """Whether an adversary plays here: its question, its needs, and what it reads."""
        asked = self.question in adversary.plays
        return asked and adversary.needs <= self.knows and adversary.reads == {self.kind}


@dataclass(frozen=True, kw_only=True)
class PlayedReleases:
    """An arm that has been played; the truth stays with the referee.

    Attributes:
        arm: The arm.
        held: What the curator may hold.
        truth: World of each game, shape (games,).
        views: What was published, one game each.
        weights: Reference to the model.
        facts: For the finding.
    """

    arm: ReleaseArm
    held: Held
    truth: Truth
    views: Views
    weights: Mapping[str, Any]
    facts: Mapping[str, Any]


def play(
    arm: ReleaseArm, held: Held, setting: Setting, *, publish: Publish | None = None
) -> PlayedReleases:
    """Play an arm, or take up what an interrupted run already played.

    Args:
        arm: What is played.
        held: What the curator may hold.
        setting: Of the run; views go to its `work` folder.
        publish: What is made of a release before it leaves; None publishes the vector itself.
    """
    truth = stream(setting.seed, "truth", arm.name).integers(len(held.worlds), size=arm.games)
    path = setting.work / f"{slug(arm)}.views"
    terms = arm.defense.terms(len(held.worlds[-1]))
    public = {"mechanism": type(arm.defense).__name__, **terms.to_dict()}
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        published = _releases(arm, held, truth, setting.seed)
        if publish is not None:
            published = publish(published)
        name = "vector" if arm.kind == "release" else arm.kind
        release_views({name: published}, kind=arm.kind, public=public, path=path)
        setting.progress(f"{slug(arm)}: games", len(truth), len(truth))
    target = setting.target("chosen")
    return PlayedReleases(
        arm=arm,
        held=held,
        truth=truth,
        views=Views.load(path),
        weights={**target.to_dict(), "open": dataclasses.asdict(target)},
        facts={
            **held.facts,
            "target": target.to_dict(),
            "published": arm.kind,
            "law": law_of(terms),
            "rate": terms.rate,
            "rounds": terms.rounds,
            "sigma": terms.sigma,
            "sealed": setting.sealed,
            "timed": False,
            "control_of": arm.control_of,
            "images": [],
        },
    )


def law_of(terms: Terms) -> str:
    """Which law the best score follows in either world.

    `gaussian` with every record in every sum; `mixture` for one sum over a sample in which another
    record takes the place; `composed` for several such sums, or samples of any size; `none`
    without noise.
    """
    if terms.sigma == 0:
        return "none"
    if terms.rate == 1:
        return "gaussian"
    single = terms.rounds == 1 and terms.neighbours is Neighbours.REPLACE_ONE
    return "mixture" if single else "composed"


def _releases(arm: ReleaseArm, held: Held, truth: Truth, seed: int) -> Array:
    """One release a game, each world's from a stream of its own; shape (games, d)."""
    published: Array | None = None
    for world, records in enumerate(held.worlds):
        games = np.flatnonzero(truth == world)
        if not len(games):
            continue
        rng = stream(seed, "release", arm.name, world)
        drawn = arm.defense.release(records, rng, trials=len(games))
        if published is None:
            published = np.empty((len(truth), drawn.shape[1]))
        published[games] = drawn
    assert published is not None
    return published


def release_views(
    columns: Mapping[str, Array], *, kind: str, public: Mapping[str, Any], path: Path
) -> Views:
    """One game a row: a message of the curator to the public, encoded like every other.

    Args:
        columns: Tensors of the message by name, each with leading axis games.
        kind: Of the message.
        public: What everybody knows.
        path: File to write.
    """
    import torch

    def views() -> Iterator[list[View]]:
        for rows in zip(*columns.values(), strict=True):
            tensors = {
                name: torch.from_numpy(np.ascontiguousarray(row))
                for name, row in zip(columns, rows, strict=True)
            }
            message = Message(
                number=0, sender=CURATOR, receiver=PUBLIC, kind=kind, payload=encode(tensors)
            )
            yield [View(coalition=frozenset({PUBLIC}), messages=(message,), public=dict(public))]

    return Views.of(views(), path)


def judge(
    played: Sequence[PlayedReleases],
    adversaries: Mapping[str, Adversary],
    threat_model: ThreatModel,
    setting: Setting,
) -> tuple[Trials, ...]:
    """Seal each adversary once, over all arms that it plays in and their swapped-view controls.

    The arms may be those of several mechanisms. Only here do guesses and truth meet.
    """
    jobs = {slug(each.arm): _jobs(each, threat_model, setting) for each in played}

    said = ask(
        {
            name: (
                adversary,
                [
                    replace(job, seed=derive(job.seed, name))
                    for each in played
                    if each.arm.takes(adversary)
                    for job in jobs[slug(each.arm)]
                ],
            )
            for name, adversary in adversaries.items()
        },
        {slug(each.arm): each.arm for each in played},
        setting,
    )
    return tuple(_trials(each, said) for each in played)


def _jobs(played: PlayedReleases, threat_model: ThreatModel, setting: Setting) -> tuple[Job, Job]:
    facts = Auxiliary(target=played.held.target, others=played.held.others, weights=played.weights)
    name = played.arm.name
    job = Job(
        name=slug(played.arm),
        views=played.views,
        auxiliary=replace(threat_model, knows=played.arm.knows).grant(facts),
        seed=derive(setting.seed, "adversary", name),
    )
    rng = stream(setting.seed, "swap", name)
    order = rng.permutation(len(played.truth))
    swap = np.empty_like(order)
    swap[order] = np.roll(order, 1)  # every game sees another one's view
    return job, replace(job, name=job.name + "/swapped", swap=swap)


def _trials(played: PlayedReleases, heard: Mapping[str, Mapping[str, Guesses]]) -> Trials:
    name = slug(played.arm)
    said = {who: found for who, found in heard.items() if name in found}
    return Trials(
        arm=played.arm.name,
        truth=played.truth,
        counts=np.full(len(played.truth), len(played.held.worlds), dtype=np.int64),
        scores={who: found[name].scores for who, found in said.items()},
        swapped={who: found[f"{name}/swapped"].scores for who, found in said.items()},
        facts=played.facts,
    )
