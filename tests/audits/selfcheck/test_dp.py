"""Audits of epsilon refute every planted bug, spare honest releases, and read bytes only."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binom, nct, norm

from latentleak.audits.selfcheck.broken_dp import (
    BROKEN,
    AddRemoveNoise,
    Canary,
    ClassicalSigma,
    PartialNoise,
    SecondUncharged,
)
from latentleak.audits.selfcheck.dp import Check, bounds, check, publish, read, refutes, table
from latentleak.audits.selfcheck.dp_games import GAMES, Game, by_means, difference, honest
from latentleak.audits.statistics import Interval, at_most
from latentleak.defenses.claims import Neighbours
from latentleak.defenses.codec import ProtocolError
from latentleak.defenses.dp_adaptation.aggregation import Aggregation
from latentleak.defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu
from latentleak.defenses.wire import CURATOR, PUBLIC

ALPHA = 0.05
AUDITS = 40
CERTAIN = [game for game in GAMES if game.broken and game.power >= 0.95]


@pytest.fixture(scope="module")
def checks() -> dict[str, Check]:
    return {each.name: each for each in check(seed=1, alpha=ALPHA, audits=AUDITS)}


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_every_game_comes_out_as_expected(game: Game, checks: dict[str, Check]) -> None:
    """Broken: refuted as often as its stated power allows; honest: no more often than alpha.

    Each fails with probability at most 1e-6 on a working audit.
    """
    found = checks[game.name]
    assert found.as_expected, found
    assert found.refuted == game.broken
    assert found.claimed == game.mechanism.epsilon


@pytest.mark.parametrize("game", CERTAIN, ids=lambda game: game.name)
def test_large_mistakes_are_refuted_beyond_doubt(game: Game) -> None:
    """A true claim is refuted once in a million; at eight times the games so is a copy missed."""
    larger = replace(game, games=8 * game.games)
    (found,) = bounds(larger, seed=2, alpha=1e-6, audits=1)
    assert refutes(found, game.mechanism.epsilon)


def test_every_planted_bug_has_a_game() -> None:
    assert {type(game.mechanism) for game in GAMES if game.broken} == set(BROKEN)
    assert len({game.name for game in GAMES}) == len(GAMES)
    for kind in BROKEN:
        assert kind.effect
        honest_steps, steps = Aggregation().procedure, kind().procedure
        changed = [n for n in vars(steps) if getattr(steps, n) != getattr(honest_steps, n)]
        assert len(changed) == 1, kind
        assert kind().claims == Aggregation(epsilon=kind().epsilon).claims


def test_without_a_canary_no_copy_is_refuted() -> None:
    """Both worlds hold the same records: what is left is alpha."""
    for game in GAMES:
        blind = replace(game, canary=replace(game.canary, norm=0.0))
        if game.mechanism.neighbours is Neighbours.ADD_REMOVE:
            continue  # there the canary would still be a record
        found = list(bounds(blind, seed=3, alpha=ALPHA, audits=20))
        refuted = sum(refutes(bound, game.mechanism.epsilon) for bound in found)
        assert refuted <= at_most(20, ALPHA), game.name


@pytest.mark.parametrize(
    ("epsilon", "factor", "n", "want"),
    [(4.0, 2**0.5, 300, 0.99695), (1.0, 2**0.5, 1000, 0.79386), (1.0, 2.0, 1000, 0.99999)],
)
def test_the_power_of_the_exact_test(epsilon: float, factor: float, n: int, want: float) -> None:
    """Refutations in 200 audits lie between the 1e-6 quantiles of the noncentral t's power."""
    kind = SecondUncharged if factor < 2 else AddRemoveNoise
    game = Game(name="power", mechanism=kind(epsilon=epsilon), games=n, canary=Canary(dimension=4))
    mu, scale = gaussian_mu(epsilon, 1e-5), (n / 2) ** 0.5
    edge = nct.isf(ALPHA, 2 * n - 2, mu * scale)
    power = float(nct.sf(edge, 2 * n - 2, factor * mu * scale))
    assert power == pytest.approx(want, abs=1e-4)
    found = list(bounds(game, seed=4, alpha=ALPHA, audits=200))
    refuted = sum(refutes(bound, epsilon) for bound in found)
    assert binom.ppf(1e-6, 200, power) <= refuted <= binom.isf(1e-6, 200, power)


def test_the_honest_mechanism_is_refuted_no_more_often_than_alpha() -> None:
    """400 audits of the exact law; fails on correct code with probability 1e-6."""
    game = honest("validity", Aggregation(epsilon=4.0), canary=Canary(dimension=2), games=100)
    found = list(bounds(game, seed=5, alpha=ALPHA, audits=400))
    assert sum(refutes(bound, 4.0) for bound in found) <= at_most(400, ALPHA)


def test_the_classical_formula_is_rightly_not_refuted_at_four() -> None:
    (game,) = [g for g in GAMES if isinstance(g.mechanism, ClassicalSigma) and not g.broken]
    mu = game.certificate.mu
    assert mu is not None
    assert gaussian_epsilon(mu, 1e-5) < 4.0
    assert game.mechanism.epsilon == 4.0


def test_a_bound_whose_assumption_fails_refutes_nothing() -> None:
    game = honest("uniform", Aggregation(epsilon=4.0))
    rng = np.random.default_rng(0)
    uneven = by_means(game, rng.uniform(9, 10, 500), rng.uniform(0, 1, 500), ALPHA)
    normal = by_means(game, rng.normal(9, 1, 500), rng.normal(0, 1, 500), ALPHA)
    assert uneven.epsilon > 4.0
    assert not refutes(uneven, 4.0)
    assert refutes(normal, 4.0)


def test_what_is_scored_are_bytes_from_curator_to_public() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 2, 4))
    message = publish(vectors)
    assert (message.sender, message.receiver, message.kind) == (CURATOR, PUBLIC, "release")
    seen = read(message)
    assert seen.tobytes() == vectors.tobytes()
    assert not np.shares_memory(seen, vectors)
    with pytest.raises(ProtocolError):
        read(replace(message, payload=message.payload[:-1]))


def test_a_seed_gives_the_same_checks() -> None:
    games = [game for game in GAMES if game.games == 300][:2]
    once, again = (check(seed=6, audits=3, games=games) for _ in range(2))
    assert once == again
    assert check(seed=7, audits=3, games=games) != once


def test_the_difference_shows_the_canary_where_the_noise_is_the_same() -> None:
    canary = Canary(shown=1)
    mechanism = Aggregation(epsilon=4.0, sample=50, releases=2)
    certificate = mechanism.certificate(100)
    noise, step = np.random.default_rng(1).normal(size=64), 1 / 50
    vectors = np.zeros((3, 2, 64)) + noise
    vectors[0, 0, :2] += [step, -step]  # the canary is in the first subset only
    vectors[1, 1, :2] += [-step, -step]  # its opposite in the second only
    assert difference(vectors, canary, certificate) == pytest.approx([1, -1, 0], abs=1e-9)
    with pytest.raises(ValueError, match="shown=None"):
        difference(vectors, Canary(), certificate)


def test_worlds_are_neighbours() -> None:
    removed = Aggregation(neighbours=Neighbours.ADD_REMOVE, size=100)
    with_it, without = Canary(norm=3.0, shown=2).worlds(removed)
    assert (with_it[1:] == without).all()
    with_it, without = Canary(norm=3.0).worlds(Aggregation(clip=0.5))
    assert (with_it[1:] == without[1:]).all()
    assert with_it[0] == pytest.approx(-without[0])
    assert np.linalg.norm(with_it[0]) == 1.5


def _check(**changes: object) -> Check:
    values: dict[str, object] = {
        "name": "x",
        "effect": "",
        "claimed": 4.0,
        "delta": 1e-5,
        "neighbours": "replace-one",
        "n": 10,
        "method": "gaussian_likelihood_ratio",
        "bound": 5.0,
        "ceiling": float("inf"),
        "alpha": 0.05,
        "audits": 10,
        "refutations": 8,
        "interval": Interval(0.4, 0.9),
        "broken": True,
        "expected": 8,
    }
    return Check(**(values | changes))  # pyright: ignore


def test_expectations() -> None:
    assert _check().as_expected
    assert not _check(refutations=7).as_expected
    assert not _check(broken=False, expected=3).as_expected
    assert _check(broken=False, expected=3, refutations=3).as_expected


def test_checks_are_records_and_rows() -> None:
    record = json.loads(json.dumps(_check().to_dict(), allow_nan=False))
    assert record["ceiling"] == "inf"
    assert (record["refuted"], record["as_expected"]) == (True, True)
    assert table([_check(), _check(refutations=0)]).row_count == 2


def _latentleak(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "latentleak.audits.cli", "selfcheck", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_command_prints_records() -> None:
    done = _latentleak("dp", "--audits=2", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in lines] == [game.name for game in GAMES]


def test_the_table_fits_eighty_columns(checks: dict[str, Check]) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(list(checks.values())))
    shown = console.export_text()
    rows = shown.splitlines()[1:]
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert all(row.startswith(game.name) for game, row in zip(GAMES, rows, strict=False))


def test_the_command_knows_what_it_can_check() -> None:
    done = _latentleak("nothing")
    assert done.returncode == 2
    assert "must be oblivious, dp, he, ppidm, membership or all" in done.stderr


def test_partial_noise_leaves_the_last_coordinates_bare() -> None:
    out = PartialNoise().release(np.zeros((5, 8)), np.random.default_rng(0), trials=3)
    assert (out[:, 4:] == 0).all()
    assert norm.sf(np.abs(out[:, :4]).max() / PartialNoise().certificate(5).sigma) > 1e-9
