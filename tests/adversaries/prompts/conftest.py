"""Games about prompts, as the servers of several defences saw them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from latentleak.adversaries.contract import Adversary, Auxiliary, Guesses, play
from latentleak.adversaries.prompts.vocabulary import game_prompts, stated, token_f1
from latentleak.defenses.protocol import execute
from latentleak.defenses.views import Views
from latentleak.defenses.wire import Party
from latentleak.targets.pipeline import Target, load


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """Some games: what a coalition saw, what it may know, and the truth.

    Attributes:
        views: One execution a game.
        aux: Candidates and model.
        asked: The prompts.
        labels: Columns of the real candidates.
    """

    views: Views
    aux: Auxiliary
    asked: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    @property
    def swapped(self) -> Played:
        """The same with every game's view replaced by another's."""
        order = np.roll(np.arange(len(self.views)), 1)
        return dataclasses.replace(self, views=self.views.take(order))

    def first(self, games: int) -> Played:
        """The first games."""
        candidates = (self.aux.candidates or ())[:games]
        return dataclasses.replace(
            self,
            views=self.views.take(np.arange(games)),
            aux=dataclasses.replace(self.aux, candidates=candidates),
            asked=self.asked[:games],
            labels=self.labels[:games],
        )

    def attacked(self, adversary: Adversary) -> Guesses:
        return play(adversary, self.views, self.aux, np.random.default_rng(0))

    def named(self, adversary: Adversary) -> int:
        """Games in which the real candidate alone has the highest score."""
        scores = self.attacked(adversary).scores
        own = scores[np.arange(len(self.labels)), self.labels]
        return int(((scores >= own[:, None]).sum(axis=1) == 1).sum())

    def f1(self, texts: Sequence[str] | None) -> float:
        """Mean token F1 of recovered prompts."""
        assert texts is not None
        return float(np.mean([token_f1(*pair) for pair in zip(texts, self.asked, strict=True)]))

    def right(self, texts: Sequence[str] | None, *attributes: str) -> int:
        """How many attributes are right, over all games."""
        assert texts is not None
        pairs = [(stated(a), stated(b)) for a, b in zip(texts, self.asked, strict=True)]
        return sum(said[key] == true[key] for said, true in pairs for key in attributes)


Play = Callable[..., Played]


@pytest.fixture(scope="session")
def embedded() -> Target:
    """The trained model that ships with the package."""
    return load("embedded", device="cpu")


@pytest.fixture(scope="session")
def play_prompts(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Games of any defence: the same prompts for all, among 100 candidates.

    Executions are kept: `play_prompts(defense, target, games, members)` of the same defence are
    played once for all coalitions.
    """

    @cache
    def executed(defense: Any, target: Target, games: int) -> tuple[tuple[Any, ...], Any]:
        rng = np.random.default_rng(7)
        every = game_prompts()
        prompts = tuple(every[i] for i in rng.permutation(len(every))[:100])
        labels = rng.integers(100, size=games)
        runs = [
            execute(defense, target, prompts[real], game)[1] for game, real in enumerate(labels)
        ]
        return (prompts, labels), runs

    @cache
    def played(defense: Any, target: Target, games: int, members: tuple[Party, ...] = ()) -> Played:
        (prompts, labels), runs = executed(defense, target, games)
        coalition = frozenset(members or defense.servers)
        path: Path = tmp_path_factory.mktemp("prompts") / "views"
        return Played(
            views=Views.of(([run.view(coalition)] for run in runs), path),
            aux=Auxiliary(
                candidates=(prompts,) * games,
                weights={**target.to_dict(), "open": dataclasses.asdict(target)},
            ),
            asked=tuple(prompts[real] for real in labels),
            labels=labels,
        )

    return played
