"""Games of PPIDM, seen by coalitions of every size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from latentleak.adversaries.contract import Adversary, Auxiliary, Guesses
from latentleak.adversaries.he_views import public_pictures
from latentleak.adversaries.share_model import ShareModel, kinds
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.protocol import execute
from latentleak.defenses.views import Views
from latentleak.defenses.wire import Party
from latentleak.targets.emoji import Emoji
from latentleak.targets.pipeline import Target, load

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """Some games: what one coalition saw, what it may know, and the truth.

    Attributes:
        views: One execution a game, or two.
        aux: Candidates and model.
        latents: The client's finished latents, shape (games, ...).
        labels: Column of the real candidate.
    """

    views: Views
    aux: Auxiliary
    latents: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]

    @property
    def model(self) -> ShareModel:
        return ShareModel.open(self.aux, self.views)

    @property
    def swapped(self) -> Played:
        """The same with every game's view replaced by another's."""
        order = np.roll(np.arange(len(self.views)), 1)
        return dataclasses.replace(self, views=self.views.take(order))

    def attacked(self, adversary: Adversary) -> Guesses:
        return adversary.attack(self.views, self.aux, np.random.default_rng(0))

    def leakage(self, adversary: Adversary) -> float:
        """1 - MSE / MSE of the prior picture, in pixels."""
        guessed, true = self.pictures(adversary), self.model.pictures(self.latents)
        prior = self.model.nothing(len(true)).astype(np.float64)
        error = np.square(guessed - true.astype(np.float64)).mean()
        return float(1 - error / np.square(prior - true).mean())

    def farthest(self, adversary: Adversary) -> npt.NDArray[np.float64]:
        """Largest error of a pixel in each game, from 0 to 255."""
        error = self.pictures(adversary) - self.model.pictures(self.latents).astype(np.float64)
        return np.asarray(np.abs(error).max(axis=(1, 2, 3)))

    def retrieved(self, adversary: Adversary) -> float:
        """Share of games in which the client's picture is nearest, among it and 99 others."""
        guessed, true = self.pictures(adversary), self.model.pictures(self.latents)
        others = public_pictures(self.model.target)[:99]
        nearest = [
            np.square(np.concatenate([own[None], others]) - guess).mean(axis=(1, 2, 3)).argmin()
            for own, guess in zip(true.astype(np.float64), guessed, strict=True)
        ]
        return float(np.mean(np.array(nearest) == 0))

    def named(self, adversary: Adversary) -> float:
        """Share of games in which the prompt has the highest score, and no other has it."""
        scores = self.attacked(adversary).scores
        best = scores[np.arange(len(scores)), self.labels]
        return float(np.mean((scores >= best[:, None]).sum(axis=1) == 1))

    def pictures(self, adversary: Adversary) -> npt.NDArray[np.float64]:
        images = self.attacked(adversary).images
        assert images is not None
        return images.astype(np.float64)


Play = Callable[..., Played]


@pytest.fixture(scope="session")
def embedded() -> Target:
    """The trained model that ships with the package."""
    return load("embedded", device="cpu")


@pytest.fixture(scope="session")
def play_shares(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Plays games of one configuration; a coalition is the last servers, or those named."""

    @cache
    def executed(config: Ppidm, target: Target, games: int, sessions: int) -> tuple[object, ...]:
        rng = np.random.default_rng(0)
        texts = sorted({str(prompt) for prompt in Emoji.open().prompts(300, rng)})
        chosen = tuple(texts[i] for i in rng.permutation(len(texts))[:100])
        labels, tap = rng.permutation(100)[:games], kinds(target, config.preset)
        runs = [
            [
                execute(config, target, chosen[label], 100 * session + game, tap=tap)
                for session in range(sessions)
            ]
            for game, label in enumerate(labels)
        ]
        return chosen, labels, runs

    def play(
        config: Ppidm,
        target: Target,
        games: int,
        servers: tuple[int, ...],
        sessions: int = 1,
    ) -> Played:
        chosen, labels, runs = executed(config, target, games, sessions)
        members = frozenset(Party(f"server/{i}") for i in servers)
        path: Path = tmp_path_factory.mktemp("shares") / "views"
        views = [[transcript.view(members) for _, transcript in game] for game in runs]
        return Played(
            views=Views.of(views, path),
            aux=Auxiliary(
                candidates=(chosen,) * games, weights={"open": dataclasses.asdict(target)}
            ),
            latents=np.stack([game[0][0].latents[0].double().numpy() for game in runs]),
            labels=labels,
        )

    return play
