"""What is measured beside the verdict: bits, best prior guesses, survivors, what is not covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...scenarios.contract import Trials
from ..statistics import (
    clopper_pearson,
    clopper_pearson_lower,
    cover_hart_bound,
    detectable_rate,
    held_out_leakage,
    intersection_decoys,
)
from ..verdict import Row
from .rows import METRIC, ties, wins_of

NEIGHBOR = "nearest neighbor"
TRIES = 2
"""Guesses a game of the gain function "right within two tries"."""


def measures(
    arms: Sequence[Trials],
    outside: Sequence[Trials],
    rows: Sequence[Row],
    *,
    alpha: float,
    seed: int,
) -> tuple[dict[str, Any], ...]:
    """Everything of a finding that is no part of its verdict.

    Args:
        arms: What the claim covers.
        outside: What it does not.
        rows: The rows of `arms`.
        alpha: The claim's level, shared by the adversaries of an arm.
        seed: Of the draws that break ties.
    """
    found: list[dict[str, Any]] = []
    for arm in arms:
        mine = [row for row in rows if row.arm == arm.arm and row.metric == METRIC]
        found.append(min_entropy(arm, mine, alpha))
        found += two_tries(arm, alpha=alpha, seed=seed)
        if arm.facts.get("prior", "uniform") != "uniform":
            found.append(beyond_prior(arm, mine, alpha))
        found += neighbor_bound(arm, mine)
        found += survivors(arm)
    for arm in outside:
        found += not_covered(arm, alpha=alpha, seed=seed)
    return tuple(found)


def min_entropy(arm: Trials, rows: Sequence[Row], alpha: float) -> dict[str, Any]:
    """Bits that the best attack of an arm extracts, over the best guess without a view."""
    level, prior = alpha / len(rows), best_guess(arm)
    leaks = {
        r.adversary: held_out_leakage(r.wins or 0, r.n, prior=prior, alpha=level) for r in rows
    }
    name = max(leaks, key=lambda key: leaks[key].lower + 1e-9 * leaks[key].success)
    leak = leaks[name]
    return {
        "name": "min-entropy leakage",
        "unit": "bit",
        "arm": arm.arm,
        "adversary": name,
        "estimate": leak.bits,
        "interval": [leak.lower, leak.upper],
        "ceiling": leak.ceiling,
        "n": leak.n,
    }


def two_tries(arm: Trials, *, alpha: float, seed: int) -> Iterator[dict[str, Any]]:
    """g-leakage of "right within two tries", under the uniform prior, where N is above two."""
    played = np.flatnonzero(arm.counts > TRIES)
    if arm.facts.get("prior", "uniform") != "uniform" or not played.size:
        return
    chance = float((TRIES / arm.counts[played]).mean())
    level = alpha / len(arm.scores)
    leaks = {}
    for name in arm.scores:
        right = _among_best(arm, name, seed)[played]
        leaks[name] = held_out_leakage(int(right.sum()), played.size, prior=chance, alpha=level)
    name = max(leaks, key=lambda key: leaks[key].lower + 1e-9 * leaks[key].success)
    leak = leaks[name]
    yield {
        "name": "g-leakage, two tries",
        "unit": "bit",
        "arm": arm.arm,
        "adversary": name,
        "estimate": leak.bits,
        "interval": [leak.lower, leak.upper],
        "ceiling": leak.ceiling,
        "n": leak.n,
    }


def _among_best(arm: Trials, name: str, seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether the real candidate is among the best `TRIES`, ties broken at random."""
    scores = np.nan_to_num(arm.scores[name], nan=-np.inf, neginf=-np.inf)
    noise = ties(seed, arm, name, "tries").random(scores.shape)
    games = np.arange(len(arm.truth))
    real, coin = scores[games, arm.truth][:, None], noise[games, arm.truth][:, None]
    above = (scores > real) | ((scores == real) & (noise > coin) & np.isfinite(scores))
    return np.asarray((above.sum(axis=1) < TRIES) & np.isfinite(real[:, 0]))


def beyond_prior(arm: Trials, rows: Sequence[Row], alpha: float) -> dict[str, Any]:
    """What the best attack gains over the best guess that sees nothing."""
    level, prior = alpha / len(rows), best_guess(arm)
    row = max(rows, key=lambda r: r.wins or 0)
    low, high = clopper_pearson(row.wins or 0, row.n, alpha=level)
    return {
        "name": "advantage over the best prior guess",
        "arm": arm.arm,
        "adversary": row.adversary,
        "estimate": (row.wins or 0) / row.n - prior,
        "interval": [low - prior, high - prior],
        "detectable": detectable_rate(row.n, p=prior, alpha=level) - prior,
        "ceiling": clopper_pearson_lower(row.n, row.n, alpha=level) - prior,
        "n": row.n,
        "best prior guess": prior,
        "one in N": row.chance,
    }


def neighbor_bound(arm: Trials, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Asymptotic lower bound on the error of any attack, from that of the nearest neighbor."""
    row = next((r for r in rows if r.adversary == NEIGHBOR), None)
    sizes = set(arm.counts.tolist())
    if row is None or len(sizes) != 1 or arm.facts.get("prior", "uniform") != "uniform":
        return
    error = 1 - (row.wins or 0) / row.n
    yield {
        "name": "least error of any attack (Cover and Hart, asymptotic)",
        "arm": arm.arm,
        "adversary": row.adversary,
        "estimate": cover_hart_bound(error, secrets=int(sizes.pop())),
        "n": row.n,
    }


def survivors(arm: Trials) -> Iterator[dict[str, Any]]:
    """Wrong candidates left after s sessions, beside the closed form for sets drawn afresh."""
    curve = arm.facts.get("survival")
    if not curve:
        return
    games = sum(count for _, _, count in curve["sets"])
    for number, decoys in enumerate(curve["decoys"]):
        expected = [
            count * intersection_decoys(n, size=min(m, n), sessions=number + 1)
            for n, m, count in curve["sets"]
        ]
        yield {
            "name": f"decoys left after {number + 1} sessions",
            "arm": arm.arm,
            "estimate": decoys,
            "closed form": sum(expected) / games,
            "n": games,
        }


def not_covered(arm: Trials, *, alpha: float, seed: int) -> Iterator[dict[str, Any]]:
    """How often each attack succeeds at what the claim leaves out."""
    level, chance = alpha / max(len(arm.scores), 1), float((1 / arm.counts).mean())
    for name, scores in arm.scores.items():
        n, won = len(arm.truth), int(wins_of(arm, scores, ties(seed, arm, name, "ties")).sum())
        low, high = clopper_pearson(won, n, alpha=level)
        yield {
            "name": "success outside the claim",
            "arm": arm.arm,
            "adversary": name,
            "estimate": won / n,
            "interval": [low, high],
            "ceiling": clopper_pearson_lower(n, n, alpha=level),
            "n": n,
            "one in N": chance,
            "reason": str(arm.facts["outside"]),
        }


def best_guess(arm: Trials) -> float:
    """Mean success of the best guess without a view."""
    return float(arm.facts.get("best_guess", (1 / arm.counts).mean()))
