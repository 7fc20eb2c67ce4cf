"""The referee of trained models: draw samples, grant shadow models, seal the adversaries, judge."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
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
    Shadow,
    ThreatModel,
)
from ..adversaries.jobs import SWAPPED, Job
from ..adversaries.membership.challenge import KIND
from ..defenses.codec import encode_texts
from ..defenses.seeds import derive, stream
from ..defenses.views import Views
from ..targets.pipeline import Target
from .asking import ask
from .contract import Setting, Trials
from .games import slug
from .releases import release_views
from .training_samples import Pool, latents, samples_of, shadow_samples, shadows_of

BASELINE = "no model"
"""The adversary that looks at samples and never at the model."""

LABELLED = 128
"""Most samples of each kind whose labels the baseline is told: none of those that are scored."""

SHADOWED = 10_000
"""More samples than any shadow model has."""

EXCHANGED = "exchanged"


@dataclass(frozen=True, kw_only=True)
class TrainingArm:
    """Samples of one training, and who scores them.

    Attributes:
        name: Unique within a scenario and defence.
        defense: The training.
        samples: Members, and others unless `others` is given; None takes all there are.
        others: Samples of the same law that were not trained on.
        shadow: Members, and others, of each shadow model; None takes all there are.
        queries: Most evaluations of networks for each sample, of the model and of references that
            the attack asks about the same sample; None allows any number.
        swapped: Games of the swapped-view control, more where members or others are rare.
        captions: `own`, or `exchanged` between samples: then only attacks on captions play, and
            what they find is measured, not judged.
        control_of: No arm is played again.
    """

    name: str
    defense: Any
    samples: int | None = None
    others: int | None = None
    shadow: int | None = None
    queries: int | None = None
    swapped: int = 32
    captions: str = "own"
    control_of: str = ""

    def takes(self, adversary: Any) -> bool:
        """Whether an adversary plays here."""
        if Question.WAS_IT_IN_TRAINING not in adversary.plays:
            return False
        if self.captions == EXCHANGED and not getattr(adversary, "conditional", False):
            return False
        if self.queries is not None and self.cost(adversary) > self.queries:
            return False
        labelled = Knowledge.WEIGHTS not in adversary.needs
        return labelled or Knowledge.SHADOW not in adversary.needs or bool(self._shadows)

    def cost(self, adversary: Any) -> int:
        """Evaluations of networks for each sample."""
        asked = 1 + (len(self._shadows) if getattr(adversary, "references", False) else 0)
        return int(getattr(adversary, "queries", 0)) * asked

    @property
    def _shadows(self) -> tuple[str, ...]:
        return shadows_of(self.defense.samples)


@dataclass(frozen=True, kw_only=True)
class PlayedTraining:
    """An arm that has been played; the truth stays with the referee.

    Attributes:
        arm: The arm.
        truth: 1 for members, shape (games,).
        views: One sample a game.
        facts: Granted to adversaries.
        labelled: Granted to the baseline instead: other samples, with the truth about them.
        printed: For the finding.
    """

    arm: TrainingArm
    truth: npt.NDArray[np.int64]
    views: Views
    facts: Auxiliary
    labelled: Auxiliary
    printed: Mapping[str, Any]


def play(
    arm: TrainingArm, adversaries: Mapping[str, Adversary], setting: Setting
) -> PlayedTraining:
    """Draw the samples of an arm, or take up those that were drawn before.

    Args:
        arm: What is drawn.
        adversaries: Who will score; for what the finding prints.
        setting: Of the run; views go to its `work` folder.
    """
    name, target = arm.defense.samples, setting.target(arm.defense.model)
    pool, told = _drawn(arm, stream(setting.seed, "samples", name, arm.name))
    write, path = _Writer(target), setting.work / f"{slug(arm)}.views"
    each = SHADOWED if arm.shadow is None else arm.shadow
    known = shadow_samples(name, each, stream(setting.seed, "shadow samples"))
    shared = setting.work.parent / f"shadow-{len(known or ())}.views"
    weights = {
        **target.to_dict(),
        "open": dataclasses.asdict(target),
        "shadows": [dataclasses.asdict(setting.target(spec)) for spec in shadows_of(name)],
    }
    labelled = path.with_name(f"{slug(arm)}-labelled.views")
    exchanged = arm.captions == EXCHANGED
    return PlayedTraining(
        arm=arm,
        truth=pool.member.astype(np.int64),
        views=write.views(pool, path),
        facts=Auxiliary(
            weights=weights, shadow=None if known is None else write.shadow(known, shared)
        ),
        labelled=Auxiliary(shadow=None if exchanged else write.shadow(told, labelled)),
        printed={
            **_printed(arm, pool, adversaries),
            "target": target.to_dict(),
            "shadow models": len(shadows_of(name)),
            "shadow samples": 0 if known is None else len(known),
            "sealed": setting.sealed,
        },
    )


def _drawn(arm: TrainingArm, rng: np.random.Generator) -> tuple[Pool, Pool]:
    """The samples that are scored, and others whose labels the baseline is told."""
    every = samples_of(arm.defense.samples, rng)
    sides = int(every.member.sum()), int((~every.member).sum())
    most = [side - max(8, min(LABELLED, side // 8)) for side in sides]  # the baseline learns
    members = min(most[0], sides[0] if arm.samples is None else arm.samples)
    asked = arm.samples if arm.others is None else arm.others
    pool, left = every.draw(members, min(most[1], sides[1] if asked is None else asked), rng)
    if arm.captions == EXCHANGED:
        pool = replace(pool, captions=tuple(np.roll(np.array(pool.captions), 1)))
    inside, outside = (min(LABELLED, int(side.sum())) for side in (left.member, ~left.member))
    told, _ = left.draw(inside, outside, rng)
    return pool, told


def _printed(arm: TrainingArm, pool: Pool, adversaries: Mapping[str, Adversary]) -> dict[str, Any]:
    """Facts of an arm for the finding."""
    members = int(pool.member.sum())
    queries = {who: arm.cost(each) for who, each in adversaries.items() if arm.takes(each)}
    return {
        "samples": pool.name,
        "unit": pool.unit,
        "members": members,
        "others": len(pool) - members,
        "repeated": pool.repeated,
        "captions": arm.captions,
        "queries": queries,
        "measured": arm.captions == EXCHANGED,
        "timed": False,
        "control_of": "",
    }


@dataclass(frozen=True)
class _Writer:
    """Writes samples as views, once."""

    target: Target

    def views(self, pool: Pool, path: Path) -> Views:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            own = path.with_name(f"{path.name}.{os.getpid()}")  # arms are played side by side
            _write(pool, latents(self.target, pool.images), own)
            os.replace(own, path)
        return Views.load(path)

    def shadow(self, pool: Pool, path: Path) -> Shadow:
        return Shadow(
            views=self.views(pool, path),
            candidates=((),) * len(pool),
            labels=pool.member.astype(np.int64),
        )


def _write(pool: Pool, latent: npt.NDArray[Any], path: Path) -> None:
    captions = np.empty(len(pool), dtype=object)
    for row, text in enumerate(pool.captions):
        captions[row] = encode_texts([text]).numpy()
    columns = {"latent": latent, "caption": captions, "model": pool.models[:, None]}
    release_views(columns, kind=KIND, public={}, path=path)


def judge(
    played: Sequence[PlayedTraining],
    adversaries: Mapping[str, Adversary],
    threat_model: ThreatModel,
    setting: Setting,
) -> tuple[Trials, ...]:
    """Seal each adversary once, over all arms that it plays in and their swapped-view controls.

    Only here do guesses and truth meet.
    """
    said = ask(
        {
            who: (
                adversary,
                [
                    replace(job, seed=derive(job.seed, who))
                    for each in played
                    if each.arm.takes(adversary)
                    for job in _jobs(each, adversary, threat_model, setting)
                ],
            )
            for who, adversary in adversaries.items()
        },
        {slug(each.arm): each.arm for each in played},
        setting,
    )
    return tuple(_trials(each, said) for each in played)


def _jobs(
    played: PlayedTraining, adversary: Adversary, threat_model: ThreatModel, setting: Setting
) -> tuple[Job, Job]:
    name = slug(played.arm)
    blind = Knowledge.WEIGHTS not in adversary.needs
    job = Job(
        name=name,
        views=played.views,
        auxiliary=played.labelled if blind else threat_model.grant(played.facts),
        seed=derive(setting.seed, "adversary", name),
    )
    rng = stream(setting.seed, "swap", name)
    order = rng.permutation(controlled(played.truth, played.arm.swapped))
    swap = np.empty_like(order)
    swap[order] = np.roll(order, 1)  # each of the first games sees another one's sample
    return job, replace(job, name=name + SWAPPED, swap=swap)


def controlled(truth: npt.NDArray[np.int64], games: int) -> int:
    """So many of the first games that both members and others are among them.

    Args:
        truth: 1 for members.
        games: Wanted where there are as many of either; more where one side is rare.

    >>> controlled(np.repeat([1, 0], [500, 500]), 24), controlled(np.repeat([1, 0], [50, 950]), 24)
    (24, 240)
    """
    rarer = min(int((truth == side).sum()) for side in (0, 1))
    return min(len(truth), math.ceil(games * len(truth) / (2 * max(1, rarer))))


def _trials(played: PlayedTraining, heard: Mapping[str, Mapping[str, Guesses]]) -> Trials:
    name = slug(played.arm)
    said = {who: found for who, found in heard.items() if name in found}
    return Trials(
        arm=played.arm.name,
        truth=played.truth,
        counts=np.full(len(played.truth), 2, dtype=np.int64),
        scores={who: found[name].scores for who, found in said.items()},
        swapped={who: found[name + SWAPPED].scores for who, found in said.items()},
        facts=played.printed,
    )
