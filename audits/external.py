"""Audits of numbers that came from elsewhere: no model of ours, no torch."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..defenses.seeds import stream
from .config import UsageError
from .statistics import advantage, guesses
from .verdict import Verdict


def oblivious(
    *,
    scores: Path | None,
    wins: int | None,
    games: int | None,
    candidates: int | None,
    slack: float,
    alpha: float,
    seed: int,
) -> tuple[Verdict, dict[str, Any]]:
    """Test "success at most 1/N + slack" on one set of guesses.

    Args:
        scores: CSV without header: column of the real candidate, then one score a candidate;
            rows may differ in length.
        wins: Games won, instead of `scores`.
        games: Games played, with `wins`.
        candidates: N, with `wins`.
        slack: Tolerated advantage.
        alpha: Level.
        seed: Of the draws that break ties.

    Returns:
        REFUTED or INCONCLUSIVE (nothing is known of controls), and every number of the test.

    Raises:
        UsageError: If neither form is complete, or the file does not fit.
    """
    try:
        if scores is not None:
            won, counts = _read(scores, seed)
        elif wins is not None and games is not None and candidates is not None:
            won, counts = wins, np.full(games, candidates)
        else:
            raise UsageError("give --scores FILE, or all of --wins, --games and --candidates")
        test = advantage(won, len(counts), candidates=counts, alpha=alpha, slack=slack)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return (Verdict.REFUTED if test.refutes else Verdict.INCONCLUSIVE), asdict(test)


def _read(path: Path, seed: int) -> tuple[int, np.ndarray[Any, np.dtype[np.int64]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[float(cell) for cell in row] for row in csv.reader(file) if row]
    except (OSError, ValueError) as error:
        raise UsageError(f"--scores {path.name} cannot be read as numbers: {error}") from error
    if not rows or min(map(len, rows)) < 3:
        raise UsageError(f"--scores {path.name} must hold a truth and two scores or more a row")
    counts = np.array([len(row) - 1 for row in rows], dtype=np.int64)
    table = np.full((len(rows), counts.max()), np.nan)
    for game, row in enumerate(rows):
        table[game, : counts[game]] = row[1:]
    truth = np.array([row[0] for row in rows])
    picks = guesses(table, rng=stream(seed, "ties"), candidates=counts)
    return int((picks == truth).sum()), counts
