"""What was guessed is not guessed again; what fails is told, and the rest plays on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentleak.adversaries import sealed as sealing
from latentleak.adversaries.contract import Adversary, Auxiliary
from latentleak.adversaries.jobs import Job
from latentleak.adversaries.sealed import AdversaryError, guess
from latentleak.defenses.spec import Spec
from latentleak.defenses.transcript import View
from latentleak.defenses.views import Views
from latentleak.defenses.wire import Party

Jobs = Callable[[str, int], Job]
SERVER = frozenset({Party("server/0")})
COUNTING = '''
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import numpy as np
from latentleak.adversaries.contract import Guesses

@dataclass(frozen=True, kw_only=True)
class Counting:
    """Leaves a line for every job, and takes its time; fails at so many games."""

    plays: ClassVar = frozenset()
    needs: ClassVar = frozenset()
    reads: ClassVar = frozenset()
    log: str
    bad: int = 0
    slow: float = 0

    def attack(self, views, aux, rng):
        with open(self.log, "a") as file:
            file.write("played\\n")
        time.sleep(self.slow * len(views))
        if len(views) == self.bad:
            raise ValueError("no such games")
        return Guesses(scores=rng.random((len(views), 1)))
'''


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    path = tmp_path / "counting.py"
    path.write_text(COUNTING)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text("")
    return path


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str, int], Job]:
    def made(name: str, games: int) -> Job:
        view = View(coalition=SERVER, messages=(), public={})
        views = Views.of([[view]] * games, tmp_path / f"{games}.views")
        return Job(name=name, views=views, auxiliary=Auxiliary(), seed=games)

    return made


def _player(counting: Path, log: Path, **fields: Any) -> Adversary:
    built: Adversary = Spec(path=f"{counting}:Counting", fields={"log": str(log), **fields}).build()
    return built


def test_an_adversary_that_has_guessed_is_not_asked_again(
    counting: Path, log: Path, job: Jobs, tmp_path: Path
) -> None:
    jobs = [job("arm", 2), job("arm/swapped", 2)]
    players = {"counting": (_player(counting, log), jobs)}
    first = guess(players, sealed=False, kept=tmp_path / "kept")
    again = guess(players, sealed=False, kept=tmp_path / "kept")
    assert log.read_text().count("played") == 2
    for job in jobs:
        before, after = (said["counting"][job.name].scores for said in (first, again))
        np.testing.assert_array_equal(before, after)
    other = {"counting": (_player(counting, log), [replace(jobs[0], seed=9), jobs[1]])}
    guess(other, sealed=False, kept=tmp_path / "kept")
    assert log.read_text().count("played") == 3  # the job that is another one


@pytest.mark.parametrize("sealed", [False, True])
def test_a_job_that_fails_is_told_and_the_others_are_played(
    counting: Path, log: Path, job: Jobs, tmp_path: Path, sealed: bool
) -> None:
    names = {"good": 2, "good/swapped": 2, "bad": 3, "bad/swapped": 3}
    players = {"counting": (_player(counting, log, bad=3), [job(*n) for n in names.items()])}
    told: list[tuple[str, str, str]] = []
    said = guess(
        players,
        sealed=sealed,
        failed=lambda who, job, error: told.append((who, job, str(error))),
        kept=tmp_path / "kept",
    )
    assert set(said["counting"]) == {"good", "good/swapped"}
    assert [(who, job) for who, job, _ in told] == [("counting", "bad")]
    assert "no such games" in told[0][2]
    asked = log.read_text().count("played")
    guess(players, sealed=sealed, failed=lambda *_: None, kept=tmp_path / "kept")
    again = log.read_text().count("played") - asked
    assert again == 2  # what failed: with the others, as all are played, and then by itself


def test_every_job_has_its_time_and_one_that_hangs_is_ended(
    counting: Path, log: Path, job: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(f"arm {number}", 10) for number in range(4)]
    players = {"slow": (_player(counting, log, slow=0.1), jobs)}
    guess({"warm": (_player(counting, log), jobs[:1])})  # libraries are not imported in its time
    monkeypatch.setattr(sealing, "TIMEOUT", 3.0)
    monkeypatch.setattr(sealing, "LOOK", 0.05)
    steps: list[tuple[int, int]] = []
    said = guess(players, done=lambda played, total: steps.append((played, total)))
    assert set(said["slow"]) == {each.name for each in jobs}
    assert (steps[0], steps[-1]) == ((0, 4), (4, 4))
    assert {played for played, _ in steps} >= {1, 2, 3}
    hangs = [jobs[0], job("hangs", 900)]
    with pytest.raises(AdversaryError, match="longer than 3 s over one job"):
        guess({"slow": (_player(counting, log, slow=0.1), hangs)})


def test_guesses_that_find_no_room_are_not_held_against_the_adversary(
    counting: Path, log: Path, job: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def full(*given: object) -> None:
        tried.append(1)
        if len(tried) == 1:  # there is room again when what is left is gathered
            raise OSError("no space left")

    monkeypatch.setattr(sealing, "LOOK", 0.05)
    monkeypatch.setattr(sealing, "save_guesses", full)
    jobs = [job("first", 1), job("second", 9)]
    told: list[str] = []
    with pytest.raises(OSError, match="no space left"):
        guess(
            {"slow": (_player(counting, log, slow=0.1), jobs)},
            failed=lambda who, *_: told.append(who),
            kept=tmp_path / "kept",
        )
    assert not told


def test_what_was_guessed_before_an_interruption_is_kept(
    counting: Path, log: Path, job: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "LOOK", 0.05)
    jobs = [job("first", 1), job("second", 1), job("endless", 900)]
    players = {
        "slow": (_player(counting, log, slow=0.1), jobs),
        "other": (_player(counting, log, slow=0.1), jobs[:1]),
    }
    told: list[str] = []

    def interrupted(played: int, total: int) -> None:
        if played == 3:
            raise KeyboardInterrupt

    kept = {"kept": tmp_path / "kept", "failed": lambda who, *_: told.append(who)}
    with pytest.raises(KeyboardInterrupt):
        guess(players, done=interrupted, **kept)
    assert not told  # nobody failed
    asked = log.read_text().count("played")
    assert asked <= 4
    players["slow"] = players["slow"][0], jobs[:2]
    said = guess(players, **kept)
    assert {name: len(jobs) for name, jobs in said.items()} == {"slow": 2, "other": 1}
    assert log.read_text().count("played") == asked
