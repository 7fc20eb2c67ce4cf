"""The game of trained models on random weights, which have been trained on nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from latentleak.adversaries.membership.loss import Loss
from latentleak.adversaries.membership.pia import PIA
from latentleak.defenses.claims import Claim, MembershipArea
from latentleak.defenses.trained import EarlyStopped, FromScratch, Overfitted
from latentleak.scenarios.contract import Setting, Trials
from latentleak.scenarios.training_samples import samples_of, shadow_samples
from latentleak.scenarios.trainings import BASELINE, TrainingArm, controlled
from latentleak.scenarios.was_it_in_training import WasItInTraining
from latentleak.targets.avatars import MEMBERS, SHADOWS
from latentleak.targets.pipeline import Target, load

SMALL = WasItInTraining(samples=8, many=0, shadow=2, swapped=4, shuffled=0)


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """Random weights, held against a claim about emoji that they never saw."""

    model: ClassVar[str] = "tiny"
    samples: ClassVar[str] = "emoji"

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Kept."""
        return (MembershipArea(at_most=0.6),)


def setting(folder: Path, tiny: Target, *, sealed: bool = False) -> Setting:
    return Setting(
        target=lambda spec: tiny if spec == "tiny" else load(spec, device="cpu"),
        seed=1,
        work=folder / "work" / "mine",
        artifacts=folder / "artifacts",
        sealed=sealed,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    tiny, folder = load("tiny", device="cpu"), tmp_path_factory.mktemp("played")
    (arm,) = SMALL.arms(Untrained(), "quick")
    adversaries = SMALL.adversaries()
    game = SMALL.play(arm, adversaries, setting(folder, tiny))
    (trials,) = SMALL.judge([game], adversaries, setting(folder, tiny))
    return trials


def test_every_attack_that_needs_no_shadow_model_plays(played: Trials) -> None:
    wanted = {"loss", "losses", "pia", "pian", "sima", BASELINE}
    assert set(played.scores) == wanted
    assert {s.shape for s in played.scores.values()} == {(16, 1)}
    assert {s.shape for s in played.swapped.values()} == {(4, 1)}
    assert all(np.isfinite(s).all() for s in played.scores.values())
    assert played.truth.sum() == 8
    assert played.facts["queries"]["losses"] == 3


@pytest.mark.parametrize(
    ("members", "others", "games"), [(500, 500, 24), (50, 950, 240), (950, 50, 240), (1, 9, 10)]
)
def test_the_control_has_members_and_others(members: int, others: int, games: int) -> None:
    """As many of the rarer side, on average, as where there are as many of either."""
    assert controlled(np.repeat([1, 0], [members, others]), 24) == games


def test_swapped_games_are_those_of_others(played: Trials) -> None:
    """The first games' samples, each with another one of them: SimA draws no noise."""
    first = played.scores["sima"][:4, 0]
    assert np.allclose(np.sort(first), np.sort(played.swapped["sima"][:, 0]), rtol=1e-4)
    assert not np.allclose(first, played.swapped["sima"][:, 0])


def test_sealed_scores_are_the_same(played: Trials, tiny: Target, tmp_path: Path) -> None:
    (arm,) = SMALL.arms(Untrained(), "quick")
    own = {"loss": Loss(), "pian": PIA(normalized=True)}
    sealed = setting(tmp_path, tiny, sealed=True)
    (trials,) = SMALL.judge([SMALL.play(arm, own, sealed)], own, sealed)
    assert trials.scores["loss"].tobytes() == played.scores["loss"].tobytes()
    assert trials.scores["pian"].tobytes() == played.scores["pian"].tobytes()


def test_arms_say_who_plays() -> None:
    own, few, exchanged = WasItInTraining().arms(Overfitted(), "quick")
    adversaries = WasItInTraining().adversaries()
    assert all(own.takes(each) for each in adversaries.values())
    assert [who for who, each in adversaries.items() if exchanged.takes(each)] == ["clid"]
    assert not few.takes(adversaries["secmi"])
    assert few.takes(adversaries["sima"])
    assert few.others == 1000
    (early,) = WasItInTraining().arms(EarlyStopped(), "quick")
    assert not early.takes(adversaries["secmi"])
    assert early.takes(adversaries["gradient norms"])
    (alone,) = WasItInTraining().arms(FromScratch(), "quick")
    assert not alone.takes(adversaries["lira"])
    assert alone.takes(adversaries[BASELINE])
    assert len(WasItInTraining().arms(EarlyStopped(), "full")) == 1


def test_families_stand_for_one_sample_each() -> None:
    pool = samples_of("emoji", np.random.default_rng(0))
    assert len(pool) == 1648
    assert 200 < (~pool.member).sum() < 400
    again = samples_of("emoji", np.random.default_rng(0))
    assert again.captions == pool.captions


def test_shadow_models_have_samples_of_their_own() -> None:
    known = shadow_samples("avatars-early", 3, np.random.default_rng(0))
    assert known is not None
    assert [int((known.models == i).sum()) for i in range(len(SHADOWS))] == [6] * len(SHADOWS)
    assert known.member.sum() == 3 * len(SHADOWS)
    unseen = known.models == -1
    assert unseen.sum() == 6
    assert not known.member[unseen].any()
    assert shadow_samples("emoji", 3, np.random.default_rng(0)) is None


def test_what_is_scored_is_never_what_the_baseline_learns_from() -> None:
    pool = samples_of("avatars-overfitted", np.random.default_rng(0))
    assert pool.member.sum() == MEMBERS
    drawn, left = pool.draw(10, 20, np.random.default_rng(1))
    assert (drawn.member.sum(), len(drawn), len(left)) == (10, 30, len(pool) - 30)
    with pytest.raises(ValueError, match="members=10000 must be at most"):
        pool.draw(10_000, 1, np.random.default_rng(1))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="samples=1 must be >= 2"):
        replace(SMALL, samples=1)
    assert TrainingArm(name="a", defense=Untrained()).queries is None
