"""Attacks that learn on shadow models, as the referee of a scenario calls them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary, Shadow, Trainable, play
from latentleak.adversaries.membership.baseline import NoModel
from latentleak.adversaries.membership.challenge import Granted, models_of, shadow_rows
from latentleak.adversaries.membership.clid import WEIGHTS, CLiD
from latentleak.adversaries.membership.learned import (
    FromShadow,
    LearnedError,
    LearnedGradients,
    LearnedLosses,
)
from latentleak.adversaries.membership.reference import RMIA, TIMES, AgainstReferences, LiRA
from latentleak.defenses.codec import encode_texts
from latentleak.defenses.views import Views
from latentleak.scenarios.releases import release_views
from latentleak.targets.pipeline import Target

MODELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, -1, -1])
LABELS = np.array([1, 0, 1, 0, 0, 1, 0, 1, 0, 0])


def written(path: Path, seed: int, models: np.ndarray) -> Views:
    """Normal latents, each with a caption of its own."""
    captions = np.empty(len(models), dtype=object)
    for row in range(len(models)):
        captions[row] = encode_texts([f"person {row} with red hair"]).numpy()
    latents = np.random.default_rng(seed).standard_normal((len(models), 4, 4, 4))
    columns = {"latent": latents.astype(np.float32), "caption": captions, "model": models[:, None]}
    return release_views(columns, kind="sample", public={}, path=path)


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Views:
    return written(tmp_path_factory.mktemp("games") / "views", 0, np.full(6, -1))


@pytest.fixture(scope="module")
def aux(tmp_path_factory: pytest.TempPathFactory, tiny: Target) -> Auxiliary:
    """The model, and twice itself as shadow model."""
    views = written(tmp_path_factory.mktemp("shadow") / "views", 1, MODELS)
    own = dataclasses.asdict(tiny)
    return Auxiliary(
        weights={"open": own, "shadows": [own, own]},
        shadow=Shadow(views=views, candidates=((),) * len(MODELS), labels=LABELS),
    )


@pytest.mark.parametrize(
    "adversary",
    [LearnedLosses(), LearnedError(), LearnedGradients(times=(100,)), CLiD(times=(100,)),
     CLiD(times=(100,), thirds=("first",)), LiRA(), RMIA(), NoModel()],
    ids=lambda a: type(a).__name__,
)  # fmt: skip
def test_an_attack_that_learns_scores_every_game(
    adversary: FromShadow | CLiD | AgainstReferences | NoModel, games: Views, aux: Auxiliary
) -> None:
    assert isinstance(adversary, Trainable)
    found = play(adversary, games, aux, np.random.default_rng(0)).scores
    assert found.shape == (6, 1)
    assert np.isfinite(found).all()
    again = play(adversary, games.take([0, 1]), aux, np.random.default_rng(0)).scores
    assert again.shape == (2, 1)


def test_settings_come_from_shadow_models(aux: Auxiliary) -> None:
    assert aux.shadow is not None
    rng = np.random.default_rng(0)
    clid = CLiD(times=(100,)).fit(aux.shadow, aux, rng)
    assert isinstance(clid, CLiD)
    assert clid.weight in WEIGHTS
    assert min(clid.scales) > 0
    ratio = LiRA().fit(aux.shadow, aux, rng)
    assert isinstance(ratio, LiRA)
    assert ratio.times[0] in TIMES
    assert LiRA(times=(7,)).fit(aux.shadow, aux, rng) == LiRA(times=(7,))


def test_samples_of_each_shadow_model(aux: Auxiliary) -> None:
    assert aux.shadow is not None
    assert models_of(aux.shadow).tolist() == MODELS.tolist()
    assert {n: rows.tolist() for n, rows in shadow_rows(aux.shadow).items()} == {
        0: [0, 1, 2, 3],
        1: [4, 5, 6, 7],
    }
    same = Granted.of(aux.shadow, aux)
    assert same == Granted.of(aux.shadow, aux)
    other = dataclasses.replace(aux.shadow, labels=1 - LABELS)
    assert same != Granted.of(other, aux)


@pytest.mark.parametrize("adversary", [LearnedLosses(), RMIA(), NoModel()])
def test_without_shadow_models_they_are_refused(
    adversary: FromShadow | RMIA | NoModel, games: Views, aux: Auxiliary
) -> None:
    alone = dataclasses.replace(aux, shadow=None)
    with pytest.raises(ValueError, match="needs the fact shadow"):
        play(adversary, games, alone, np.random.default_rng(0))
