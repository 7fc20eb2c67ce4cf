"""Membership from pictures or from the vector and the model: works on one image's own vector."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from latentleak.adversaries.contract import Adversary, Auxiliary
from latentleak.adversaries.look_alike import LookAlike
from latentleak.adversaries.reference_vector import ReferenceVector
from latentleak.defenses.codec import Array
from latentleak.defenses.dp_adaptation.inversion import invert
from latentleak.scenarios.contract import Setting
from latentleak.scenarios.releases import release_views
from latentleak.scenarios.styled import draw
from latentleak.targets import load, private_sets
from latentleak.targets.pipeline import Target

GAMES = 6


@pytest.fixture(scope="module")
def target() -> Target:
    return load("embedded", device="cpu")


@pytest.fixture(scope="module")
def pair(target: Target) -> tuple[Array, Array]:
    """Two unlike images of a collection, and the vector of each."""
    images = private_sets.load("stickies").images[[0, 100]]
    return images, invert(target, images)


def scores(adversary: Adversary, columns: dict[str, Array], aux: Auxiliary, path: Path) -> Array:
    kind = "release" if "vector" in columns else "pictures"
    views = release_views(columns, kind=kind, public={}, path=path)
    return adversary.attack(views, aux, np.random.default_rng(0)).scores[:, 0]


def facts(pair: tuple[Array, Array], target: Target) -> Auxiliary:
    images, vectors = pair
    return Auxiliary(
        target={
            "record": vectors[0],
            "replacement": vectors[1],
            "image": images[0],
            "replacement image": images[1],
        },
        weights={"open": dataclasses.asdict(target)},
    )


def test_the_vector_of_an_image_explains_it(
    target: Target, pair: tuple[Array, Array], tmp_path: Path
) -> None:
    _, vectors = pair
    columns = {"vector": np.concatenate([vectors, vectors.mean(axis=0, keepdims=True)])}
    found = scores(ReferenceVector(draws=6), columns, facts(pair, target), tmp_path / "views")
    assert found[0] > found[2] > found[1]


def test_equal_vectors_are_not_told_apart(
    target: Target, pair: tuple[Array, Array], tmp_path: Path
) -> None:
    columns = {"vector": np.repeat(pair[1][:1], 2, axis=0)}
    found = scores(ReferenceVector(draws=2), columns, facts(pair, target), tmp_path / "views")
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_pictures_drawn_with_an_images_vector_look_like_it(
    target: Target, pair: tuple[Array, Array], tmp_path: Path
) -> None:
    setting = Setting(target=lambda _: target, seed=0, work=tmp_path / "work", artifacts=tmp_path)
    vectors = np.repeat(pair[1], GAMES, axis=0)
    drawn = draw(target, vectors, seed=1, setting=setting)
    columns = {"pictures": drawn[:, None]}
    found = scores(LookAlike(), columns, facts(pair, target), tmp_path / "views")
    area = (found[:GAMES, None] > found[None, GAMES:]).mean()
    assert area > 0.9
    both = {"pictures": np.repeat(drawn[:1, None], 2, axis=0)}
    same = scores(LookAlike(), both, facts(pair, target), tmp_path / "same")
    assert same[0] == same[1]


@pytest.mark.parametrize("adversary", [LookAlike(), ReferenceVector()])
def test_facts_are_needed(adversary: Adversary, tmp_path: Path) -> None:
    views = release_views(
        {"vector": np.zeros((1, 2))}, kind="release", public={}, path=tmp_path / "v"
    )
    with pytest.raises(ValueError, match="needs the fact"):
        adversary.attack(views, Auxiliary(), np.random.default_rng(0))
