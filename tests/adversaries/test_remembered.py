"""What was guessed is not guessed again; what fails is told, and the rest plays on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.sealed import Job, guess
from latentleak.defenses.spec import Spec
from latentleak.defenses.transcript import View
from latentleak.defenses.views import Views
from latentleak.defenses.wire import Party

Jobs = Callable[[str, int], Job]
SERVER = frozenset({Party("server/0")})
COUNTING = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import numpy as np
from latentleak.adversaries.contract import Guesses

@dataclass(frozen=True, kw_only=True)
class Counting:
    """Leaves a line for every job; fails where it is told to, by the number of games."""

    plays: ClassVar = frozenset()
    needs: ClassVar = frozenset()
    reads: ClassVar = frozenset()
    log: str
    bad: int = 0

    def attack(self, views, aux, rng):
        with open(self.log, "a") as file:
            file.write("played\\n")
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


def _player(counting: Path, log: Path, bad: int = 0):
    return Spec(path=f"{counting}:Counting", fields={"log": str(log), "bad": bad}).build()


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
    assert log.read_text().count("played") == 4


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
    assert not list((tmp_path / "kept").rglob("*.npz"))  # tried again when the run is resumed
