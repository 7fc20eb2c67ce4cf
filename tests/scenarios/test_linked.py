"""Games of two executions: who asks for what again, and how answers are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentleak.adversaries.contract import Guesses, Question
from latentleak.defenses.ppidm.variants import RingShares
from latentleak.defenses.protocol import execute
from latentleak.scenarios.coalitions import resolved
from latentleak.scenarios.contract import Setting
from latentleak.scenarios.drawn import Drawn, Said, hear, seed_of
from latentleak.scenarios.games import Secret, slug
from latentleak.scenarios.linked import compared, linked
from latentleak.scenarios.what_do_colluding_servers_see import WhatDoColludingServersSee
from latentleak.targets.pipeline import load

SCENARIO = WhatDoColludingServersSee(games=2, few=0, steps=1, pairs=2, early=())


def test_half_of_the_second_executions_repeat_the_prompt() -> None:
    texts = tuple(f"prompt {i}" for i in range(5))
    secrets = linked([Secret(candidates=texts, real=i % 5) for i in range(40)], 0)
    same = [secret.asked(0) == secret.asked(1) for secret in secrets]
    assert sum(same) == 20
    assert not all(same[:20])
    assert {secret.asked(1) for secret in secrets} == set(texts)
    assert [secret.asked(0) for secret in secrets] == [f"prompt {i % 5}" for i in range(40)]
    assert linked([replace(s, later=()) for s in secrets], 0) == secrets


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    target, folder = load("tiny", device="cpu"), tmp_path_factory.mktemp("linked")
    return Setting(
        target=lambda _: target,
        seed=3,
        work=folder / "work" / "games",
        artifacts=folder / "artifacts",
        sealed=False,
    )


@pytest.fixture(scope="module")
def played(setting: Setting) -> list[Drawn]:
    """Both coalitions' arms; the first has everything that crossed."""
    arms = [arm for arm in SCENARIO.arms(RingShares(n=2), "quick") if arm.sessions == 2]
    assert [arm.questions for arm in arms] == [{Question.SAME_PROMPT}] * 2
    return resolved([SCENARIO.play(arm, {}, setting) for arm in arms], setting.work)


def test_both_executions_cross(setting: Setting, played: list[Drawn]) -> None:
    whole = played[0]
    assert all(each.views.sessions(game) == 2 for each in played for game in (0, 1))
    for session in (0, 1):
        seed = seed_of(whole.arm, setting, 1, session)
        prompt = whole.secrets[1].asked(session)
        _, transcript = execute(whole.arm.defense, load("tiny", device="cpu"), prompt, seed)
        full = {m.number: m for m in transcript.view(whole.arm.defense.servers).messages}
        kept = whole.views.messages(1, session)
        assert kept
        assert all(full[message.number] == message for message in kept)
        transcript.close()


def test_all_servers_tell_one_prompt_from_two_and_fewer_do_not(
    setting: Setting, played: list[Drawn]
) -> None:
    said = hear(played, SCENARIO.adversaries(), SCENARIO.threat_model, setting)
    everyone, one = (compared(each, said[slug(each.arm)]) for each in played)
    assert sorted(everyone.truth.tolist()) == [0, 1]
    assert everyone.counts.tolist() == [2, 2]
    named = everyone.scores["link/linking"].argmax(axis=1)
    assert np.array_equal(named, everyone.truth)
    assert not one.scores["link/linking"].any()
    assert set(everyone.swapped) == {"link/linking"}


def test_scores_are_compared_with_zero(played: list[Drawn]) -> None:
    own = Guesses(scores=np.array([[2.0], [-1.0]]))
    trials = compared(played[0], {"linking": Said(own=own, swapped=None)})
    assert trials.scores["link/linking"].tolist() == [[0, 2], [0, -1]]
    assert not trials.swapped
