"""The membership game: truth apart from views, controls beside every adversary, resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentleak.adversaries.contract import Knowledge, Question
from latentleak.audits.dp_epsilon import power
from latentleak.audits.dp_epsilon.audit import RESOLUTION
from latentleak.audits.dp_epsilon.rows import LAWS
from latentleak.defenses.claims import Neighbours
from latentleak.defenses.dp_adaptation.aggregation import Aggregation, Centroid
from latentleak.defenses.dp_adaptation.baselines import PlainMean
from latentleak.defenses.dp_adaptation.dp_sgd import DpSgdInversion
from latentleak.defenses.protocol import Mechanism
from latentleak.defenses.wire import CURATOR, PUBLIC
from latentleak.scenarios.contract import Setting
from latentleak.scenarios.neighbours import BEYOND, canaries, closed_form, family, image
from latentleak.scenarios.was_my_image_used import GROUPS, WasMyImageUsed
from latentleak.targets import load

SMALL = WasMyImageUsed(games=60, costly=4, images=6, inversion_steps=1, records=20)
Opened = Callable[[Path], Setting]


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    root = tmp_path_factory.mktemp("run")
    target = load("tiny", device="cpu")
    return Setting(
        target=lambda _: target,
        seed=0,
        work=root / "work",
        artifacts=root / "artifacts",
        sealed=False,
    )


@pytest.mark.parametrize("mechanism", [Aggregation(), Centroid(), PlainMean()])
def test_every_arm_is_played_and_judged(mechanism: Mechanism, setting: Setting) -> None:
    own = replace(setting, work=setting.work / type(mechanism).__name__)
    arms = SMALL.arms(mechanism, "quick")
    adversaries = SMALL.adversaries()
    played = [SMALL.play(arm, adversaries, own) for arm in arms]
    for each in SMALL.judge(played, adversaries, own):
        arm = next(a for a in arms if a.name == each.arm)
        who = {name for name, adversary in adversaries.items() if arm.takes(adversary)}
        assert set(each.scores) == set(each.swapped) == who != set()
        for name in who:
            assert each.scores[name].shape[0] == arm.games
            assert np.isfinite(each.scores[name]).all()
            assert (each.scores[name] != each.swapped[name]).any()


def test_which_arms_there_are() -> None:
    names = [arm.name for arm in SMALL.arms(Aggregation(), "quick")]
    assert names[:2] == ["canaries", "re-keyed"]
    assert {f"group of {k}" for k in GROUPS} <= set(names)
    assert {"image", "which image", "near-duplicates", "model", "pictures"} <= set(names)
    assert [arm.name for arm in SMALL.arms(DpSgdInversion(), "quick")] == names[:2]
    full = SMALL.arms(Aggregation(), "full")[0]
    assert full.games == 10 * SMALL.games


def test_a_view_is_one_message_of_the_curator(setting: Setting) -> None:
    arm = SMALL.arms(Aggregation(), "quick")[0]
    played = SMALL.play(arm, {}, replace(setting, work=setting.work / "view"))
    (message,) = played.views.messages(0)
    assert (message.sender, message.receiver, message.kind) == (CURATOR, PUBLIC, "release")
    public = played.views.view(0).public
    assert public["sigma"] == arm.defense.terms(SMALL.records).sigma
    assert set(public) == {"mechanism", *arm.defense.terms(SMALL.records).to_dict()}


def test_an_arm_grants_what_its_adversaries_need_and_no_more() -> None:
    arms = {arm.name: arm for arm in SMALL.arms(Aggregation(), "quick")}
    assert Knowledge.OTHERS in arms["image"].knows
    assert Knowledge.OTHERS not in arms["model"].knows
    assert Knowledge.WEIGHTS not in arms["canaries"].knows
    assert arms["which image"].question is Question.WHICH_RECORD


def test_the_same_seed_plays_the_same_games(setting: Setting, tmp_path: Path) -> None:
    arm = SMALL.arms(Aggregation(), "quick")[0]
    first, again, other = (
        SMALL.play(arm, {}, replace(setting, work=tmp_path / str(k), seed=seed))
        for k, seed in enumerate((5, 5, 6))
    )
    assert (first.truth == again.truth).all()
    assert first.views.messages(7) == again.views.messages(7)
    assert first.views.messages(7) != other.views.messages(7)


def test_canaries_are_the_worst_case() -> None:
    for neighbours in Neighbours:
        size = 30 if neighbours is Neighbours.ADD_REMOVE else None
        mechanism = Aggregation(neighbours=neighbours, size=size, clip=2.0)
        held = canaries(mechanism, records=30)
        longest = max(float(np.linalg.norm(world, axis=1).max()) for world in held.worlds)
        assert longest == BEYOND * 2.0
        means = [
            mechanism.release(world, np.random.default_rng(0), trials=1)[0] for world in held.worlds
        ]
        certificate = mechanism.certificate(30)
        gap = float(np.linalg.norm(means[1] - means[0]))
        assert gap == pytest.approx(certificate.sensitivity)
        assert closed_form(mechanism.terms(30))["mu"] == pytest.approx(certificate.mu)


@pytest.mark.parametrize("size", GROUPS)
def test_a_group_moves_the_mean_as_often(size: int) -> None:
    mechanism = Aggregation()
    held = canaries(mechanism, records=30, group=size)
    means = [
        mechanism.release(world, np.random.default_rng(0), trials=1)[0] for world in held.worlds
    ]
    gap = float(np.linalg.norm(means[1] - means[0]))
    assert gap == pytest.approx(size * mechanism.certificate(30).sensitivity)


def test_neighbouring_collections_differ_in_what_they_say() -> None:
    rng = np.random.default_rng(0)
    records = rng.standard_normal((8, 3))
    pictures = rng.integers(0, 256, (8, 4, 4, 3)).astype(np.uint8)
    one = image(records, pictures, name="some", seed=3)
    differing = (one.worlds[0] != one.worlds[1]).any(axis=1)
    assert differing.sum() == 1
    assert len(one.others) == 6
    families = np.array(["a", "b", "a", "c", "c", "d", "e", "e"])
    two = family(records, pictures, families, name="some", seed=3)
    assert (two.worlds[0] != two.worlds[1]).any(axis=1).sum() == two.facts["group"] == 2
    with pytest.raises(ValueError, match="no two families"):
        family(records, pictures, np.arange(8).astype(str), name="some", seed=3)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_every_profile_plays_enough_games_for_its_resolution(profile: str) -> None:
    scenario = WasMyImageUsed()
    arms = {arm.name: arm for arm in scenario.arms(Aggregation(), profile)}
    half = arms["canaries"].games // 2
    for law, method in (("gaussian", "gaussian_likelihood_ratio"), ("composed",) * 2):
        of = power.family(law, DpSgdInversion().sample_rate, DpSgdInversion().steps)
        name = LAWS.get(method, method)
        # A third of alpha for each of three claims, and six looks at most.
        leak = power.detectable(
            of, (half, half), method=name, epsilon=1.0, delta=1e-5, alpha=0.01 / 3 / 6
        )
        beyond = of.advantage(leak) - of.advantage(of.allowed(1.0, 1e-5))
        assert 0 < beyond <= RESOLUTION[profile]


@pytest.mark.parametrize("fields", [{"games": 1}, {"images": 1}, {"costly": -1}, {"records": 1}])
def test_sizes_are_checked(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(fields))}="):
        WasMyImageUsed(**fields)
