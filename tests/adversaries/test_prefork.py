"""Forks start fresh, carry nothing from one adversary to the next, and end when they must."""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.prefork import AVAILABLE, ERRORS, Prefork, lent
from latentleak.adversaries.sealed import AdversaryError, Job, guess
from latentleak.defenses.spec import Spec
from latentleak.defenses.transcript import View
from latentleak.defenses.views import Views
from latentleak.defenses.wire import Party
from latentleak.targets.pipeline import load

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="forks are used on Linux only")

SERVER = frozenset({Party("server/0")})
PROBES = '''
import os, sys, threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import numpy as np
from latentleak.adversaries.contract import Guesses

@dataclass(frozen=True, kw_only=True)
class Probe:
    """Scores: public latents at hand, files about, environment, descriptors, memory, process."""

    plays: ClassVar = frozenset()
    needs: ClassVar = frozenset()
    reads: ClassVar = frozenset()
    mark: str = ""

    def attack(self, views, aux, rng):
        he_views = sys.modules.get("latentleak.adversaries.he_views")
        seen = [
            he_views.public_latents.cache_info().currsize if he_views else 0,
            len(os.listdir(".")),
            "HOME" in os.environ or "LATENTLEAK_SECRET" in os.environ,
            len(os.listdir("/proc/self/fd")),
            getattr(np, "left_behind", 0),
            os.getpid(),
        ]
        np.left_behind = 1
        if self.mark == "dies":
            os._exit(7)
        if self.mark == "hangs":
            threading.Event().wait()
        return Guesses(scores=np.array([seen], dtype=np.float64))
'''


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    path = tmp_path / "probes.py"
    path.write_text(PROBES)
    return path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    view = View(coalition=SERVER, messages=(), public={})
    views = Views.of(iter([[view]]), tmp_path / "game.views")
    return Job(name="games", views=views, auxiliary=Auxiliary(), seed=1)


def work(job: Job, probes: Path, root: Path, mark: str = "") -> Path:
    """A folder with one job for a probe."""
    (root / "0").mkdir(parents=True)
    job.views.save(root / "0" / "views")
    job.auxiliary.save(root / "0")
    (root / "0" / "task.json").write_text(json.dumps({"seed": 1, "swap": None}))
    told = {"path": f"{probes}:Probe", "fields": {"mark": mark}, "threads": 1, "jobs": 1}
    (root / "work.json").write_text(json.dumps(told))
    return root


@pytest.fixture
def fork() -> Iterator[Prefork]:
    with Prefork({"OMP_NUM_THREADS": "1"}) as prefork:
        yield prefork


def test_each_adversary_finds_a_clean_process(
    probes: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENTLEAK_SECRET", "42")
    players = {
        str(number): (Spec(path=f"{probes}:Probe", fields={"mark": str(number)}).build(), [job])
        for number in range(4)
    }
    said = guess(players)
    rows = np.concatenate([said[name]["games"].scores for name in players])
    _, files, environment, descriptors, memory, processes = rows.T
    assert not files.any()
    assert not environment.any()
    assert not memory.any()
    assert (descriptors <= 4).all()  # standard three, and the directory that is being listed
    assert len(set(processes)) == len(players)
    assert os.getpid() not in processes


def test_death_is_an_error_and_the_next_one_plays(probes: Path, job: Job) -> None:
    dies = Spec(path=f"{probes}:Probe", fields={"mark": "dies"}).build()
    with pytest.raises(AdversaryError, match="status 7"):
        guess({"dies": (dies, [job]), "lives": (Spec(path=f"{probes}:Probe").build(), [job])})


def test_processes_are_kept_for_the_next_adversaries(probes: Path, job: Job) -> None:
    probe, environment = Spec(path=f"{probes}:Probe").build(), {"OMP_NUM_THREADS": "1", "LANG": "C"}
    with lent(environment) as first, lent(environment) as second:
        assert first is not second
    with lent(environment) as again:
        assert again in (first, second)
    with lent({**environment, "OMP_NUM_THREADS": "2"}) as other:
        assert other not in (first, second)
    before = {int(guess({"": (probe, [job])})[""]["games"].scores[0, -1]) for _ in range(2)}
    assert len(before) == 2  # each plays in a process of its own all the same


def test_what_follows_from_the_public_model_is_made_once_for_all(
    probes: Path, job: Job, fork: Prefork, tmp_path: Path
) -> None:
    module, pictures = "latentleak.adversaries.fill_in", "latentleak.adversaries.he_views"
    tiny, seen = asdict(load("tiny", device="cpu")), []
    for number, (imports, model) in enumerate(
        [((), None), ((pictures,), tiny), ((module,), None), ((module,), tiny)]
    ):
        root = work(job, probes, tmp_path / str(number))
        assert fork.run(root, imports, model=model, timeout=120.0) == 0
        seen.append(np.load(root / "0" / "scores.npy")[0, 0])
    assert seen == [0, 0, 0, 1]


def test_another_thread_may_stop_it(
    probes: Path, job: Job, fork: Prefork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors.DefaultSelector, "select", lambda *_: [])  # it is never woken
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fork.run, tmp_path, ["json"], timeout=600)
        while fork._process is None:
            time.sleep(0.01)
        fork.stop()
        assert waiting.result(timeout=60) is None


def test_too_long_is_killed_and_another_run_starts_anew(
    probes: Path, job: Job, fork: Prefork, tmp_path: Path
) -> None:
    stored = [work(job, probes, tmp_path / f"root{mark}", mark) for mark in ("hangs", "")]
    assert fork.run(stored[0], (), timeout=3.0) is None
    assert fork.run(stored[1], ("no.such.module",), timeout=60.0) == 0
    assert (stored[1] / "0" / "scores.npy").exists()
    assert (stored[1] / ERRORS).read_text() == ""
