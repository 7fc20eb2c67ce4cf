"""What is left when the others are taken out: exact without noise, a guess under it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.subtraction import Subtraction, reconstruct
from latentleak.defenses.dp_adaptation.aggregation import Aggregation
from latentleak.defenses.dp_adaptation.baselines import PlainMean
from latentleak.defenses.protocol import Mechanism
from latentleak.scenarios.releases import release_views

CANDIDATES, OTHERS, WIDTH = 50, 49, 16


def named(mechanism: Mechanism, path: Path, *, clip: float = 1.0) -> float:
    """Share of the candidates that are named rightly, one game each."""
    rng = np.random.default_rng(0)
    records = rng.standard_normal((CANDIDATES + OTHERS, WIDTH)) * clip
    first, others = records[:CANDIDATES], records[CANDIDATES:]
    released = [
        mechanism.release(np.concatenate([first[[i]], others]), rng, trials=1)[0]
        for i in range(CANDIDATES)
    ]
    terms = mechanism.terms(OTHERS + 1).to_dict()
    views = release_views({"vector": np.array(released)}, kind="release", public=terms, path=path)
    aux = Auxiliary(target={"candidates": first}, others=others)
    scores = Subtraction().attack(views, aux, rng).scores
    return float((scores.argmax(axis=1) == np.arange(CANDIDATES)).mean())


def test_without_noise_every_record_is_named(tmp_path: Path) -> None:
    assert named(PlainMean(), tmp_path / "views") == 1.0


def test_under_noise_it_falls_towards_chance(tmp_path: Path) -> None:
    assert named(Aggregation(epsilon=200.0), tmp_path / "views") > 0.5
    # Chance is 1/50: more than 9 of 50 right by chance has probability 2e-7; the noise of
    # epsilon = 0.1 leaves d' = 0.03 between any two candidates.
    assert named(Aggregation(epsilon=0.1), tmp_path / "views") <= 9 / 50


@pytest.mark.parametrize("releases", [1, 3])
def test_the_reconstruction_is_unbiased(releases: int) -> None:
    mechanism = Aggregation(epsilon=50.0, releases=releases)
    rng = np.random.default_rng(1)
    records = rng.standard_normal((6, 4))
    records /= np.linalg.norm(records, axis=1, keepdims=True)
    games = 20_000
    drawn = mechanism.release(records, rng, trials=games)
    terms = mechanism.terms(6)
    found = reconstruct(drawn, records[1:], terms.to_dict())
    error = 6 * terms.sigma / np.sqrt(games * releases)
    assert np.abs(found.mean(axis=0) - records[0]).max() < 5.5 * error  # 4 x 4e-8 to fail


def test_facts_are_needed(tmp_path: Path) -> None:
    views = release_views(
        {"vector": np.zeros((1, 2))}, kind="release", public={}, path=tmp_path / "views"
    )
    with pytest.raises(ValueError, match="needs the facts target and others"):
        Subtraction().attack(views, Auxiliary(), np.random.default_rng(0))
