"""Jobs of an adversary as files: handed over, played, and collected one by one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import threadpoolctl

from ..defenses.seeds import stream
from ..defenses.spec import Spec
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, play

SWAPPED = "/swapped"
"""Ends the name of a job that is the control of another one."""

SCORES, IMAGES, TEXTS = "scores.npy", "images.npy", "texts.json"
"""Files of a job that was played."""


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


Keep = Callable[[Job, Guesses], None]
"""Called with each job once it was played."""


def store(job: Job, folder: Path, stored: dict[int, Views]) -> None:
    """Write a job; views that the same adversary was already given are there a second time.

    Args:
        job: What is written.
        folder: To be made.
        stored: Adds the file of the job's views, by their `id`; one dictionary an adversary.
    """
    folder.mkdir()
    path = folder / "views"
    stored.get(id(job.views), job.views).save(path)
    if id(job.views) not in stored:
        stored[id(job.views)] = Views.load(path)
    job.auxiliary.save(folder)
    swap = None if job.swap is None else [int(i) for i in job.swap]
    (folder / "task.json").write_text(json.dumps({"seed": job.seed, "swap": swap}))


def run_jobs(folder: str | Path) -> None:
    """Play the jobs stored in a folder: what both the sealed and the open way call."""
    root = Path(folder)
    work = json.loads((root / "work.json").read_text())
    adversary = Spec(path=work["path"], fields=work["fields"]).build()
    with threadpoolctl.threadpool_limits(limits=int(work["threads"])):
        for number in range(int(work["jobs"])):
            own = root / str(number)
            task = json.loads((own / "task.json").read_text())
            views = Views.load(own / "views")
            if task["swap"] is not None:
                views = views.take(task["swap"])
            aux = Auxiliary.load(own)
            guesses = play(adversary, views, aux, stream(int(task["seed"]), "adversary"))
            if guesses.images is not None:
                np.save(own / IMAGES, guesses.images, allow_pickle=False)
            if guesses.texts is not None:
                (own / TEXTS).write_text(json.dumps(guesses.texts))
            partial = own / f"partial-{SCORES}"  # the last to appear, and at once: see `Watch`
            np.save(partial, guesses.scores.astype(np.float64), allow_pickle=False)
            partial.rename(own / SCORES)


def _said(folder: Path) -> Guesses:
    images, texts = folder / IMAGES, folder / TEXTS
    return Guesses(
        scores=np.load(folder / SCORES, allow_pickle=False),
        images=np.load(images, allow_pickle=False) if images.exists() else None,
        texts=tuple(json.loads(texts.read_text())) if texts.exists() else None,
    )


@dataclass(kw_only=True)
class Watch:
    """Looks at what a process has finished.

    Attributes:
        root: Where it works.
        jobs: What it plays, in this order.
        keep: Told of each job that was played.
        played: How many were.
        since: When the last was found [s].
    """

    root: Path
    jobs: Sequence[Job]
    keep: Keep
    played: int = 0
    since: float = field(default_factory=time.monotonic)

    def gather(self) -> None:
        """Keep what was played since the last look."""
        while self.played < len(self.jobs):
            own = self.root / str(self.played)
            if not (own / SCORES).exists():
                return
            self.keep(self.jobs[self.played], _said(own))
            self.played, self.since = self.played + 1, time.monotonic()

    def in_time(self, longest: float) -> bool:
        """Look; whether the job that is being played may go on, so many seconds being enough."""
        self.gather()
        return time.monotonic() - self.since < longest


if __name__ == "__main__":
    run_jobs(sys.argv[1])
