"""Each step of the release: norms, subsets, means, noise; and sensitivity by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from latentleak.audits.statistics import at_most
from latentleak.defenses.claims import Neighbours
from latentleak.defenses.codec import Array
from latentleak.defenses.dp_adaptation.procedure import (
    Procedure,
    add_noise,
    draw_noise,
    draw_subset,
    limit_norm,
    mean_of_limited,
    mean_sensitivity,
)

ANY = st.floats(-1e300, 1e300, allow_nan=False)
RECORDS = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=ANY)
CLIPS = st.floats(1e-3, 1e3)
SLACK = 1 + 1e-12


@given(records=RECORDS, clip=CLIPS, normalize=st.booleans())
def test_no_record_is_longer_than_the_clip(records: Array, clip: float, normalize: bool) -> None:
    norms = np.linalg.norm(limit_norm(records, clip, normalize=normalize), axis=1)
    assert (norms <= clip * SLACK).all()
    if normalize:
        assert norms[np.abs(records).max(axis=1) > 0] == pytest.approx(clip, rel=1e-12)


@given(records=RECORDS, clip=CLIPS)
def test_clipping_keeps_short_records_and_every_direction(records: Array, clip: float) -> None:
    limited = limit_norm(records, clip, normalize=False)
    for before, after in zip(records, limited, strict=True):
        length = math.hypot(*before)
        if length <= clip:
            assert (after == before).all()
        else:
            assert after == pytest.approx(
                before
                / np.abs(before).max()
                * (clip / math.hypot(*(before / np.abs(before).max()))),
                rel=1e-12,
                abs=1e-300,
            )


def test_zero_and_subnormal_records() -> None:
    records = np.array([[0.0, 0.0], [5e-324, 0.0], [0.0, -1e-310]])
    assert (limit_norm(records, 1.0, normalize=False) == records).all()
    assert (limit_norm(records, 2.0, normalize=True) == [[0, 0], [2, 0], [0, -2]]).all()


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("m", [1, 2, 4])
def test_sensitivity_by_brute_force(m: int, normalize: bool) -> None:
    """No replacement moves any subset's mean by more than stated; the antipodal one reaches it."""
    rng, clip, worst = np.random.default_rng(0), 1.5, 0.0
    stated = mean_sensitivity(clip, m, Neighbours.REPLACE_ONE)
    subsets = [np.isin(np.arange(4), s) for s in itertools.combinations(range(4), m)]
    chosen = np.array(subsets)[:, None, :]
    for trial in range(200):
        records = rng.normal(size=(4, 3)) * 10 ** rng.uniform(-2, 2, size=(4, 1))
        other = records.copy()
        other[rng.integers(4)] = rng.normal(size=3) * 10 ** rng.uniform(-2, 2)
        if trial == 0:
            records[0], other = [9, 0, 0], records.copy()
            other[0] = [-9, 0, 0]

        def mean(values: Array) -> Array:
            limit = lambda rows: limit_norm(rows, clip, normalize=normalize)  # noqa: E731
            return mean_of_limited(values, limit, chosen, m)

        worst = max(worst, float(np.linalg.norm(mean(records) - mean(other), axis=-1).max()))
    assert worst <= stated * SLACK
    assert worst == pytest.approx(stated, rel=1e-12)


def test_removal_moves_the_mean_by_half_as_much() -> None:
    records, everything = np.array([[3.0, 4.0], [0.5, 0.0]]), np.ones((1, 1, 2), dtype=bool)

    def mean(rows: Array) -> Array:
        limit = lambda r: limit_norm(r, 1.0, normalize=False)  # noqa: E731
        return mean_of_limited(rows, limit, everything[..., : len(rows)], 2)

    moved = float(np.linalg.norm(mean(records) - mean(records[1:])))
    assert moved == pytest.approx(mean_sensitivity(1.0, 2, Neighbours.ADD_REMOVE))
    assert mean_sensitivity(1.0, 2, Neighbours.REPLACE_ONE) == 2 * moved


@given(n=st.integers(2, 30), data=st.data())
def test_subsets_have_the_size_asked_for(n: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(1, n - 1))
    chosen = draw_subset(n, m, (5, 3), np.random.default_rng(n * 31 + m))
    assert chosen.shape == (5, 3, n)
    assert (chosen.sum(axis=-1) == m).all()
    assert draw_subset(n, n, (5, 3), np.random.default_rng(0)).shape == (1, 1, n)


def test_subsets_are_uniform_and_independent_between_releases() -> None:
    """Chi-square over all 100 pairs of 2-subsets of 5; fails with probability 1e-6."""
    chosen = draw_subset(5, 2, (40_000, 2), np.random.default_rng(3))
    codes = chosen @ (1 << np.arange(5))
    _, counts = np.unique(codes[:, 0] * 32 + codes[:, 1], return_counts=True)
    assert len(counts) == 100
    assert stats.chisquare(counts).pvalue > 1e-6


@given(data=st.data(), t=st.integers(1, 4), r=st.integers(1, 3))
def test_means_are_those_of_a_loop(data: st.DataObject, t: int, r: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    n, m, d = 7, data.draw(st.integers(1, 7)), 3
    records, chosen = rng.normal(size=(n, d)), draw_subset(7, m, (t, r), rng)
    got = mean_of_limited(records, lambda rows: rows / 2, chosen, m)
    for i, j in itertools.product(range(chosen.shape[0]), range(chosen.shape[1])):
        assert got[i, j] == pytest.approx(records[chosen[i, j]].mean(axis=0) / 2, abs=1e-14)


def test_noise_is_gaussian_fresh_and_double() -> None:
    """Kolmogorov-Smirnov at 1e-6, for the size and for every pair of axes' independence."""
    noise = draw_noise((400, 2, 50), 0.25, np.random.default_rng(1))
    assert noise.dtype == np.float64
    assert stats.kstest(noise.ravel() / 0.25, "norm").pvalue > 1e-6
    for a, b in (
        (noise[:, 0], noise[:, 1]),
        (noise[1:], noise[:-1]),
        (noise[..., 1:], noise[..., :-1]),
    ):
        assert stats.pearsonr(a.ravel(), b.ravel()).pvalue > 1e-6
    repeats = noise.size - np.unique(noise).size
    assert repeats <= at_most(noise.size, 1e-9)


def test_publishing_adds_one_draw() -> None:
    draws: list[int] = []

    def noise() -> Array:
        draws.append(1)
        return np.full((2, 1, 3), 0.5)

    assert (add_noise(np.ones((1, 1, 3)), noise) == 1.5).all()
    assert len(draws) == 1


def test_the_honest_procedure_is_the_default() -> None:
    assert Procedure() == Procedure(limit=limit_norm, choose=draw_subset, draw=draw_noise)
