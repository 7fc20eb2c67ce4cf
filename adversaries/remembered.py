"""What an adversary guessed before a run was cut off, so that it need not guess again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..defenses.spec import Spec
from .contract import Adversary, Guesses

if TYPE_CHECKING:
    from .sealed import Job


def save_guesses(
    folder: Path, adversary: Adversary, jobs: Sequence[Job], said: Mapping[str, Guesses]
) -> None:
    """Write what one adversary said in all of its jobs; complete or not at all.

    Args:
        folder: Of this adversary in this run.
        adversary: Who guessed.
        jobs: What it was given.
        said: By the job's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"of": np.array(_digest(adversary, jobs))}
    for number, job in enumerate(jobs):
        arrays[f"scores/{number}"] = said[job.name].scores
        if (images := said[job.name].images) is not None:
            arrays[f"images/{number}"] = images
        if (texts := said[job.name].texts) is not None:
            arrays[f"texts/{number}"] = np.array(texts, dtype=np.str_)
    partial = folder / "guesses.partial"
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(partial, folder / "guesses.npz")


def load_guesses(
    folder: Path, adversary: Adversary, jobs: Sequence[Job]
) -> dict[str, Guesses] | None:
    """What `save_guesses` wrote for the same adversary and jobs, else None."""
    path = folder / "guesses.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    if str(arrays["of"]) != _digest(adversary, jobs):
        return None
    return {
        job.name: Guesses(
            scores=arrays[f"scores/{number}"],
            images=arrays.get(f"images/{number}"),
            texts=_texts(arrays.get(f"texts/{number}")),
        )
        for number, job in enumerate(jobs)
    }


def _texts(stored: Any) -> tuple[str, ...] | None:
    return None if stored is None else tuple(str(text) for text in stored)


def _digest(adversary: Adversary, jobs: Sequence[Job]) -> str:
    """Of the adversary's configuration and its jobs; their views follow from the run's seed."""
    given = [
        (job.name, job.seed, len(job.views), None if job.swap is None else job.swap.tolist())
        for job in jobs
    ]
    text = json.dumps([Spec.of(adversary).to_dict(), given], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
