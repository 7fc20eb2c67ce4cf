"""Was this sample in the training set? The membership game of trained models.

Curator --weights--> Public. For each game the referee draws a member of the training set or
another sample of the same law; the adversary holds the model and the sample, and scores "it was
trained on".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import Adversary, Auxiliary, Knowledge, Question, ThreatModel
from ..adversaries.membership.clid import CLiD
from ..adversaries.membership.loss import Loss
from ..adversaries.membership.pia import PIA
from ..adversaries.membership.secmi import SecMI
from ..adversaries.membership.sima import SimA
from ..adversaries.sealed import SWAPPED, Job
from ..defenses.claims import Claim, MembershipArea, MembershipRate
from ..defenses.codec import encode_texts
from ..defenses.seeds import derive, stream
from ..defenses.views import Views
from ..defenses.wire import PUBLIC
from .asking import ask
from .contract import Setting, Trials
from .games import slug
from .releases import release_views
from .training_samples import Pool, emoji_families, latents

BASELINE = "no model"
"""The adversary that looks at samples and never at the model."""

KNOWS = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.SHADOW})
"""The model, and models trained alike on samples of one's own."""


@dataclass(frozen=True, kw_only=True)
class TrainingArm:
    """Samples of one training, and who scores them.

    Attributes:
        name: Unique within a scenario and defence.
        defense: The training.
        members: Samples that it has seen.
        others: Samples of the same law that it has not.
        queries: Most evaluations of the network for each sample that an attack may ask for.
        control_of: Unused; no arm is played again.
    """

    name: str
    defense: Any
    members: int
    others: int
    queries: int
    control_of: str = ""


@dataclass(frozen=True, kw_only=True)
class PlayedTraining:
    """An arm that has been played; the truth stays with the referee.

    Attributes:
        arm: The arm.
        truth: 1 for members, shape (games,).
        views: One sample a game.
        facts: Granted to the adversaries.
        printed: For the finding.
    """

    arm: TrainingArm
    truth: npt.NDArray[np.int64]
    views: Views
    facts: Auxiliary
    printed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WasItInTraining:
    """Anyone who holds a model guesses whether a sample was trained on.

    Attributes:
        members: Samples of the training set, an arm.
        others: Samples that were not trained on.
        swapped: Games of the control on other games' views.
    """

    name = "was-it-in-training"
    question = "Was this sample in the training set of the model?"
    threat_model = ThreatModel(coalition=(PUBLIC,), knows=KNOWS)
    about = (MembershipArea, MembershipRate)
    claims: tuple[Claim, ...] = field(default=(MembershipArea(at_most=0.6),), init=False)
    defenses = ("from-scratch",)
    controls = ("from-scratch",)
    optimum = "loss"
    takes = "samples"
    parallel = True
    members: int = 150
    others: int = 150
    swapped: int = 64

    def __post_init__(self) -> None:
        for name in ("members", "others", "swapped"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 2")

    def arms(self, defense: Any, profile: str) -> tuple[TrainingArm, ...]:
        """All attacks on some samples; the cheap ones on many."""
        return tuple(self._arms(defense, 1 if profile == "quick" else 4))

    def _arms(self, defense: Any, factor: int) -> Iterator[TrainingArm]:
        yield TrainingArm(
            name="all attacks",
            defense=defense,
            members=self.members * factor,
            others=min(self.others * factor, 250),
            queries=100,
        )

    def adversaries(self) -> Mapping[str, Adversary]:
        """From one query a sample to a dozen."""
        return {
            "loss": Loss(),
            "losses": Loss(times=(60, 120, 200)),
            "secmi": SecMI(),
            "pia": PIA(),
            "pian": PIA(normalized=True),
            "sima": SimA(),
            "clid": CLiD(),
        }

    def play(
        self, arm: TrainingArm, adversaries: Mapping[str, Adversary], setting: Setting
    ) -> PlayedTraining:
        """Draw the samples of an arm, or take up those that were drawn before."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        target = setting.target(arm.defense.model)
        pool = _pool(arm, setting)
        path = setting.work / f"{slug(arm)}.views"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(pool, latents(target, pool.images), path)
        return PlayedTraining(
            arm=arm,
            truth=pool.member.astype(np.int64),
            views=Views.load(path),
            facts=Auxiliary(weights={**target.to_dict(), "open": dataclasses.asdict(target)}),
            printed={
                "target": target.to_dict(),
                "samples": pool.name,
                "unit": pool.unit,
                "queries": {
                    who: each.queries
                    for who, each in adversaries.items()
                    if hasattr(each, "queries") and _takes(arm, each)
                },
                "sealed": setting.sealed,
                "timed": False,
                "control_of": "",
            },
        )

    def judge(
        self,
        played: Sequence[PlayedTraining],
        adversaries: Mapping[str, Adversary],
        setting: Setting,
    ) -> tuple[Trials, ...]:
        """Hand the samples to every adversary, sealed; only here do guesses and truth meet."""
        jobs = {each.arm.name: self._jobs(each, setting) for each in played}
        said = ask(
            {
                who: (
                    adversary,
                    [
                        replace(job, seed=derive(job.seed, who))
                        for each in played
                        if _takes(each.arm, adversary)
                        for job in jobs[each.arm.name]
                    ],
                )
                for who, adversary in adversaries.items()
            },
            {each.arm.name: each.arm for each in played},
            setting,
        )
        return tuple(_trials(each, said) for each in played)

    def _jobs(self, played: PlayedTraining, setting: Setting) -> tuple[Job, Job]:
        name = played.arm.name
        job = Job(
            name=name,
            views=played.views,
            auxiliary=self.threat_model.grant(played.facts),
            seed=derive(setting.seed, "adversary", name),
        )
        rng = stream(setting.seed, "swap", name)
        order = rng.permutation(min(self.swapped, len(played.truth)))
        swap = np.empty_like(order)
        swap[order] = np.roll(order, 1)  # each of the first games sees another one's sample
        return job, replace(job, name=name + SWAPPED, swap=swap)

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """None."""
        return ()


def _pool(arm: TrainingArm, setting: Setting) -> Pool:
    rng = stream(setting.seed, "samples", arm.defense.samples)
    return emoji_families(rng).draw(arm.members, arm.others, rng)


def _write(pool: Pool, latent: npt.NDArray[Any], path: Any) -> None:
    captions = np.empty(len(pool), dtype=object)
    for row, text in enumerate(pool.captions):
        captions[row] = encode_texts([text]).numpy()
    release_views({"latent": latent, "caption": captions}, kind="sample", public={}, path=path)


def _takes(arm: TrainingArm, adversary: Any) -> bool:
    asked = Question.WAS_IT_IN_TRAINING in adversary.plays
    return asked and getattr(adversary, "queries", 0) <= arm.queries


def _trials(played: PlayedTraining, heard: Mapping[str, Mapping[str, Any]]) -> Trials:
    name = played.arm.name
    said = {who: found for who, found in heard.items() if name in found}
    return Trials(
        arm=name,
        truth=played.truth,
        counts=np.full(len(played.truth), 2, dtype=np.int64),
        scores={who: found[name].scores for who, found in said.items()},
        swapped={who: found[name + SWAPPED].scores for who, found in said.items()},
        facts=played.printed,
    )
