"""The games that an audit of membership must win, those that it must not, and those that mislead.

No model runs: a training is the law of the scores that attacks reach on its samples. All the rest
is as it is in a run, down to the samples, which are counted by what they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ...defenses.claims import Claim, MembershipArea, MembershipRate, Neighbours, TrainingPrivacy
from ...scenarios.contract import Trials
from ...scenarios.training_samples import Pool
from ...scenarios.trainings import BASELINE, controlled

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Law = Callable[[Labels, Floats], Floats]
"""Scores from what is a member, and the noise of each sample: standard normal."""

BROKEN, MISLED, HONEST, NULL = "broken", "misled", "honest", "null"
SWAPPED = 64
"""Games that are scored again on other games' samples, if there are as many members as others."""


def shifted(by: float) -> Law:
    """Members score higher, all of them alike: the area is Phi(by / sqrt 2)."""
    return lambda labels, noise: by * labels + noise


def memorized(share: float) -> Law:
    """This share of the members stands above everything; the others show nothing."""
    bound = norm.ppf(1 - share)
    return lambda labels, noise: noise + 16.0 * ((labels == 1) & (noise > bound))


def answers(epsilon: float) -> Law:
    """One bit a sample, by randomized response: two of a pair are told apart at this epsilon.

    References:
        Warner (1965), https://doi.org/10.1080/01621459.1965.10480775; Kairouz, Oh, Viswanath
        (2015), Section 4.1, https://arxiv.org/abs/1311.0776: nothing tells more at that epsilon.
    """
    bound = norm.ppf(1 / (1 + np.exp(-epsilon / 2)))
    return lambda labels, noise: ((noise < bound) == (labels == 1)).astype(np.float64)


def tied(labels: Labels, noise: Floats) -> Floats:
    """The same score for all."""
    return np.zeros(len(labels))


def members_only(labels: Labels, noise: Floats) -> Floats:
    """An attack that comes to no score but on members."""
    return np.where(labels == 1, noise, np.nan)


NOTHING = shifted(0.0)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Samples of a training, and the scores of attacks on them.

    Attributes:
        attacks: Law of each attack's scores.
        blind: Law of what never queries the model: another than chance if members are another kind
            of sample.
        members: Scored.
        others: Scored.
        distinct: Different samples on each side, drawn with replacement; None draws each once.
        peeks: Attacks that follow the truth, whatever sample they are shown.
        arms: Times that all of it is done.
    """

    attacks: Mapping[str, Law]
    blind: Law = NOTHING
    members: int = 300
    others: int = 300
    distinct: int | None = None
    peeks: bool = False
    arms: int = 1

    def draw(self, rng: np.random.Generator) -> tuple[Trials, ...]:
        """Arms as the referee hands them to the audit."""
        return tuple(self._arm(f"arm {number}", rng) for number in range(self.arms))

    def _arm(self, name: str, rng: np.random.Generator) -> Trials:
        truth = rng.permutation(np.repeat([1, 0], [self.members, self.others]))
        which = np.empty_like(truth)
        for side, count in ((1, self.members), (0, self.others)):
            drawn = rng.permutation(count)
            if self.distinct is not None:
                drawn = rng.integers(0, self.distinct, count)
            which[truth == side] = 2 * drawn + side
        shown = np.arange(len(truth))
        order = rng.permutation(controlled(truth, SWAPPED))
        shown[order] = np.roll(order, 1)
        scores, swapped = {}, {}
        for who, law in {**self.attacks, BASELINE: self.blind}.items():
            noise = rng.normal(size=int(which.max()) + 1)[which]
            scores[who] = law(truth, noise)[:, None]
            labels = truth if self.peeks and who != BASELINE else truth[shown]
            swapped[who] = law(labels, noise[shown])[: len(order), None]
        return Trials(
            arm=name,
            truth=truth,
            counts=np.full(len(truth), 2, dtype=np.int64),
            scores=scores,
            swapped=swapped,
            facts={
                "repeated": _pool(which, truth, rng).repeated,
                "queries": dict.fromkeys(scores, 1),
            },
        )


def _pool(which: Labels, truth: Labels, rng: np.random.Generator) -> Pool:
    """Pictures of 48 random bytes: no two are the same but where one is drawn again."""
    pictures = rng.integers(0, 256, (int(which.max()) + 1, 4, 4, 3), dtype=np.uint8)
    return Pool(
        images=pictures[which],
        captions=("",) * len(which),
        member=truth == 1,
        name="drawn",
    )


def _beside(law: Law) -> dict[str, Law]:
    """An attack, and one that finds nothing."""
    return {"attack": law, "another": NOTHING}


LEAKY = Sampling(attacks=_beside(shifted(5.0)))
"""A training without any defence, on which attacks must be seen to work."""

OPEN = replace(LEAKY, others=2000)
"""The same with others enough for a low false-positive rate."""

AREA = MembershipArea(at_most=0.6)
RATE = MembershipRate(at_most=0.1, at_fpr=0.01)
EPSILON = TrainingPrivacy(epsilon=1.0, delta=1e-9, neighbours=Neighbours.REPLACE_ONE)
CHANCE = Sampling(attacks=_beside(NOTHING))
RARE = Sampling(attacks=_beside(memorized(0.3)), members=500, others=2000)


@dataclass(frozen=True, kw_only=True)
class Game:
    """A claim about a training, and what the audit sees of it.

    Attributes:
        name: Unique.
        kind: `broken` must be refuted; `misled` looks refuted, and must come out inconclusive;
            `honest` must not be refuted; a `null` keeps its claim to the letter.
        effect: What the mistake does.
        claim: What is audited.
        sampling: Of the training in question.
        reference: Of a training without any defence.
    """

    name: str
    kind: str
    effect: str = ""
    claim: Claim
    sampling: Sampling
    reference: Sampling = field(default=LEAKY)


GAMES: tuple[Game, ...] = (
    Game(
        name="overfitted",
        kind=BROKEN,
        effect="All members score higher than others of their law.",
        claim=AREA,
        sampling=replace(CHANCE, attacks=_beside(shifted(1.5))),
    ),
    Game(
        name="few memorized",
        kind=BROKEN,
        effect="Members that were trained on many times are found without a false alarm.",
        claim=RATE,
        sampling=RARE,
        reference=OPEN,
    ),
    Game(
        name="noise left out",
        kind=BROKEN,
        effect="Training is private at epsilon 5, not 1.",
        claim=EPSILON,
        sampling=replace(CHANCE, attacks=_beside(answers(5.0)), members=600, others=600),
    ),
    Game(
        name="one attack of 12",
        kind=BROKEN,
        effect="One attack finds members; eleven that do not, in two arms, are paid for.",
        claim=AREA,
        sampling=Sampling(
            attacks={f"attack {i}": NOTHING if i else shifted(2.5) for i in range(12)}, arms=2
        ),
    ),
    Game(
        name="another law",
        kind=MISLED,
        effect="Members are another kind of sample: no model is needed to tell them.",
        claim=AREA,
        sampling=replace(CHANCE, attacks=_beside(shifted(3.0)), blind=shifted(3.0)),
    ),
    Game(
        name="truth in the scores",
        kind=MISLED,
        effect="Scores follow the truth whatever sample is shown.",
        claim=AREA,
        sampling=replace(CHANCE, attacks=_beside(shifted(5.0)), peeks=True),
    ),
    Game(
        name="drawn again",
        kind=MISLED,
        effect="Six samples of either side are scored fifty times each.",
        claim=AREA,
        sampling=replace(CHANCE, distinct=6),
    ),
    Game(
        name="attacks that fail",
        kind=MISLED,
        effect="Attacks find nothing where nothing is defended: nor do they say anything here.",
        claim=AREA,
        sampling=CHANCE,
        reference=CHANCE,
    ),
    Game(
        name="few samples",
        kind=MISLED,
        effect="So few pairs that hardly any leak would be seen.",
        claim=AREA,
        sampling=replace(CHANCE, members=12, others=12),
    ),
    Game(
        name="few others",
        kind=MISLED,
        effect="Too few others to speak of so low a false-positive rate.",
        claim=RATE,
        sampling=replace(RARE, others=900),
        reference=OPEN,
    ),
    Game(
        name="few others undefended",
        kind=MISLED,
        effect="Nobody saw attacks reach such a rate where nothing is defended.",
        claim=RATE,
        sampling=replace(CHANCE, others=2000),
    ),
    Game(name="chance", kind=HONEST, claim=AREA, sampling=CHANCE),
    Game(
        name="ties",
        kind=HONEST,
        claim=AREA,
        sampling=replace(CHANCE, attacks=_beside(tied)),
    ),
    Game(
        name="scores of members only",
        kind=HONEST,
        claim=AREA,
        sampling=replace(CHANCE, attacks=_beside(members_only)),
    ),
    Game(name="few memorized, area", kind=HONEST, claim=AREA, sampling=RARE),
    Game(
        name="rate, to the letter",
        kind=NULL,
        claim=RATE,
        sampling=replace(RARE, attacks={f"attack {i}": memorized(0.1) for i in range(2)}),
        reference=OPEN,
    ),
    Game(
        name="epsilon, to the letter",
        kind=NULL,
        claim=EPSILON,
        sampling=replace(
            CHANCE,
            attacks={f"attack {i}": answers(1.0) for i in range(2)},
            members=600,
            others=600,
        ),
    ),
)
