"""The rows that a client asked for, matched with the candidates that are to be told apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..defenses.codec import decode_texts
from ..defenses.views import Views

_WORD = re.compile(r"[A-Za-z]+|[^A-Za-z\s]")
GENERATE = "generate"
ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True)
class Rows:
    """One request: its prompts, its named row, and where each candidate stands.

    Attributes:
        prompts: The rows as sent.
        named: A row that the client pointed at, or None.
        places: Row of each candidate, -1 where it was not sent.
    """

    prompts: list[str]
    named: int | None
    places: npt.NDArray[np.int64]


def rows_of(views: Views, game: int, candidates: Sequence[str], session: int = 0) -> Rows:
    """Read the first request of one execution."""
    prompts = first_request(views, game, session)
    return Rows(prompts, _named(views, game, session), align(prompts, candidates))


def first_request(views: Views, game: int, session: int = 0) -> list[str]:
    """The prompts of the first request, in the order in which they were sent."""
    for block in views.arrays(game, GENERATE, session, sender="client"):
        if "prompts" in block:
            return decode_texts(block["prompts"])
    return []


def align(prompts: Sequence[str], candidates: Sequence[str]) -> npt.NDArray[np.int64]:
    """Row of each candidate: the same text, else the row that differs from it least.

    A row is near a candidate if it differs in fewer words than half of them; a prompt whose
    pronouns were left behind still finds its candidate. Ties go to the row that stands where
    the candidate stands.
    """
    exact = {text: row for row, text in enumerate(prompts)}
    if all(text in exact for text in candidates) or len(prompts) < len(candidates):
        return np.array([exact.get(text, -1) for text in candidates], dtype=np.int64)
    words = [_WORD.findall(text.lower()) for text in prompts]
    places = []
    for column, text in enumerate(candidates):
        mine = _WORD.findall(text.lower())
        same = [
            sum(a == b for a, b in zip(mine, other, strict=False)) - abs(len(mine) - len(other))
            for other in words
        ]
        best = max(same)
        near = [row for row, count in enumerate(same) if count == best]
        row = column if column in near else near[0]
        places.append(row if 2 * best > len(mine) else -1)
    return np.array(places, dtype=np.int64)


def _named(views: Views, game: int, session: int) -> int | None:
    for kind in ("fetch", GENERATE):
        for block in views.arrays(game, kind, session, sender="client"):
            for name in ("row", "pivot"):
                if name in block and block[name].size == 1:
                    return int(block[name].reshape(-1)[0])
    return None
