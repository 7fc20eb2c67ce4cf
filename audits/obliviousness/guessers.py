"""Guess the real candidate of each session from requests alone; learners only from earlier ones.

Every guesser plays one game a session. Games are dealt into blocks; what is learned for a block
comes from the blocks before it. So, given the past, each guess is right with the probability that
the claim bounds, and a binomial count of all guesses is exact. In folds of cross-validation each
game would be learned from too, which ties the counts together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..statistics import nearest_neighbors
from .requests import Floats, Requests

BLOCKS = 10
BINS = 8
KNOWN = 4000
"""Most views that the nearest neighbors are looked up among, and most that are looked up."""

LEARN_FROM = 20
"""Fewest sessions from which anything is learned."""

_WORD = re.compile(r"\w+(?:-\w+)*")

Ints = npt.NDArray[np.int64]
Scores = Callable[[int], Floats]
"""Scores of one game's candidates."""


@dataclass(frozen=True, kw_only=True)
class Games:
    """One game a session: its first request, dealt into blocks.

    Attributes:
        requests: Of the file.
        first: Request of each game.
        blocks: Games of each block, the first of which is only learned from.
    """

    requests: Requests
    first: Ints
    blocks: tuple[Ints, ...]

    @classmethod
    def deal(cls, requests: Requests, rng: np.random.Generator) -> Games:
        """Shuffle the sessions into blocks."""
        first = requests.first
        return cls(
            requests=requests,
            first=first,
            blocks=tuple(np.array_split(rng.permutation(len(first)), BLOCKS)),
        )

    @property
    def played(self) -> Ints:
        """Games that are scored: all blocks but the first."""
        return np.concatenate(self.blocks[1:])

    def texts(self, game: int) -> tuple[str, ...]:
        """The candidates of a game."""
        return self.requests.candidates[self.first[game]]

    def chosen(self, game: int) -> int:
        """Place of the real one."""
        return int(self.requests.chosen[self.first[game]])


def at_row(games: Games, row: int) -> dict[int, Floats]:
    """Always the same row, from 0, or from the end where negative."""
    return {
        int(g): (np.arange(n := len(games.texts(g))) == row % n).astype(np.float64)
        for g in games.played
    }


def by_place(games: Games) -> dict[int, Floats]:
    """The places at which real ones stood more often than chance, from the front and the back."""

    def keys(game: int) -> list[list[tuple[str, int]]]:
        n = len(games.texts(game))
        return [[("front", row), ("back", n - 1 - row)] for row in range(n)]

    return _by_frequency(games, keys)


def by_words(games: Games) -> dict[int, Floats]:
    """The words that real ones held more often than chance: the prior, learned from the choices.

    Only words that tell the candidates of a request apart count. What this wins is no fault of
    the protocol: it looks at nothing but the candidates.
    """
    split: dict[str, frozenset[str]] = {}

    def keys(game: int) -> list[list[tuple[str, int]]]:
        words = []
        for text in games.texts(game):
            if text not in split:
                split[text] = frozenset(_WORD.findall(text.lower()))
            words.append(split[text])
        common = frozenset.intersection(*words)
        return [[(word, 0) for word in sorted(mine - common)] for mine in words]

    return _by_frequency(games, keys)


def _by_frequency(
    games: Games, keys: Callable[[int], list[list[tuple[str, int]]]]
) -> dict[int, Floats]:
    """Sums of log(times real / times expected by chance), with one pseudo-count each."""
    real: defaultdict[tuple[str, int], float] = defaultdict(float)
    offered: defaultdict[tuple[str, int], float] = defaultdict(float)
    scores: dict[int, Floats] = {}
    for number, block in enumerate(games.blocks):
        found = [(int(game), keys(int(game))) for game in block]
        odds = {key: np.log((real[key] + 1) / (offered[key] + 1)) for key in offered}
        for game, rows in found if number else ():
            told = [sum(odds.get(key, 0.0) for key in row) for row in rows]
            scores[game] = np.asarray(np.round(told, 9), dtype=np.float64)
        for game, rows in found:
            chosen, share = games.chosen(game), 1 / len(rows)
            for place, row in enumerate(rows):
                for key in row:
                    real[key] += place == chosen
                    offered[key] += share
    return scores


def by_intersection(games: Games) -> dict[int, Floats]:
    """In how many of the session's requests a candidate is; only sessions of several requests.

    A later request that has nothing in common with the first says nothing here.
    """
    later: defaultdict[int, list[int]] = defaultdict(list)
    for request, session in enumerate(games.requests.session.tolist()):
        later[session].append(request)
    scores: dict[int, Floats] = {}
    for game in games.played.tolist():
        mine, scored = later[game], np.zeros(len(games.texts(game)))
        for request in mine[1:]:
            sent = frozenset(games.requests.candidates[request])
            scored += [text in sent for text in games.texts(game)]
        if len(mine) > 1:
            scores[game] = scored
    return scores


def by_features(games: Games) -> dict[int, Floats]:
    """Ridge regression of "is real" on the features and their bins."""
    features = games.requests.features
    assert features is not None
    if features[0].ndim == 2:
        return _ridge(games, _of_rows(games, features), columns=1)
    most = int(games.requests.counts.max())
    return _ridge(games, _of_requests(games, features), columns=most)


def by_neighbors(games: Games) -> dict[int, Floats]:
    """The place of most of the nearest requests in the features (F-BLEAU's rule, k = ln n)."""
    features = games.requests.features
    assert features is not None
    half = len(games.blocks) // 2
    known = np.concatenate(games.blocks[:half])[:KNOWN]
    fresh = np.concatenate(games.blocks[half:])[:KNOWN]
    table = np.stack([features[games.first[g]] for g in np.concatenate([known, fresh])])
    spread = table.std(axis=0)
    table = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    labels = [games.chosen(int(game)) for game in known]
    guesses = nearest_neighbors(table[: len(known)], labels, table[len(known) :])
    return {
        int(game): (np.arange(len(games.texts(int(game)))) == guess).astype(np.float64)
        for game, guess in zip(fresh, guesses, strict=True)
    }


def _of_requests(games: Games, features: Sequence[Floats]) -> Scores:
    expand = _binned(np.stack([features[request] for request in games.first]))
    return lambda game: expand(features[games.first[game]][None])


def _of_rows(games: Games, features: Sequence[Floats]) -> Scores:
    """Each candidate's features, as they are and against its siblings."""

    def table(game: int) -> Floats:
        own = features[games.first[game]]
        spread = own.std(axis=0)
        among = (own - own.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        return np.concatenate([own, among], axis=1)

    expand = _binned(np.concatenate([table(int(game)) for game in games.blocks[0]]))
    return lambda game: expand(table(game))


def _binned(known: Floats) -> Callable[[Floats], Floats]:
    """Standardized columns, and membership in each bin of equal counts."""
    center, spread = known.mean(axis=0), known.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    edges = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], axis=0)

    def expand(table: Floats) -> Floats:
        bins = (table[:, :, None] > edges.T[None]).sum(axis=2)
        member = (bins[:, :, None] == np.arange(BINS)).reshape(len(table), -1)
        one = np.ones((len(table), 1))
        return np.concatenate([one, (table - center) / spread, member], axis=1)

    return expand


def _ridge(games: Games, expand: Scores, *, columns: int) -> dict[int, Floats]:
    """Scores from least squares with a small penalty, sums carried from block to block."""
    width = expand(int(games.blocks[0][0])).shape[1]
    gram, moment = np.eye(width), np.zeros((width, columns))
    scores: dict[int, Floats] = {}
    for number, block in enumerate(games.blocks):
        tables = [(int(game), expand(int(game))) for game in block]
        weights = np.linalg.solve(gram, moment)
        for game, table in tables if number else ():
            told = (table @ weights).reshape(-1)[: len(games.texts(game))]
            scores[game] = np.asarray(np.round(told, 9), dtype=np.float64)
        for x, y in _pairs(games, tables, columns):
            gram += x.T @ x
            moment += x.T @ y
    return scores


def _pairs(
    games: Games, tables: Sequence[tuple[int, Floats]], columns: int
) -> Iterator[tuple[Floats, Floats]]:
    """What is regressed on what, a few hundred games at a time."""
    for start in range(0, len(tables), 512):
        part = tables[start : start + 512]
        targets = []
        for game, _ in part:
            n = len(games.texts(game))
            real = np.zeros(n if columns == 1 else columns)
            real[:n] = -1 / n
            real[games.chosen(game)] += 1
            targets.append(real[:, None] if columns == 1 else real[None])
        yield np.concatenate([table for _, table in part]), np.concatenate(targets)
