"""Nearest neighbors find what is there, and only that; the plug-in estimate reads log2 N."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentleak.audits.statistics import (
    at_most,
    bayes_risk,
    cover_hart_bound,
    held_out_leakage,
    nearest_neighbors,
    plug_in_leakage,
    randomized_response,
)

SECRETS = 16


def test_the_trap_plug_in_reads_log2_n_on_unique_views() -> None:
    """Views independent of the secret, all different: nothing leaks, plug-in reads 4 bits.

    The held-out bound is positive with probability at most its alpha, 1e-6.
    """
    rng = np.random.default_rng(7)
    secrets = np.repeat(np.arange(SECRETS), 100)
    views = rng.standard_normal((secrets.size, 3))
    unique = np.arange(secrets.size)
    assert bayes_risk._plug_in(secrets, unique) == math.log2(SECRETS)
    with pytest.raises(ValueError, match="ten a cell; use nearest_neighbors and held_out_leakage"):
        plug_in_leakage(secrets, unique, alphabet=unique.size)
    train = rng.permutation(secrets.size) < secrets.size // 2
    guess = nearest_neighbors(views[train], secrets[train], views[~train])
    wins = int((guess == secrets[~train]).sum())
    found = held_out_leakage(wins, guess.size, prior=1 / SECRETS, alpha=1e-6)
    assert found.lower == 0.0
    assert found.upper < 1.5


def test_a_planted_leak_is_recovered_within_its_interval() -> None:
    """Randomized response at eps 2; each bound misses with probability at most 5e-7."""
    k, rng = 4, np.random.default_rng(1)
    channel = randomized_response(k, epsilon=2.0)
    secrets = rng.integers(0, k, 3000)
    views = np.array([rng.choice(k, p=channel[s]) for s in secrets])[:, None].astype(float)
    guess = nearest_neighbors(views[:1000], secrets[:1000], views[1000:])
    assert (guess == views[1000:, 0]).all()  # the optimal rule, which is the view itself
    wins, n = int((guess == secrets[1000:]).sum()), guess.size
    truth = math.log2(k * channel[0, 0])
    found = held_out_leakage(wins, n, prior=1 / k, alpha=5e-7)
    assert found.lower <= truth <= found.upper
    assert found.lower > 0.5
    assert wins <= at_most(n, channel[0, 0], failure=5e-7)


def test_separated_views_are_recovered_exactly() -> None:
    secrets = np.tile(np.arange(5), 40)
    views = secrets[:, None] * 10.0 + np.linspace(-1, 1, 200)[:, None]
    assert (nearest_neighbors(views[:100], secrets[:100], views[100:]) == secrets[100:]).all()


@given(
    hnp.arrays(np.int64, (12, 2), elements=st.integers(0, 3)),
    hnp.arrays(np.int64, 12, elements=st.integers(0, 2)),
    hnp.arrays(np.int64, (4, 2), elements=st.integers(0, 3)),
    st.integers(1, 12),
)
def test_agrees_with_a_slow_vote(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, k: int
) -> None:
    for view, guess in zip(test, nearest_neighbors(train, labels, test, k=k), strict=True):
        squares = [int(((row - view) ** 2).sum()) for row in train]
        reach = sorted(squares)[k - 1]
        votes = np.bincount(labels[np.array(squares) <= reach], minlength=3)
        assert votes[guess] == votes.max()


def test_a_tied_vote_goes_to_the_closer_voter() -> None:
    assert nearest_neighbors([[0.0], [1.0]], [0, 1], [[0.6]], k=2).tolist() == [1]


def test_default_k_is_the_logarithm() -> None:
    views, labels = np.arange(20.0)[:, None], np.arange(20) % 2
    assert (
        nearest_neighbors(views, labels, views) == nearest_neighbors(views, labels, views, k=3)
    ).all()


def test_chunks_do_not_change_the_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    args = rng.standard_normal((50, 2)), rng.integers(0, 3, 50), rng.standard_normal((30, 2))
    whole = nearest_neighbors(*args)
    monkeypatch.setattr(bayes_risk, "CELLS", 60)
    assert (nearest_neighbors(*args) == whole).all()


def test_a_view_that_cannot_be_scored_is_wrong() -> None:
    guess = nearest_neighbors([[0.0], [1.0]], [0, 1], [[math.nan], [1.0]], k=1)
    assert guess.tolist() == [-1, 1]


@given(secrets=st.integers(2, 20), risk=st.floats(0, 1))
def test_cover_hart_inverts_the_upper_inequality(secrets: int, risk: float) -> None:
    """`R_NN <= R* (2 - M / (M - 1) R*)` with equality is undone."""
    true = risk * (secrets - 1) / secrets
    worst = true * (2 - secrets / (secrets - 1) * true)
    assert cover_hart_bound(worst, secrets=secrets) == pytest.approx(true, abs=1e-7)
    assert cover_hart_bound(1.0, secrets=secrets) == (secrets - 1) / secrets


def test_plug_in_is_the_empirical_channel() -> None:
    secrets, views = np.repeat([0, 1], 40), np.repeat([0, 1, 0, 1], [30, 10, 10, 30])
    assert plug_in_leakage(secrets, views, alphabet=2) == pytest.approx(math.log2(1.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nearest_neighbors([[0.0]], [0], [[0.0]], k=2), "k=2 must be <= n=1"),
        (lambda: nearest_neighbors([[math.nan]], [0], [[0.0]]), r"train has shape \(1, 1\)"),
        (lambda: nearest_neighbors([[0.0]], [0], [[0.0, 1.0]]), r"test has shape \(1, 2\)"),
        (lambda: nearest_neighbors([[0.0]], [-1], [[0.0]]), r"secrets has shape \(1,\)"),
        (lambda: cover_hart_bound(1.5, secrets=2), r"error=1.5 must be in \[0, 1\]"),
        (lambda: plug_in_leakage([0], [3], alphabet=2), r"views has shape \(1,\).*\[0, 2\)"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
