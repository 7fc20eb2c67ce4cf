"""Sealed and open agree bit for bit; three cheats are caught by the controls."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentleak.adversaries import sealed as sealing
from latentleak.adversaries.contract import (
    Adversary,
    Auxiliary,
    Knowledge,
    Question,
    ThreatModel,
    ThreatModelError,
)
from latentleak.adversaries.intersection import Intersection
from latentleak.adversaries.jobs import Job
from latentleak.adversaries.sealed import AdversaryError, score
from latentleak.adversaries.timing import Timing
from latentleak.audits.statistics import advantage, guesses
from latentleak.defenses.plain import Plain
from latentleak.defenses.seeds import stream
from latentleak.defenses.spec import Spec
from latentleak.scenarios.contract import Setting
from latentleak.scenarios.games import Played
from latentleak.scenarios.which_prompt import WhichPrompt
from latentleak.targets.pipeline import Target

CHEATS = Spec(path=f"{Path(__file__).with_name('cheats.py')}:SeedZero").find()
SCENARIO: WhichPrompt = sys.modules[CHEATS.__module__].SCENARIO

PLAYING = sorted(
    name
    for name, adversary in SCENARIO.adversaries().items()
    if Question.WHICH_PROMPT in adversary.plays
)


def cheat(name: str) -> Adversary:
    """An adversary of `cheats.py`, which a sealed process can find by its file."""
    built: Adversary = Spec(path=f"{Path(__file__).with_name('cheats.py')}:{name}").build()
    return built


@pytest.fixture(scope="module")
def played(tiny: Target, tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, Setting]:
    folder = tmp_path_factory.mktemp("sealed")
    setting = Setting(target=lambda _: tiny, seed=0, work=folder, artifacts=folder)
    arm = SCENARIO.arms(Plain(steps=2), "quick")[0]
    return SCENARIO.play(arm, SCENARIO.adversaries(), setting), setting


def _wins(played: Played, scores: np.ndarray) -> int:
    counts = [len(c) for c in played.games.candidates]
    picks = guesses(scores, rng=stream(1, "ties"), candidates=counts)
    return int((picks == played.games.truth).sum())


@pytest.mark.parametrize("name", PLAYING)
def test_sealed_equals_open_bit_for_bit(name: str, played: tuple[Played, Setting]) -> None:
    trials = [
        SCENARIO.judge(
            [played[0]],
            {name: SCENARIO.adversaries()[name]},
            replace(played[1], sealed=sealed),
        )[0]
        for sealed in (False, True)
    ]
    assert trials[0].scores[name].tobytes() == trials[1].scores[name].tobytes()
    assert trials[0].swapped[name].tobytes() == trials[1].swapped[name].tobytes()


@pytest.mark.parametrize("name", PLAYING)
def test_every_attack_works_undefended_and_collapses_on_swapped_views(
    name: str, played: tuple[Played, Setting]
) -> None:
    adversaries = {name: SCENARIO.adversaries()[name]}
    trials = SCENARIO.judge([played[0]], adversaries, played[1])[0]
    n = len(trials.truth)
    won = _wins(played[0], trials.scores[name])
    swapped = _wins(played[0], trials.swapped[name])
    assert won >= 0.75 * n
    # Fails on a correct adversary with probability at most 1e-6.
    assert advantage(swapped, n, candidates=trials.counts, alpha=1e-6).p_value > 1e-6


@pytest.mark.parametrize("name", ["StackWalker", "SeedSeeker"])
def test_cheats_that_look_around_find_nothing_when_sealed(
    name: str, played: tuple[Played, Setting]
) -> None:
    n = len(played[0].games.truth)
    for sealed in (False, True):
        setting = replace(played[1], sealed=sealed)
        trials = SCENARIO.judge([played[0]], {"cheat": cheat(name)}, setting)[0]
        won = _wins(played[0], trials.scores["cheat"])
        if sealed:
            assert advantage(won, n, candidates=trials.counts, alpha=1e-6).p_value > 1e-6
        else:
            assert won == n
            # The swapped-view control catches it even where nothing is sealed.
            assert _wins(played[0], trials.swapped["cheat"]) == n


def test_the_swapped_view_control_catches_a_guessed_seed(played: tuple[Played, Setting]) -> None:
    trials = SCENARIO.judge([played[0]], {"cheat": cheat("SeedZero")}, played[1])[0]
    n = len(trials.truth)
    assert _wins(played[0], trials.scores["cheat"]) == n
    assert _wins(played[0], trials.swapped["cheat"]) == n


def test_a_torch_free_adversary_starts_fast(played: tuple[Played, Setting]) -> None:
    code = (
        "import sys, latentleak.adversaries.sealed, latentleak.adversaries.intersection;"
        "assert not {'torch', 'scipy', 'sklearn'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    started = time.perf_counter()
    job = Job(
        name="games",
        views=played[0].games.views.take(range(2)),
        auxiliary=Auxiliary(candidates=played[0].games.candidates[:2]),
        seed=1,
    )
    score(Intersection(), [job])
    assert time.perf_counter() - started < 30  # bounds a hang; benchmarks/ measures the start


def test_without_forks_each_gets_an_interpreter_of_its_own(
    played: tuple[Played, Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(
        name="games",
        views=played[0].games.views.take(range(4)),
        auxiliary=Auxiliary(candidates=played[0].games.candidates[:4]),
        seed=1,
    )
    forked = score(Intersection(), [job])["games"]
    monkeypatch.setattr(sealing, "AVAILABLE", False)
    assert score(Intersection(), [job])["games"].tobytes() == forked.tobytes()
    with pytest.raises(AdversaryError, match="no luck"):
        score(cheat("Crash"), [job])


@pytest.mark.parametrize("sealed", [True, False])
def test_a_crash_is_an_error_not_a_score(sealed: bool, played: tuple[Played, Setting]) -> None:
    job = Job(
        name="games",
        views=played[0].games.views.take([0]),
        auxiliary=Auxiliary(candidates=played[0].games.candidates[:1]),
        seed=1,
    )
    with pytest.raises(AdversaryError, match="no luck"):
        score(cheat("Crash"), [job], sealed=sealed)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_full_disk_is_not_held_against_the_adversary(
    sealed: bool, played: tuple[Played, Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError("no space left")

    job = Job(
        name="games",
        views=played[0].games.views.take([0]),
        auxiliary=Auxiliary(candidates=played[0].games.candidates[:1]),
        seed=1,
    )
    blamed: list[str] = []
    monkeypatch.setattr(sealing, "store", full)
    with pytest.raises(OSError, match="no space left"):
        sealing.guess(
            {"intersection": (Intersection(), [job])},
            sealed=sealed,
            failed=lambda who, job, error: blamed.append(who),
        )
    assert not blamed


def test_needs_that_are_not_granted_are_an_error() -> None:
    model = ThreatModel(coalition=("server/0",), knows=frozenset({Knowledge.CANDIDATES}))
    with pytest.raises(ThreatModelError, match="Timing needs shadow"):
        model.check(Timing())
