"""Bets on shares: fair on uniform residues, won on every broken copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentleak.audits.ppidm.argument import NAME, arguments, recorded, uniform_row
from latentleak.audits.ppidm.shares import At, Residues, Shares, shares_of
from latentleak.audits.ppidm.uniformity import CELLS, Bet, bets, range_bet
from latentleak.audits.selfcheck.broken_ppidm import (
    BrokenBranches,
    BrokenModulus,
    BrokenRest,
    BrokenServers,
    BrokenSteps,
)
from latentleak.audits.statistics import at_most
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.variants import Partition, RingShares
from latentleak.defenses.protocol import execute
from latentleak.defenses.wire import Party
from latentleak.targets.pipeline import Target

PROMPT = "woman firefighter: medium skin tone"
ALPHA = 0.05


def made(
    seed: int, *, n: int = 3, k: int = 48, size: int = 64, steps: int = 4, layers: int = 2
) -> Shares:
    """Uniform shares of a small execution."""
    rng = np.random.default_rng(seed)
    places = [
        At(step, f"layer-{layer:03d}", 0, branch)
        for step in range(steps)
        for layer in range(layers)
        for branch in range(2)
    ]

    def residues() -> Residues:
        return rng.integers(0, 2**64, size, dtype=np.uint64) & np.uint64((1 << k) - 1)

    own = {Party(f"server/{i}"): {at: residues() for at in places} for i in range(n)}
    return Shares(k=k, residues=own, outside=0)


def sent(config: Ppidm, tiny: Target, seed: int = 1) -> Shares:
    """The shares of one execution."""
    transcript = execute(config, tiny, PROMPT, seed)[1]
    found = shares_of(transcript, config.modulus_bits)
    transcript.close()
    return found


def smallest(shares: Shares) -> float:
    """Bonferroni over all tests."""
    found = (range_bet(shares), *bets(shares))
    return min(1.0, len(found) * min(bet.p_value for bet in found))


def test_uniform_shares_are_called_so_but_for_alpha() -> None:
    """Fails on correct code with probability 1e-6; each test alone, and all together."""
    seeds, alarms, single = 400, 0, dict[str, int]()
    for seed in range(seeds):
        found = bets(made(seed))
        for bet in found:
            single[bet.name] = single.get(bet.name, 0) + (bet.p_value <= ALPHA)
        alarms += len(found) * min(bet.p_value for bet in found) <= ALPHA
    assert alarms <= at_most(seeds, ALPHA, failure=5e-7)
    each = at_most(seeds, ALPHA, failure=5e-7 / len(single))
    assert max(single.values()) <= each
    assert len(single) == 42


def test_real_shares_of_the_honest_protocol_are_called_uniform(tiny: Target) -> None:
    """Twelve executions, each below 8e-8 with at most that probability: together 1e-6."""
    for n in (2, 3, 4):
        for k in (32, 44, 48, 64):
            bits: dict[str, Any] = {"input_bits": 12, "weight_bits": 10} if k == 32 else {}
            config = RingShares(steps=2, n=n, modulus_bits=k, preset="up_blocks", **bits)
            assert smallest(sent(config, tiny, seed=n)) > 8e-8


@pytest.mark.parametrize(
    ("config", "test"),
    [
        (BrokenSteps(steps=2, n=2), "two steps"),
        (BrokenSteps(steps=3, n=4), "step"),
        (BrokenBranches(steps=1, n=2), "two branches"),
        (BrokenServers(steps=1, n=3), "server/0 and server/1"),
        (BrokenServers(steps=1, n=4), "server/0 and server/1"),
        (BrokenRest(steps=1, n=2), "server/1"),
        (BrokenRest(steps=1, n=3), "server/2"),
        (BrokenModulus(steps=1, n=2), "outside"),
        (BrokenModulus(steps=1, n=4, modulus_bits=44), "outside"),
    ],
)
def test_broken_shares_are_found_and_named(config: Ppidm, test: str, tiny: Target) -> None:
    shares = sent(config, tiny)
    assert smallest(shares) < 1e-12
    every = (range_bet(shares), *bets(shares))
    assert min(bet.p_value for bet in every if test in bet.name) < 1e-12


def test_one_layer_in_a_hundred_is_enough() -> None:
    """A mask that repeats in one of 100 layers; 12,800 bets find it."""
    shares = made(1, layers=100, size=64, steps=2)
    reused = dict(shares.residues[Party("server/1")])
    for branch in (0, 1):
        reused[At(1, "layer-007", 0, branch)] = reused[At(0, "layer-007", 0, branch)]
    assert smallest(shares) > 1e-6
    broken = replace(shares, residues={**shares.residues, Party("server/1"): reused})
    found = {bet.name: bet for bet in bets(broken)}
    bet = found["server/1, two steps, high bits"]
    assert bet.n == 100 * 64
    assert bet.wins / bet.n > bet.chance


def test_a_relation_between_three_servers_shows_in_the_sum_of_all_but_one() -> None:
    """Pairs of them look uniform. Servers 0, 1 and 2 of 4 add up to small numbers."""
    shares, k = made(2, n=4, size=256), 48
    first, second = (shares.residues[Party(f"server/{i}")] for i in (0, 1))
    rng = np.random.default_rng(0)
    third = {
        at: (rng.integers(0, 1 << 17, len(v), dtype=np.uint64) - v - second[at])
        & np.uint64((1 << k) - 1)
        for at, v in first.items()
    }
    broken = replace(shares, residues={**shares.residues, Party("server/2"): third})
    strongest = min(bets(broken), key=lambda bet: bet.p_value)
    assert strongest.name == "sum of all but server/3, high bits"
    assert strongest.p_value < 1e-12


def test_no_place_is_used_twice_in_a_test() -> None:
    """Wins are binomial because bets are independent."""
    from latentleak.audits.ppidm.uniformity import _pairs

    for layers in (1, 2, 3):
        for _, pairs in _pairs(made(0, layers=layers, steps=5)):
            used = [at for pair in pairs for at in pair]
            assert len(used) == len(set(used))


def test_two_servers_are_never_compared_when_their_shares_add_up_to_the_input() -> None:
    names = [bet.name for bet in bets(made(0, n=2))]
    assert not any("and" in name.split() and "first" not in name for name in names)
    assert not any("sum" in name for name in names)


@pytest.mark.parametrize("k", [32, 64])
def test_words_as_wide_as_the_ring_cannot_lie_outside(k: int) -> None:
    assert range_bet(made(0, k=k)).p_value == 1.0


def test_a_transcript_without_shares_is_refused() -> None:
    with pytest.raises(ValueError, match="tap the kinds"):
        shares_of([], 48)


def test_the_row_speaks_of_the_strongest_test_at_the_level_of_all() -> None:
    shares = made(3)
    exact = recorded(shares, 0)
    row = uniform_row(exact, 0.01)
    assert exact["name"] == NAME
    assert exact["tests"] == 43
    assert row.n == exact["bets"]
    assert row.swapped["holds"]
    assert 0 < row.detectable < 0.25
    assert row.interval[0] < row.estimate < row.interval[1]
    assert row.p_value == exact["p_value"] == smallest(shares)
    broken = uniform_row(recorded(replace(shares, outside=1), 0), 0.01)
    assert (broken.p_value, broken.wins, broken.critical) == (0.0, 1, 1)


def test_a_bet_is_binomial() -> None:
    bet = Bet(name="", wins=3, n=10, chosen=128)
    assert bet.chance == 128 / CELLS
    assert bet.p_value == pytest.approx(1 - (1 + 10 + 45) / 1024)


def test_other_modes_and_other_defences_have_no_uniform_shares() -> None:
    unused: Any = None
    assert arguments(Partition(), unused) == ()
    assert arguments(object(), unused) == ()
