"""The game itself: fair draws, byte-identical views, pictures, taps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries.contract import Question
from latentleak.adversaries.residue import values_of
from latentleak.audits.obliviousness.audit import RESOLUTION
from latentleak.audits.selfcheck.broken_obclip import BROKEN, CacheWarmed, RandomSubset
from latentleak.audits.statistics import advantage, binomial_p_value, expected_wins
from latentleak.defenses.obclip.lexicon import AttributeSpace
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.plain import Plain
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import stream
from latentleak.scenarios import prompts
from latentleak.scenarios.contract import Setting, Trials, adjusted, derangement
from latentleak.scenarios.games import judge
from latentleak.scenarios.marking import Marking
from latentleak.scenarios.noninterference import noninterference
from latentleak.scenarios.priors import MEASURED, SKEWED
from latentleak.scenarios.prompt_secrets import draw
from latentleak.scenarios.which_prompt import ACCELERATED, WhichPrompt, WhichPromptTimed
from latentleak.targets.pipeline import Target

SCENARIO = WhichPrompt(
    full_games=2,
    full_shadow=1,
    cheap_games=4,
    cheap_shadow=2,
    sessions=2,
    follow_ups=6,
    accelerated=4,
    skewed=4,
    mentions=4,
    published=2,
)


def _setting(tiny: Target, folder: Path) -> Setting:
    return Setting(target=lambda _: tiny, seed=0, work=folder / "work", artifacts=folder)


def test_noninterference_holds_for_every_candidate_of_every_prompt(
    tiny: Target, tmp_path: Path
) -> None:
    templates = (*prompts.CHEAP, *prompts.PRONOUNS)
    found = noninterference(ObClip(steps=2, k=1), tiny, templates, _setting(tiny, tmp_path))
    assert found["identical"]
    assert found["executions"] == sum(len(ObClip().candidates(t)) for t in templates)


@pytest.mark.parametrize("kind", BROKEN)
def test_noninterference_fails_for_every_broken_copy(
    kind: type[ObClip], tiny: Target, tmp_path: Path
) -> None:
    templates = prompts.CHEAP[11:13]
    assert "her garden" in templates[0]
    found = noninterference(kind(steps=2, k=1), tiny, templates, _setting(tiny, tmp_path))
    assert not found["identical"]
    assert found["differing"] == list(templates)


def test_an_arm_is_played_and_taken_up_again(tiny: Target, tmp_path: Path) -> None:
    setting = _setting(tiny, tmp_path)
    arms = SCENARIO.arms(ObClip(), "quick")
    assert [arm.name for arm in arms] == [
        "full k=5",
        "full k=10",
        "cheap",
        "pronouns",
        "re-keyed",
        "follow-ups",
        "accelerated",
        "skewed prior",
        "mentions",
        "published",
        "marked",
    ]
    full = adjusted(arms[0], defense=ObClip(steps=4, k=2))
    played = SCENARIO.play(full, SCENARIO.adversaries(), setting)
    assert len(played.games.views) == 2
    image, caption = played.facts["images"]
    assert (tmp_path / image).stat().st_size > 100
    assert "Real prompts" in caption
    stamp = (tmp_path / "work" / "obclip-full-k-5" / "game.views").stat().st_mtime_ns
    SCENARIO.play(full, SCENARIO.adversaries(), setting)
    assert (tmp_path / "work" / "obclip-full-k-5" / "game.views").stat().st_mtime_ns == stamp


def test_what_no_adversary_reads_is_dropped(tiny: Target, tmp_path: Path) -> None:
    own = {"position": SCENARIO.adversaries()["position"]}
    arm = SCENARIO.arms(ObClip(), "quick")[2]
    played = SCENARIO.play(arm, own, _setting(tiny, tmp_path))
    assert played.facts["tap"] == ["generate"]
    assert played.games.views.sessions(0) == 2
    kinds = {m.kind: m for m in played.games.views.messages(0)}
    assert kinds["acknowledge"].digest
    assert not kinds["acknowledge"].payload


def test_the_truth_is_uniform_and_depends_on_the_seed() -> None:
    arm = adjusted(SCENARIO.arms(Plain(), "quick")[0], games=1)
    secrets = draw(arm, 4000, 3, "game")
    counts = np.bincount([secret.real for secret in secrets], minlength=10)
    assert len(counts) == 10
    for count in counts:  # fails on a fair draw with probability below 20 * 1e-7
        assert binomial_p_value(int(count), 4000, p=0.1) > 1e-7
        assert binomial_p_value(4000 - int(count), 4000, p=0.9) > 1e-7
    assert draw(arm, 50, 3, "game") == secrets[:50]
    assert draw(arm, 50, 4, "game") != secrets[:50]
    assert draw(arm, 50, 3, "shadow") != secrets[:50]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_a_derangement_moves_every_game_within_its_group(groups: list[int]) -> None:
    order = derangement(groups, stream(0, "test"))
    assert sorted(order) == list(range(len(groups)))
    for game, other in enumerate(order):
        if groups.count(groups[game]) > 1:
            assert other != game
            assert groups[other] == groups[game]


def test_trials_survive_the_disk(tmp_path: Path) -> None:
    scores = {"a": np.array([[0.5, np.nan], [1.0, 2.0]])}
    trials = Trials(
        arm="x", truth=np.array([0, 1]), counts=np.array([1, 2]), scores=scores, swapped=scores
    )
    trials.save(tmp_path / "t.npz")
    again = Trials.load(tmp_path / "t.npz", arm="x", facts={})
    np.testing.assert_array_equal(again.scores["a"], scores["a"])
    np.testing.assert_array_equal(again.truth, trials.truth)


def test_a_random_subset_holds_the_real_prompt_and_half_of_the_others() -> None:
    template = RandomSubset().procedure.substitute(prompts.FULL[0], RandomSubset().space)
    rows = RandomSubset().procedure.choose(template, stream(1, "x"))
    assert template.real in rows
    assert len(rows) == 1 + 9 // 2


@pytest.mark.parametrize(("profile", "resolution"), RESOLUTION.items())
@pytest.mark.parametrize("scenario", [WhichPrompt(), WhichPromptTimed()])
def test_each_profile_plays_enough_games_for_its_resolution(
    scenario: WhichPrompt, profile: str, resolution: float
) -> None:
    arms = [
        arm
        for arm in scenario.arms(ObClip(), profile)
        if not (arm.control_of or arm.outside or arm.prior == MEASURED)
    ]
    playing = [a for a in scenario.adversaries().values() if Question.WHICH_PROMPT in a.plays]
    rows = len(arms) * (len(playing) + 1)
    arm = next(arm for arm in arms if arm.name in ("cheap", "tcp"))
    counts = [len(secret.candidates) for secret in draw(arm, arm.games, 0, "game")]
    test = advantage(0, arm.games, candidates=counts, slack=0.02, alpha=0.005 / rows)
    assert test.detectable <= resolution


def test_a_follow_up_says_the_same_of_what_both_mention() -> None:
    arm = next(a for a in SCENARIO.arms(ObClip(), "quick") if a.name == "follow-ups")
    space = AttributeSpace()
    for secret in draw(arm, 12, 0, "game"):
        assert len(secret.later) == arm.sessions - 1
        for column, text in enumerate(secret.candidates):
            mine = values_of(text, space)
            for texts in secret.later:
                shown = values_of(texts[column], space)
                assert {name: shown[name] for name in mine} == mine
        asked = [secret.asked(session) for session in range(arm.sessions)]
        assert asked[0] == secret.candidates[secret.real]
        assert len(set(asked)) == arm.sessions


def test_full_sets_survive_follow_ups_and_random_subsets_do_not(
    tiny: Target, tmp_path: Path
) -> None:
    def decoys(defense: ObClip, name: str) -> list[float]:
        arm = next(a for a in SCENARIO.arms(defense, "quick") if a.name == "follow-ups")
        own = {"intersection": SCENARIO.adversaries()["intersection"]}
        played = SCENARIO.play(arm, own, _setting(tiny, tmp_path / name))
        found: list[float] = played.facts["survival"]["decoys"]
        return found

    whole = decoys(ObClip(), "whole")
    assert whole == [whole[0]] * 3
    half = decoys(RandomSubset(), "half")
    assert half[0] < whole[0]
    assert half == sorted(half, reverse=True)
    assert half[2] < half[0] / 2


def test_the_skewed_prior_is_a_law_and_games_follow_it() -> None:
    arm = next(a for a in SCENARIO.arms(ObClip(), "quick") if a.name == "skewed prior")
    arm = replace(arm, prompts=prompts.FULL[:1])
    secrets = draw(arm, 4000, 3, "game")
    law = SKEWED.of(secrets[0].candidates)
    assert law.sum() == pytest.approx(1)
    assert secrets[0].best_guess == law.max() == pytest.approx(0.375)
    counts = np.bincount([secret.real for secret in secrets], minlength=10)
    for count, p in zip(counts, law, strict=True):  # fails with probability below 20 * 1e-7
        assert binomial_p_value(int(count), 4000, p=float(p)) > 1e-7
        assert binomial_p_value(4000 - int(count), 4000, p=float(1 - p)) > 1e-7


def test_mentions_are_every_choice_of_the_bracketed_parts() -> None:
    assert prompts.mentions("a [young] woman [with a hat] here") == (
        "a woman here",
        "a woman with a hat here",
        "a young woman here",
        "a young woman with a hat here",
    )
    for template in prompts.MENTIONS:
        sets = [set(ObClip().candidates(text)) for text in prompts.mentions(template)]
        assert all(not a & b for i, a in enumerate(sets) for b in sets[:i])


@pytest.mark.parametrize("name", ["mentions", "published", "marked"])
def test_what_the_claim_leaves_out_is_found(name: str, tiny: Target, tmp_path: Path) -> None:
    setting = _setting(tiny, tmp_path)
    scenario = replace(SCENARIO, mentions=16, published=16)
    arm = next(a for a in scenario.arms(ObClip(), "quick") if a.name == name)
    honest = ObClip(steps=4, k=2)
    arm = replace(arm, defense=Marking(honest=honest) if name == "marked" else honest)
    own = {
        label: adversary
        for label, adversary in scenario.adversaries().items()
        if arm.question in adversary.plays
    }
    played = scenario.play(arm, own, setting)
    assert (played.published is not None) == (name != "mentions")
    trials = judge([played], own, scenario.threat_model, replace(setting, sealed=False))[0]
    label = "enumerated attributes" if name == "mentions" else "published image"
    won = expected_wins(trials.scores[label], trials.truth, candidates=trials.counts)
    swapped = expected_wins(trials.swapped[label], trials.truth, candidates=trials.counts)
    assert won.mean() > 0.9
    assert swapped.mean() < 0.75
    assert trials.facts["outside"]


def test_one_noise_a_row_is_not_what_an_honest_server_returns(tiny: Target) -> None:
    honest = ObClip(steps=4, k=2)
    outputs = [
        execute(defense, tiny, prompts.SMALL[0], 1)[0].latents
        for defense in (honest, Marking(honest=honest))
    ]
    assert outputs[0].shape == outputs[1].shape
    assert not outputs[0].equal(outputs[1])
    assert Marking(honest=honest).claims == ()
    assert Marking(honest=honest).public == honest.public


def test_noninterference_holds_with_every_acceleration_and_fails_where_one_looks(
    tiny: Target, tmp_path: Path
) -> None:
    setting = _setting(tiny, tmp_path)
    exact = replace(SCENARIO, full_games=0).exact(ObClip(), setting)
    assert [found["identical"] for found in exact] == [True, True]
    warmed = adjusted(CacheWarmed(), **ACCELERATED)
    assert not noninterference(warmed, tiny, prompts.SMALL, setting)["identical"]
