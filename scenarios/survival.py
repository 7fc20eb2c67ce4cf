"""How many wrong candidates survive the intersection of a user's sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..adversaries.intersection import agreeing
from ..adversaries.rows import first_request
from ..defenses.views import Views


def survival(views: Views, candidates: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The measured survival curve, and what its closed form needs.

    Wrong candidates are all that survive, less the real one, which always does where a client
    sends it; where it does not, the count of survivors is what it is.

    Args:
        views: Several sessions a game, all of one user.
        candidates: Of each game.

    Returns:
        `decoys`: mean wrong candidates left after 1, 2, ... sessions; `sets`: triples of
        candidates N, rows of the first request, and games.
    """
    sessions = min((views.sessions(game) for game in range(len(views))), default=0)
    left = np.zeros((len(views), sessions))
    sizes: Counter[tuple[int, int]] = Counter()
    for game, texts in enumerate(candidates):
        alive = np.ones(len(texts), dtype=bool)
        for session in range(sessions):
            alive &= agreeing(first_request(views, game, session), texts)
            left[game, session] = max(0, int(alive.sum()) - 1)
        sizes[len(texts), len(first_request(views, game))] += 1
    return {
        "decoys": [float(mean) for mean in left.mean(axis=0)],
        "sets": [[n, m, games] for (n, m), games in sorted(sizes.items())],
    }
