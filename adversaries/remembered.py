"""What an adversary guessed before a run was cut off, so that it need not guess again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..defenses.spec import Spec
from .contract import Adversary, Guesses
from .jobs import Job


def save_guesses(folder: Path, adversary: Adversary, job: Job, said: Guesses) -> None:
    """Write what one adversary said in one job; complete or not at all.

    Args:
        folder: Of this adversary in this run.
        adversary: Who guessed.
        job: What it was given.
        said: What it said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"scores": said.scores}
    if said.images is not None:
        arrays["images"] = said.images
    if said.texts is not None:
        arrays["texts"] = np.array(said.texts, dtype=np.str_)
    path = _path(folder, adversary, job)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(partial, path)


def load_guesses(folder: Path, adversary: Adversary, jobs: Sequence[Job]) -> dict[str, Guesses]:
    """What `save_guesses` wrote for the same adversary and jobs, by the job's name."""
    found = {}
    for job in jobs:
        path = _path(folder, adversary, job)
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                found[job.name] = Guesses(
                    scores=stored["scores"],
                    images=stored.get("images"),
                    texts=_texts(stored.get("texts")),
                )
    return found


def _texts(stored: Any) -> tuple[str, ...] | None:
    return None if stored is None else tuple(str(text) for text in stored)


def _path(folder: Path, adversary: Adversary, job: Job) -> Path:
    """By the adversary's configuration and its job; the views follow from the run's seed."""
    swap = None if job.swap is None else job.swap.tolist()
    given = [Spec.of(adversary).to_dict(), job.name, job.seed, len(job.views), swap]
    text = json.dumps(given, sort_keys=True, default=str)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"
