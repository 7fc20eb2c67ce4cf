"""Games of HE-Diffusion for the attacks on it."""

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
from latentleak.adversaries.he_views import Model
from latentleak.defenses.he_diffusion.protocol import SERVER, HeDiffusion
from latentleak.defenses.protocol import execute
from latentleak.defenses.views import Views
from latentleak.targets.emoji import Emoji
from latentleak.targets.pipeline import Target, load


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """Some games: what the server saw, what it may know, and the truth.

    Attributes:
        views: One execution a game.
        aux: Candidates and model.
        latents: The client's finished latents, first image, shape (games, ...).
        labels: Column of the real candidate.
    """

    views: Views
    aux: Auxiliary
    latents: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]

    @property
    def model(self) -> Model:
        return Model.open(self.aux, self.views)

    @property
    def swapped(self) -> Played:
        """The same with every game's view replaced by another's."""
        order = np.roll(np.arange(len(self.views)), 1)
        return dataclasses.replace(self, views=self.views.take(order))

    def attacked(self, adversary: Adversary) -> Guesses:
        return adversary.attack(self.views, self.aux, np.random.default_rng(0))

    def leakage(self, adversary: Adversary) -> float:
        """1 - MSE / MSE of the prior picture, in pixels."""
        return self.leakage_of(self.attacked(adversary).images)

    def leakage_of(self, images: npt.NDArray[np.uint8] | None) -> float:
        """The same of pictures."""
        assert images is not None
        true = self.model.pictures(self.latents).astype(np.float64)
        prior = self.model.prior(len(true))
        return float(1 - np.square(images - true).mean() / np.square(prior - true).mean())

    def finds_nothing(self, adversary: Adversary) -> bool:
        """Whether the answer is the prior picture in every game."""
        images = self.attacked(adversary).images
        return images is not None and np.array_equal(images, self.model.prior(len(images)))


Play = Callable[..., Played]


@pytest.fixture(scope="session")
def embedded() -> Target:
    """The trained model that ships with the package."""
    return load("embedded", device="cpu")


@pytest.fixture(scope="session")
def play_he(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Plays games of one configuration; no two have a candidate in common."""

    @cache
    def play(config: HeDiffusion, target: Target, games: int, candidates: int = 4) -> Played:
        rng = np.random.default_rng(0)
        texts = sorted({str(prompt) for prompt in Emoji.open().prompts(400, rng)})
        order = rng.permutation(len(texts))[: games * candidates].reshape(games, candidates)
        chosen = [tuple(texts[i] for i in row) for row in order]
        labels = rng.integers(candidates, size=games)
        views, latents = [], []
        for game in range(games):
            output, transcript = execute(config, target, chosen[game][labels[game]], game)
            views.append([transcript.view(frozenset({SERVER}))])
            latents.append(output.latents[0].double().numpy())
            transcript.close()
        path: Path = tmp_path_factory.mktemp("he") / "views"
        return Played(
            views=Views.of(views, path),
            aux=Auxiliary(candidates=tuple(chosen), weights={"open": dataclasses.asdict(target)}),
            latents=np.stack(latents),
            labels=labels,
        )

    return play
