"""Was this sample in the training set? The membership game of trained models.

Curator --weights--> Public. For each game the referee draws a member of the training set or
another sample of the same law; the adversary holds the model and the sample, and scores "it was
trained on".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..adversaries.contract import Adversary, Knowledge, ThreatModel
from ..adversaries.membership.baseline import NoModel
from ..adversaries.membership.clid import CLiD
from ..adversaries.membership.learned import LearnedError, LearnedGradients, LearnedLosses
from ..adversaries.membership.loss import Loss
from ..adversaries.membership.pia import PIA
from ..adversaries.membership.reference import RMIA, LiRA
from ..adversaries.membership.secmi import SecMI
from ..adversaries.membership.sima import SimA
from ..defenses.claims import Claim, MembershipArea, MembershipRate, TrainingPrivacy
from ..defenses.wire import PUBLIC
from .contract import Setting, Trials
from .trainings import BASELINE, PlayedTraining, TrainingArm, judge, play

KNOWS = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.SHADOW})
"""The model, and models trained alike on samples of one's own."""

FEW = 1
"""Most evaluations of networks for each sample in the arm with many samples."""

QUICK = 5
"""The same for trainings that claim something, in the quick profile."""

FEWER = 3
"""The same for the embedded model, whose evaluations cost three times as much."""


@dataclass(frozen=True, kw_only=True)
class WasItInTraining:
    """Anyone who holds a model guesses whether a sample was trained on.

    Attributes:
        samples: Members, and as many others, that every attack scores.
        many: Others that attacks of few queries score, so that a false-positive rate of 1 % is
            resolved; all members stand against them.
        shadow: Members, and as many others, of each shadow model.
        swapped: Games of the control on other games' samples.
        shuffled: Members, and as many others, whose captions are exchanged.
    """

    name = "was-it-in-training"
    question = "Was this sample in the training set of the model?"
    threat_model = ThreatModel(coalition=(PUBLIC,), knows=KNOWS)
    about = (MembershipArea, MembershipRate, TrainingPrivacy)
    defenses = ("from-scratch", "early-stopped", "dp-sgd-fine-tune")
    controls = ("overfitted",)
    optimum = "loss"
    takes = "model"
    together = True
    parallel = True
    brief: ClassVar[Mapping[str, int]] = {
        "samples": 32,
        "many": 0,
        "shadow": 8,
        "swapped": 8,
        "shuffled": 0,
    }
    claims: tuple[Claim, ...] = field(
        default=(MembershipArea(at_most=0.6), MembershipRate(at_most=0.5, at_fpr=0.01)), init=False
    )
    samples: int = 80
    many: int = 1000
    shadow: int = 12
    swapped: int = 20
    shuffled: int = 32

    def __post_init__(self) -> None:
        least = {"samples": 2, "many": 0, "shadow": 2, "swapped": 2, "shuffled": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {bound}")

    def arms(self, defense: Any, profile: str) -> tuple[TrainingArm, ...]:
        """Every attack on some samples; where it is asked for, the cheap ones on many."""
        return tuple(self._arms(defense, full=profile == "full"))

    def _arms(self, defense: Any, *, full: bool) -> Iterator[TrainingArm]:
        every = TrainingArm(
            name="every attack",
            defense=defense,
            samples=None if full else self.samples,
            shadow=None if full else self.shadow,
            queries=None if full or not defense.claims else _most(defense),
            swapped=self.swapped,
        )
        yield every
        if full:
            return
        if self.many and not defense.claims:
            yield replace(every, name="few queries", samples=None, others=self.many, queries=FEW)
        if self.shuffled and not defense.claims:
            yield replace(
                every,
                name="captions exchanged",
                samples=self.shuffled,
                captions="exchanged",
            )

    def adversaries(self) -> Mapping[str, Adversary]:
        """From one query a sample to a dozen; the last one asks nothing."""
        return {
            "loss": Loss(),
            "losses": Loss(times=(100, 300, 500)),
            "losses learned": LearnedLosses(),
            "secmi": SecMI(),
            "secmi learned": LearnedError(stride=20),
            "pia": PIA(),
            "pian": PIA(normalized=True),
            "sima": SimA(),
            "clid": CLiD(times=(100, 300)),
            "gradient norms": LearnedGradients(times=(100, 300)),
            "lira": LiRA(),
            "rmia": RMIA(),
            BASELINE: NoModel(),
        }

    def play(
        self, arm: TrainingArm, adversaries: Mapping[str, Adversary], setting: Setting
    ) -> PlayedTraining:
        """Draw the samples of an arm, or take up those that were drawn before."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        return play(arm, adversaries, setting)

    def judge(
        self,
        played: Sequence[PlayedTraining],
        adversaries: Mapping[str, Adversary],
        setting: Setting,
    ) -> tuple[Trials, ...]:
        """Hand the samples of all arms to every adversary, sealed."""
        return judge(played, adversaries, self.threat_model, setting)

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """None: no argument covers a training."""
        return ()


def _most(defense: Any) -> int:
    return FEWER if defense.samples == "emoji" else QUICK
