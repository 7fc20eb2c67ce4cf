"""Children start fresh, carry nothing from one to the next, and end when they must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.forkserver import AVAILABLE, Child, ForkServer, fork_server
from latentleak.adversaries.jobs import Job
from latentleak.adversaries.sealed import LATENTS, PREPARED, AdversaryError, guess
from latentleak.defenses.spec import Spec
from latentleak.defenses.transcript import View
from latentleak.defenses.views import Views
from latentleak.defenses.wire import Party
from latentleak.targets.pipeline import load

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="forks are used on Linux only")

SERVER = frozenset({Party("server/0")})
PROBES = '''
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import numpy as np
from latentleak.adversaries.contract import Guesses

@dataclass(frozen=True, kw_only=True)
class Probe:
    """Scores: files about, environment, descriptors, memory, process."""

    plays: ClassVar = frozenset()
    needs: ClassVar = frozenset()
    reads: ClassVar = frozenset()
    mark: str = ""

    def attack(self, views, aux, rng):
        seen = [
            len(os.listdir(".")),
            "HOME" in os.environ or "LATENTLEAK_SECRET" in os.environ,
            len(os.listdir("/proc/self/fd")),
            getattr(np, "left_behind", 0),
            os.getpid(),
        ]
        np.left_behind = 1
        if self.mark == "dies":
            os._exit(7)
        return Guesses(scores=np.array([seen], dtype=np.float64))
'''

WITHIN = """
import os, signal, subprocess, sys, tempfile
from functools import cache
from latentleak.adversaries.forkserver import fork_server

def family(path):
    with open(path + ".partial", "w") as file:
        print(os.getpid(), os.getppid(), file=file)
    os.replace(path + ".partial", path)

def outer(environment, path):
    child = fork_server(environment).fork("within:family", path, streams=(0, 1, 2))
    sys.exit(5 + child.wait())

@cache
def made():
    return os.getpid()

def public(path):
    with open(path, "w") as file:
        print(made(), os.getppid(), file=file)

def fails():
    raise ValueError("not for everybody")

def latents(path):
    from latentleak.adversaries.he_views import public_latents
    with open(path, "w") as file:
        print(public_latents.cache_info().currsize, file=file)

def litters(path):
    folder = tempfile.mkdtemp()
    with open("here", "w"), open(path + ".partial", "w") as file:
        print(folder, os.getcwd(), file=file)
    os.replace(path + ".partial", path)
    signal.pause()

def hangs(path):
    other = subprocess.Popen(["sleep", "600"])
    with open(path + ".partial", "w") as file:
        print(os.getpid(), other.pid, file=file)
    os.replace(path + ".partial", path)
    signal.pause()
"""
PATIENCE = 60.0
"""How long a test waits for what takes a moment [s]."""


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
    files, environment, descriptors, memory, processes = rows.T
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


@pytest.fixture
def server(tmp_path: Path) -> ForkServer:
    (tmp_path / "within.py").write_text(WITHIN)
    server = ForkServer({"OMP_NUM_THREADS": "1"})
    begin(server, "os:getpid", ready=[("site:addsitedir", [str(tmp_path)])]).wait(PATIENCE)
    return server


def begin(server: ForkServer, call: str, *arguments: Any, **more: Any) -> Child:
    """A child whose streams are the null device."""
    with open(os.devnull, "r+b") as nothing:
        return server.fork(call, *arguments, streams=(nothing.fileno(),) * 3, **more)


def words(path: Path) -> list[str]:
    """What a child has written."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return path.read_text().split()


def told(path: Path) -> list[int]:
    """Process ids that a child has written."""
    return [int(word) for word in words(path)]


def gone(pid: int) -> bool:
    """Whether a process ends, or waits to be reaped, before patience does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_one_server_an_environment() -> None:
    environment = {"OMP_NUM_THREADS": "1", "LANG": "C"}
    server = fork_server(environment)
    assert fork_server(dict(reversed(environment.items()))) is server
    assert fork_server({**environment, "OMP_NUM_THREADS": "2"}) is not server


def test_children_ask_the_server_that_forked_them(server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "told"
    assert begin(server, "within:outer", {"OMP_NUM_THREADS": "1"}, str(path)).wait(PATIENCE) == 5
    assert begin(server, "within:family", str(tmp_path / "own")).wait(PATIENCE) == 0
    (inner, parent), (own, same) = told(path), told(tmp_path / "own")
    assert parent == same != os.getpid()
    assert inner != own


def test_what_is_for_everybody_is_made_once(server: ForkServer, tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(3)]
    for path in paths:
        ready = [("within:made", []), ("within:fails", []), ("no.such:thing", [])]
        child = begin(server, "within:public", str(path), modules=["no.such.module"], ready=ready)
        assert child.wait(PATIENCE) == 0
    family = [told(path) for path in paths]
    assert len({made for made, _ in family}) == 1
    assert all(made == parent for made, parent in family)


def test_public_latents_are_at_hand(server: ForkServer, tmp_path: Path) -> None:
    tiny = asdict(load("tiny", device="cpu"))
    for name, ready in (("without", []), ("with", [(PREPARED, [LATENTS, tiny])])):
        child = begin(server, "within:latents", str(tmp_path / name), ready=ready)
        assert child.wait(PATIENCE) == 0
    assert [told(tmp_path / name) for name in ("without", "with")] == [[0], [1]]


def test_status_and_signal_are_told(server: ForkServer) -> None:
    assert begin(server, "sys:exit", 3).wait(PATIENCE) == 3
    assert begin(server, "within:fails").wait(PATIENCE) == 1
    assert begin(server, "signal:raise_signal", int(signal.SIGTERM)).wait(PATIENCE) == -15


def test_another_thread_may_end_it(server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "told"
    child = begin(server, "within:hangs", str(path))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(child.wait)
        pids = told(path)
        child.end()
        assert waiting.result(timeout=PATIENCE) is None
    assert all(gone(pid) for pid in pids)  # and what it had started


def test_too_long_is_killed(server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "told"
    child = begin(server, "within:hangs", str(path))
    pids = told(path)
    assert child.wait(0.1) is None
    assert all(gone(pid) for pid in pids)
    assert begin(server, "os:getpid").wait(PATIENCE) == 0


def test_a_server_that_dies_is_replaced(server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "told"
    assert begin(server, "within:family", str(path)).wait(PATIENCE) == 0
    child = begin(server, "within:hangs", str(tmp_path / "hangs"))
    pids = told(tmp_path / "hangs")
    os.kill(told(path)[1], signal.SIGKILL)
    assert child.wait(PATIENCE) == -signal.SIGKILL
    assert begin(server, "os:getpid").wait(PATIENCE) == 0
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_what_a_child_leaves_behind_is_removed(server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "told"
    child = begin(server, "within:litters", str(path))
    folders = [Path(word) for word in words(path)]
    assert all(folder.exists() for folder in folders)
    child.end()
    child.wait()
    deadline = time.monotonic() + PATIENCE
    while any(folder.exists() for folder in folders) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(folder.exists() for folder in folders)


def test_nobody_outlives_who_started_the_server(tmp_path: Path) -> None:
    (tmp_path / "within.py").write_text(WITHIN)
    path = tmp_path / "told"
    code = (
        "import sys; from latentleak.adversaries.forkserver import fork_server\n"
        "fork_server({}).fork('within:hangs', sys.argv[2], streams=(0, 1, 2),"
        " ready=[('site:addsitedir', [sys.argv[1]])]).wait()"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(path)])
    pids = told(path)
    assert len(pids) == 2
    starter.kill()
    starter.wait()
    assert all(gone(pid) for pid in pids)
