"""Adversaries in a process of their own, which is handed files and nothing else.

One fresh `python -I` process a (scenario, adversary): empty working directory, cleared
environment, no inherited file descriptors. It receives a folder with the views, the granted
facts, the adversary as import path and JSON fields, a derived seed and a thread count, and
leaves scores there. This stops accidents and short cuts, not malware: the process may still read
any file that its user may read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import threadpoolctl

from ..defenses.seeds import stream
from ..defenses.spec import Spec
from ..defenses.views import Views
from .contract import Adversary, Auxiliary, Guesses, Scores, play

TIMEOUT = 1800.0
"""Longest that an adversary may take [s]."""


KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH")
KERNELS = ("OPENBLAS_", "MKL_")
"""Environment that chooses numeric kernels: alike in both cases, or sums differ in the last bit."""


class AdversaryError(RuntimeError):
    """An adversary failed; its message is carried along."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One set of games for one adversary.

    Attributes:
        name: Unique within the call.
        views: What the coalition saw.
        auxiliary: What the threat model granted.
        seed: The adversary's own seed, derived from the run's and never equal to it.
        swap: A permutation of games: the control plays on the views of other executions.
    """

    name: str
    views: Views
    auxiliary: Auxiliary
    seed: int
    swap: npt.NDArray[np.int64] | None = None


def score(
    adversary: Adversary, jobs: Sequence[Job], *, sealed: bool = True, threads: int = 1
) -> dict[str, Scores]:
    """The scores of `guess` alone."""
    said = guess(adversary, jobs, sealed=sealed, threads=threads)
    return {name: guesses.scores for name, guesses in said.items()}


def guess(
    adversary: Adversary, jobs: Sequence[Job], *, sealed: bool = True, threads: int = 1
) -> dict[str, Guesses]:
    """Play every job and return what was guessed; sealed and open agree bit for bit.

    Args:
        adversary: The technique and its configuration.
        jobs: Sets of games.
        sealed: In a fresh isolated process, or here (for debugging).
        threads: Threads of the numeric libraries, alike in both cases.

    Raises:
        AdversaryError: If the adversary raises, dies or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="latentleak-") as folder:
        root = Path(folder)
        names = [job.name for job in jobs]
        for number, job in enumerate(jobs):
            _store(job, root / str(number))
        spec = Spec.of(adversary)
        work = {
            "path": spec.path,
            "fields": dict(spec.fields),
            "threads": threads,
            "jobs": len(jobs),
        }
        (root / "work.json").write_text(json.dumps(work))
        if sealed:
            _spawn(root, spec.path)
        else:
            run_jobs(root)
        return {name: _said(root / str(number)) for number, name in enumerate(names)}


def run_jobs(root: Path) -> None:
    """Play the jobs stored under `root`: what both the sealed and the open way call."""
    work = json.loads((root / "work.json").read_text())
    adversary = Spec(path=work["path"], fields=work["fields"]).build()
    with threadpoolctl.threadpool_limits(limits=int(work["threads"])):
        for number in range(int(work["jobs"])):
            folder = root / str(number)
            task = json.loads((folder / "task.json").read_text())
            views = Views.load(folder / "views")
            if task["swap"] is not None:
                views = views.take(task["swap"])
            aux = Auxiliary.load(folder)
            guesses = play(adversary, views, aux, stream(int(task["seed"]), "adversary"))
            np.save(folder / "scores.npy", guesses.scores.astype(np.float64), allow_pickle=False)
            if guesses.images is not None:
                np.save(folder / "images.npy", guesses.images, allow_pickle=False)


def _said(folder: Path) -> Guesses:
    images = folder / "images.npy"
    return Guesses(
        scores=np.load(folder / "scores.npy", allow_pickle=False),
        images=np.load(images, allow_pickle=False) if images.exists() else None,
    )


def _store(job: Job, folder: Path) -> None:
    folder.mkdir()
    job.views.save(folder / "views")
    job.auxiliary.save(folder)
    swap = None if job.swap is None else [int(i) for i in job.swap]
    (folder / "task.json").write_text(json.dumps({"seed": job.seed, "swap": swap}))


def _spawn(root: Path, path: str) -> None:
    with tempfile.TemporaryDirectory(prefix="latentleak-") as empty:
        command = [sys.executable, "-I", "-m", "latentleak.adversaries.sealed", str(root)]
        try:
            done = subprocess.run(
                command,
                cwd=empty,
                env=_environment(json.loads((root / "work.json").read_text())["threads"]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AdversaryError(f"{path} took longer than {TIMEOUT:g} s") from error
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-12:])
        raise AdversaryError(f"{path} failed with status {done.returncode}:\n{tail}")


def _environment(threads: int) -> dict[str, str]:
    keep = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KERNELS)}
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return keep | {name: str(threads) for name in pools}


if __name__ == "__main__":
    run_jobs(Path(sys.argv[1]))
