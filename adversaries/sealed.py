"""Adversaries in a process of their own, which is handed files and nothing else.

One fresh process a (scenario, adversary): isolated mode, empty working directory, cleared
environment, no inherited file descriptors. It receives a folder with the views, the granted
facts, the adversary as import path and JSON fields, a derived seed and a thread count, and
leaves scores there. It is forked from one that has only imported libraries (see `forkserver`). This
stops accidents and short cuts, not malware: the process may still read any file that its user may
read.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from ..defenses.spec import Spec
from ..defenses.views import Views
from .contract import Adversary, Guesses, Knowledge, Scores
from .forkserver import AVAILABLE, Call, Child, fork_server
from .jobs import SWAPPED, Job, Keep, Watch, run_jobs, store
from .remembered import load_guesses, save_guesses

TIMEOUT = 1800.0
"""Longest that an adversary may take over one job [s]."""

LOOK = 1.0
"""Time between two looks at what a sealed process has finished [s]."""

AT_ONCE = 2
"""Adversaries that play at the same time."""

MODEL = ("latentleak.targets.sampling", "latentleak.targets.components")
"""Modules that an adversary who is granted the model imports."""

ERRORS = "stderr"
"""File of a sealed process's own errors."""

KILLED = -9
"""Status of a process that a signal ended which it cannot catch."""

PREPARED = "latentleak.adversaries.sealed:prepare"
PICTURES = "latentleak.adversaries.he_views:prime"
LATENTS = "latentleak.adversaries.he_views:public_latents"
PUBLIC = {
    "latentleak.adversaries.fill_in": (PICTURES, LATENTS),
    "latentleak.adversaries.noise_prediction": (PICTURES, LATENTS),
    "latentleak.adversaries.selection_leak": (PICTURES, LATENTS),
    "latentleak.adversaries.membership": (),
    "latentleak.adversaries.": (PICTURES,),
}
"""By how an adversary's module begins, the first that fits: what it reads of the public model."""

KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH")
KERNELS = ("OPENBLAS_", "MKL_")
"""Environment that chooses numeric kernels: alike in both cases, or sums differ in the last bit."""


class AdversaryError(RuntimeError):
    """An adversary failed; its message is carried along."""


Done = Callable[[int, int], None]
"""Called with how many jobs were played, and out of how many."""

Failed = Callable[[str, str, Exception], None]
"""Called with the names of an adversary and of a job that it did not play, and why."""


def score(
    adversary: Adversary, jobs: Sequence[Job], *, sealed: bool = True, threads: int = 1
) -> dict[str, Scores]:
    """The scores of one adversary, by the job's name; see `guess`."""
    said = guess({"": (adversary, jobs)}, sealed=sealed, threads=threads)[""]
    return {name: guesses.scores for name, guesses in said.items()}


def guess(
    players: Mapping[str, tuple[Adversary, Sequence[Job]]],
    *,
    sealed: bool = True,
    threads: int = 1,
    at_once: int = AT_ONCE,
    done: Done = lambda played, total: None,
    failed: Failed | None = None,
    kept: Path | None = None,
) -> dict[str, dict[str, Guesses]]:
    """Let every adversary play its jobs; sealed and open agree bit for bit.

    Args:
        players: Techniques by name, each with its sets of games; none for no jobs.
        sealed: Each in a fresh isolated process, or all here (for debugging).
        threads: Threads of the numeric libraries, alike in both cases.
        at_once: Adversaries that play at the same time.
        done: Progress.
        failed: Told of jobs that were not played, which are then left out, each with its control;
            None raises.
        kept: Folder that remembers what was guessed, for a run that is taken up again.

    Returns:
        Adversary's name to job's name to what was guessed.

    Raises:
        AdversaryError: If an adversary raises, dies or takes too long, and `failed` is None.
    """
    busy = {name: player for name, player in players.items() if player[1]}
    table, counts, telling = _Table(sealed=sealed, threads=threads), Counter[str](), Lock()

    def tell(name: str, played: int) -> None:
        with telling:
            counts[name] = played
            done(counts.total(), sum(len(jobs) for _, jobs in busy.values()))

    def one(name: str) -> dict[str, Guesses]:
        adversary, jobs = busy[name]
        folder = None if kept is None else kept / _file_name(name)
        found = {} if folder is None else load_guesses(folder, adversary, jobs)
        tell(name, len(found))

        def keep(job: Job, guesses: Guesses) -> None:
            found[job.name] = guesses
            if folder is not None:
                save_guesses(folder, adversary, job, guesses)
            tell(name, len(found))

        lost = _each(table.play, adversary, jobs, found, keep, raises=failed is None)
        for job, error in lost.items():
            assert failed is not None
            failed(name, job, error)
        tell(name, len(jobs))
        unpaired = {*lost, *(job + SWAPPED for job in lost)}
        return {job.name: found[job.name] for job in jobs if job.name not in unpaired}

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        try:
            said = dict(zip(busy, pool.map(one, busy) if sealed else map(one, busy), strict=True))
        except BaseException:
            table.clear()  # before the pool waits for what is played
            raise
    return {name: said.get(name, {}) for name in players}


def _each(
    play: Callable[[Adversary, Sequence[Job], Keep], None],
    adversary: Adversary,
    jobs: Sequence[Job],
    found: Mapping[str, Guesses],
    keep: Keep,
    *,
    raises: bool,
) -> dict[str, AdversaryError]:
    """All jobs that are not yet found in one process; if that fails, what is left in pairs.

    Args:
        play: Plays jobs.
        adversary: Who plays.
        jobs: All of them.
        found: What is kept, by the job's name.
        keep: Adds to it.
        raises: Whether to stop at the first failure.

    Returns:
        Why a job was not played, or its control not, by the job's name.
    """
    try:
        play(adversary, [job for job in jobs if job.name not in found], keep)
        return {}
    except AdversaryError:
        if raises:
            raise
    pairs: dict[str, list[Job]] = {}
    for job in jobs:
        if job.name not in found:
            pairs.setdefault(job.name.removesuffix(SWAPPED), []).append(job)
    lost = {}
    for label, pair in pairs.items():
        try:
            play(adversary, pair, keep)
        except AdversaryError as error:
            lost[label] = error
    return lost


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


class _Table:
    """Where adversaries play, each in a process of its own or all here."""

    def __init__(self, *, sealed: bool, threads: int) -> None:
        self._sealed = sealed
        self._threads = threads
        self._playing: set[Child] = set()
        self._cleared = False

    def play(self, adversary: Adversary, jobs: Sequence[Job], keep: Keep) -> None:
        """Let one adversary play jobs; each is kept as soon as it was played."""
        if not jobs:
            return
        with tempfile.TemporaryDirectory(prefix="latentleak-") as folder:
            root = Path(folder)
            stored: dict[int, Views] = {}
            for number, job in enumerate(jobs):
                store(job, root / str(number), stored)
            spec = Spec.of(adversary)
            work = {
                "path": spec.path,
                "fields": dict(spec.fields),
                "threads": self._threads,
                "jobs": len(jobs),
            }
            (root / "work.json").write_text(json.dumps(work))
            watch = Watch(root=root, jobs=jobs, keep=keep)
            try:
                if not self._sealed:
                    _open(root, spec.path)
                elif AVAILABLE:
                    self._fork(root, adversary, watch)
                else:
                    _spawn(root, spec.path, self._threads, TIMEOUT * len(jobs))
            finally:
                watch.gather()

    def clear(self) -> None:
        """End whoever plays, and let nobody begin."""
        self._cleared = True
        for child in tuple(self._playing):
            child.end()

    def _fork(self, root: Path, adversary: Adversary, watch: Watch) -> None:
        path = Spec.of(adversary).path
        module = path.rpartition(":")[0]
        own = [module] if module.startswith("latentleak.") else []  # never somebody else's
        model = MODEL if Knowledge.WEIGHTS in adversary.needs else ()
        server = fork_server(environment(self._threads))
        with open(os.devnull, "r+b") as nothing, (root / ERRORS).open("wb") as errors:
            child = server.fork(
                "latentleak.adversaries.jobs:run_jobs",
                str(root),
                streams=(nothing.fileno(), nothing.fileno(), errors.fileno()),
                modules=[*own, *model],
                ready=_ready(module, watch.jobs) if self._threads == 1 else (),
            )
        self._playing.add(child)
        if self._cleared:
            child.end()
        status = child.wait(LOOK, go_on=lambda: watch.in_time(TIMEOUT))
        self._playing.discard(child)
        if self._cleared:
            raise InterruptedError(f"{path} was ended with the run that it plays in")
        if status is None:
            raise AdversaryError(f"{path} took longer than {TIMEOUT:g} s over one job")
        if status != 0:
            raise _failed(path, status, (root / ERRORS).read_text())


def _ready(module: str, jobs: Sequence[Job]) -> list[Call]:
    """Makes what follows from the public model alone ready for an adversary."""
    made = next((made for start, made in PUBLIC.items() if module.startswith(start)), ())
    model = _model(jobs)
    return [] if model is None else [(PREPARED, [name, dict(model)]) for name in made]


def prepare(name: str, model: Mapping[str, Any]) -> None:
    """Call a function of a `Target` that remembers what it made."""
    from ..targets.pipeline import Target

    module, _, function = name.partition(":")
    getattr(importlib.import_module(module), function)(Target(**model))


def _model(jobs: Sequence[Job]) -> Mapping[str, Any] | None:
    """The model that most of an adversary's games are about, if it runs on the CPU."""
    granted = (job.auxiliary.weights or {} for job in jobs)
    known = [weights["open"] for weights in granted if "open" in weights]
    model = max(known, key=known.count, default=None)
    return model if model is not None and model["device"] == "cpu" else None


def _open(root: Path, path: str) -> None:
    try:
        run_jobs(root)
    except Exception as error:  # an adversary is anybody's code, here as in a process of its own
        raise AdversaryError(f"{path} failed: {type(error).__name__}: {error}") from error


def _spawn(root: Path, path: str, threads: int, timeout: float) -> None:
    with tempfile.TemporaryDirectory(prefix="latentleak-") as empty:
        command = [sys.executable, "-I", "-m", "latentleak.adversaries.jobs", str(root)]
        try:
            done = subprocess.run(
                command,
                cwd=empty,
                env=environment(threads),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AdversaryError(f"{path} took longer than {timeout:g} s") from error
    if done.returncode != 0:
        raise _failed(path, done.returncode, done.stderr)


def _failed(path: str, status: int, errors: str) -> AdversaryError:
    tail = "\n".join(errors.strip().splitlines()[-12:])
    if status == KILLED and not tail:
        tail = "killed: too little memory, or `python -I` does not find latentleak installed"
    return AdversaryError(f"{path} failed with status {status}:\n{tail}")


def environment(threads: int) -> dict[str, str]:
    """All that the environment of a sealed process has."""
    keep = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KERNELS)}
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return keep | {name: str(threads) for name in pools}
