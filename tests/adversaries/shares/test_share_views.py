"""Shares added up: exact with all, with fewer noise of stated variance, blocks, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries.share_views import Opened, Shape, combine, open_layer
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.targets.pipeline import Target

SHAPE = Shape(channels=6, convolves=True)


def ring_shares(x: np.ndarray, n: int, k: int, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Slow: Python's integers."""
    masks = [[int.from_bytes(rng.bytes(8), "big") % 2**k for _ in x.ravel()] for _ in range(n - 1)]
    rest = [
        (int(v) - sum(row)) % 2**k
        for v, row in zip(x.ravel(), np.array(masks, dtype=object).T, strict=True)
    ]
    words = (np.array(s, dtype=np.uint64).view(np.int64).reshape(x.shape) for s in [*masks, rest])
    return dict(enumerate(words))


@given(k=st.integers(20, 64), n=st.integers(2, 5), seed=st.integers(0, 2**32))
def test_all_ring_shares_give_the_integers(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-(2**18), 2**18, size=(2, 6, 2, 2)) >> (20 - min(k, 20))
    shares = ring_shares(x, n, k, rng)
    public = {"share": "ring", "modulus_bits": k}
    opened = combine(shares, n, public, SHAPE)
    assert np.array_equal(opened.values, x)
    assert opened.variance == 0
    assert opened.known.all()
    fewer = {server: share for server, share in shares.items() if server}
    assert not combine(fewer, n, public, SHAPE).informative


@given(unit=st.integers(-30, 30), size=st.floats(0.72, 1.4), seed=st.integers(0, 2**32))
def test_the_scale_of_whole_numbers_follows_from_the_size(
    unit: int, size: float, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(1, 99, size=(1, 4)).astype(np.float64)
    opened = Opened(
        values=values, known=np.ones(4, dtype=np.bool_), variance=0.0, axis=1, whole=True
    )
    true = values * 2.0**unit
    found = opened.in_units_of(size * float(np.sqrt(np.square(true).mean())))
    assert np.array_equal(found.values, true)
    assert not found.whole


@pytest.mark.parametrize("servers", [(3,), (1, 3), (0, 1, 2, 3)])
def test_masks_that_are_missing_are_noise_of_stated_variance(servers: tuple[int, ...]) -> None:
    """Of 96,000 normal numbers; 3 % off with probability below 1e-10."""
    rng, magnitude = np.random.default_rng(0), 5.0
    x = rng.standard_normal((2, 6, 100, 80))
    masks = magnitude * rng.standard_normal((3, *x.shape)) * np.sqrt(np.square(x).mean())
    shares = dict(enumerate([*masks, x - masks.sum(axis=0)]))
    opened = combine(
        {server: shares[server] for server in servers},
        4,
        {"share": "real", "magnitude": magnitude},
        SHAPE,
    )
    assert float(np.square(opened.values - x).mean()) == pytest.approx(
        opened.variance, rel=0.03, abs=1e-20
    )


def test_masks_alone_say_nothing() -> None:
    shares = {server: np.ones((2, 6, 1, 1)) for server in (0, 1, 2)}
    public = {"share": "real", "magnitude": 1.0}
    assert not combine(shares, 4, public, SHAPE).informative


@given(n=st.integers(2, 9), data=st.data())
def test_blocks_of_a_partition_go_where_they_belong(n: int, data: st.DataObject) -> None:
    x = np.arange(2.0 * 6 * 4).reshape(2, 6, 2, 2) + 1
    blocks = {i: b for i, b in enumerate(np.array_split(x, n, axis=1)) if b.size}
    some = data.draw(st.sets(st.sampled_from(sorted(blocks)), min_size=1))
    opened = combine({i: blocks[i] for i in some}, n, {"share": "partition"}, SHAPE)
    assert np.array_equal(opened.values, np.where(opened.mask, x, 0))
    assert opened.mask.sum() == sum(blocks[i].size for i in some)
    assert opened.variance == 0


def test_a_layer_is_opened_at_every_step(tiny: Target, play_shares) -> None:
    played = play_shares(Ppidm(steps=2, n=3), tiny, 1, (0, 1, 2))
    number = played.model.numbers["conv_in"]
    shape = played.model.shape(number)
    found = open_layer(played.views, 0, f"layer-{number:03d}", shape)
    assert list(found) == [0, 1]
    assert all(opened.values.shape == (2, 4, 4, 4) for opened in found.values())
    assert open_layer(played.views, 0, "layer-999", shape) == {}
