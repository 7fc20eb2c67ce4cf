"""The likelihood ratio reaches the closed form, and nothing where it must not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.likelihood_ratio import LikelihoodRatio, Line
from latentleak.defenses.claims import Neighbours
from latentleak.defenses.dp_adaptation.aggregation import Aggregation
from latentleak.defenses.dp_adaptation.baselines import PlainMean
from latentleak.defenses.protocol import Mechanism, Terms
from latentleak.scenarios.neighbours import Held, canaries, closed_form
from latentleak.scenarios.releases import release_views

GAMES = 4000


def play(mechanism: Mechanism, held: Held, path: Path, games: int = GAMES) -> list[np.ndarray]:
    terms = mechanism.terms(len(held.worlds[1])).to_dict()
    found = []
    for world, records in enumerate(held.worlds):
        rng = np.random.default_rng(world)
        vectors = mechanism.release(records, rng, trials=games)
        views = release_views({"vector": vectors}, kind="release", public=terms, path=path)
        aux = Auxiliary(target=held.target, others=held.others)
        found.append(LikelihoodRatio().attack(views, aux, rng).scores[:, 0])
    return found


def area(out: np.ndarray, used: np.ndarray) -> float:
    return float((used[:, None] > out[None, ::7]).mean())


@pytest.mark.parametrize("neighbours", list(Neighbours))
def test_it_reaches_the_closed_form(neighbours: Neighbours, tmp_path: Path) -> None:
    size = 200 if neighbours is Neighbours.ADD_REMOVE else None
    mechanism = Aggregation(epsilon=4.0, neighbours=neighbours, size=size)
    held = canaries(mechanism, records=200)
    best = closed_form(mechanism.terms(200))
    out, used = play(mechanism, held, tmp_path / "views")
    # Scores are exactly N(-+ mu^2 / 2, mu^2); each mean misses by 5 standard errors with
    # probability 6e-7.
    mu = float(best["mu"])
    assert abs(used.mean() - mu**2 / 2) < 5 * mu / math.sqrt(GAMES)
    assert abs(out.mean() + mu**2 / 2) < 5 * mu / math.sqrt(GAMES)
    assert abs(area(out, used) - best["AUC"]) < 0.04
    assert best["AUC"] == pytest.approx(float(ndtr(mu / math.sqrt(2))))


def test_without_noise_it_is_never_wrong(tmp_path: Path) -> None:
    out, used = play(PlainMean(), canaries(PlainMean(), records=9), tmp_path / "views", games=5)
    assert used.min() > out.max()


def test_it_collapses_on_equal_worlds(tmp_path: Path) -> None:
    mechanism = Aggregation(epsilon=4.0)
    held = canaries(mechanism, records=200)
    same = Held(worlds=(held.worlds[1],) * 2, target=held.target, others=held.others)
    out, used = play(mechanism, same, tmp_path / "views")
    # AUC of equal laws: standard error 1 / sqrt(6 n) = 0.0065, 0.0115 on every seventh game.
    assert abs(area(out, used) - 0.5) < 0.06


def test_equal_records_give_no_score(tmp_path: Path) -> None:
    mechanism = Aggregation()
    held = canaries(mechanism, records=5)
    blind = dict(held.target) | {"replacement": held.target["record"]}
    out, _ = play(
        mechanism, Held(worlds=held.worlds, target=blind, others=held.others), tmp_path / "v", 3
    )
    assert np.isnan(out).all()


@pytest.mark.parametrize("rate", [0.05, 0.5, 1.0])
def test_the_mixture_is_the_ratio_of_densities(rate: float) -> None:
    """On a line: two-component normal densities, against SciPy's."""
    terms = Terms(
        neighbours=Neighbours.REPLACE_ONE,
        clip=1.0,
        normalize=False,
        divisor=4,
        rate=rate,
        sigma=0.25,
        rounds=1,
    )
    record, others = np.array([1.0, 0.0]), np.zeros((7, 2))
    line = Line.between(record, -record, others, terms.to_dict())
    places = np.linspace(-2, 2, 9)
    releases = np.column_stack([places, np.ones(9)])

    def density(side: float) -> np.ndarray:
        moved = norm.pdf(places, loc=side / 4, scale=0.25)
        return np.asarray((1 - rate) * norm.pdf(places, scale=0.25) + rate * moved)

    expected = np.log(density(1.0) / density(-1.0))
    np.testing.assert_allclose(line.scores(releases), expected, rtol=1e-9, atol=1e-9)


def test_rounds_add_up() -> None:
    terms = Aggregation(releases=3, sample=2).terms(6).to_dict()
    record = np.array([1.0, 0.0])
    line = Line.between(record, -record, np.zeros((5, 2)), terms)
    rounds = np.random.default_rng(0).standard_normal((4, 3, 2))
    parts = sum(line.scores(rounds[:, k]) for k in range(3))
    np.testing.assert_allclose(line.scores(rounds.reshape(4, 6)), parts)


def test_facts_are_needed(tmp_path: Path) -> None:
    views = release_views(
        {"vector": np.zeros((1, 2))}, kind="release", public={}, path=tmp_path / "views"
    )
    with pytest.raises(ValueError, match="needs the facts target and others"):
        LikelihoodRatio().attack(views, Auxiliary(), np.random.default_rng(0))
