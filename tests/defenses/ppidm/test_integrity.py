"""Servers that cheat are named, before anything more is sent; honest rounding never is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from latentleak.defenses.ppidm.client import sharing_of
from latentleak.defenses.ppidm.integrity import (
    WrongProductError,
    checker_of,
    secret_bits,
    tolerance,
)
from latentleak.defenses.ppidm.layers import Layer
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.sharing import RealSharing
from latentleak.defenses.protocol import execute
from latentleak.defenses.transcript import Transcript
from latentleak.defenses.wire import Party, Server
from latentleak.targets.pipeline import Target

PROMPT = "woman firefighter: medium skin tone"
CHEAT = Party("server/1")
Tamper = Callable[[Tensor], Tensor]


def one_more(product: Tensor) -> Tensor:
    product = product.clone()
    product.flatten()[7] += 1
    return product


def top_bit(product: Tensor) -> Tensor:
    """Added to one output: the error that a single check of uniform coefficients misses."""
    product = product.clone()
    product.flatten()[3] += 1 << 47
    return product


@dataclass(frozen=True, kw_only=True)
class Cheated(Ppidm):
    """One server changes one reply."""

    at: str = "layer-005"
    tamper: Tamper = one_more

    def server(self, me: Party, target: Target, seed: int) -> Server:
        half = super().server(me, target, seed)
        return half if me != CHEAT else _Cheat(half, self.at, self.tamper)


class _Cheat:
    def __init__(self, half: Server, at: str, tamper: Tamper) -> None:
        self._half = half
        self._at = at
        self._tamper = tamper

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        reply = dict(self._half.handle(kind, tensors))
        if kind == self._at:
            reply["product_0"] = self._tamper(reply["product_0"])
        return reply


@pytest.mark.parametrize(
    ("fields", "tamper"),
    [
        ({}, one_more),
        ({}, top_bit),
        ({"modulus_bits": 32, "input_bits": 14, "weight_bits": 10}, one_more),
        ({"share": "real"}, lambda y: y + y.abs().max()),
        ({"share": "real", "precision": "fp16", "magnitude": 1.0}, lambda y: -y),
        ({"share": "partition"}, lambda y: y.roll(1, dims=1)),
    ],
)
def test_a_cheating_server_is_named_and_the_run_stops(
    tiny: Target, fields: dict[str, Any], tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 40 checks an exact one misses with probability 2^-40; the reals' errors are large."""
    sent: list[str] = []
    append = Transcript.append
    monkeypatch.setattr(Transcript, "append", lambda t, m: (sent.append(m.kind), append(t, m))[1])
    config = Cheated(steps=2, n=3, preset="up_blocks", checks=40, tamper=tamper, **fields)
    with pytest.raises(WrongProductError, match=r"server/1 returned a wrong product") as caught:
        execute(config, tiny, PROMPT, 1)
    assert caught.value.server == CHEAT
    assert sent.index("layer-005") >= len(sent) - 6
    unchecked = execute(Cheated(**{**vars(config), "checks": 0}), tiny, PROMPT, 1)[1]
    unchecked.close()


@pytest.mark.parametrize("share", ["ring", "real", "partition"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_honest_servers_pass_and_the_image_is_the_same(
    tiny: Target, share: str, precision: str
) -> None:
    outputs = []
    for checks in (0, 8):
        config = Ppidm(steps=2, n=2, share=share, precision=precision, checks=checks, magnitude=1.0)
        output, transcript = execute(config, tiny, PROMPT, 1)
        transcript.close()
        outputs.append(output.latents)
    assert torch.equal(*outputs)


MODULES = (nn.Linear(24, 10, bias=False), nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False))


def case(number: int, seed: int) -> tuple[Layer, Tensor]:
    layer = Layer.of("layer", MODULES[number])
    coins = torch.Generator().manual_seed(seed)
    shape = (2, 5, 24) if number == 0 else (2, 6, 7, 7)
    return layer, torch.randn(shape, generator=coins)


@given(st.integers(0, 1), st.integers(0, 2**20), st.sampled_from(["fp32", "fp16", "bf16"]))
def test_rounding_stays_below_the_tolerance(number: int, seed: int, precision: str) -> None:
    layer, x = case(number, seed)
    sharing = RealSharing(n=2, magnitude=1.0, precision=precision)
    product = sharing.product(layer, 0)(x.to(sharing.dtype))
    checker = checker_of(sharing, 4, seed)
    assert checker is not None
    checker.check(CHEAT, 0, layer, x.to(sharing.dtype), product)


@given(st.integers(0, 1), st.integers(0, 2**20), st.sampled_from(["fp32", "fp16", "bf16"]))
def test_twice_the_tolerance_in_one_output_is_certain_to_be_caught(
    number: int, seed: int, precision: str
) -> None:
    layer, x = case(number, seed)
    sharing = RealSharing(n=2, magnitude=1.0, precision=precision)
    share = x.to(sharing.dtype)
    product = sharing.product(layer, 0)(share)
    bound = float(tolerance(layer, sharing.weight(layer, 0), share, product).max())
    wrong = product.clone()
    wrong.select(layer.axis, 2)[...] += 2.2 * bound
    moved = float((wrong.double() - product.double()).abs().max())
    assume(moved >= 2.1 * bound)  # else lost in rounding
    checker = checker_of(sharing, 1, seed)
    assert checker is not None
    with pytest.raises(WrongProductError):
        checker.check(CHEAT, 0, layer, share, wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_product_that_is_not_finite_never_passes(value: float) -> None:
    layer, x = case(0, 0)
    sharing = RealSharing(n=2, magnitude=1.0, precision="fp32")
    wrong = sharing.product(layer, 0)(x)
    wrong[0, 0, 0] = value
    checker = checker_of(sharing, 4, 0)
    assert checker is not None
    with pytest.raises(WrongProductError):
        checker.check(CHEAT, 0, layer, x, wrong)


def test_partial_sums_of_one_sign_stay_below_the_tolerance() -> None:
    """Rounding of a growing sum is a multiple of the sum, not of its terms."""
    module = nn.Linear(23_040, 64, bias=False)
    module.weight.data = torch.rand(64, 23_040, generator=torch.Generator().manual_seed(0))
    layer = Layer.of("layer", module)
    sharing = RealSharing(n=2, magnitude=1.0, precision="fp32")
    for seed in range(4):
        x = torch.rand(1, 16, 23_040, generator=torch.Generator().manual_seed(seed))
        checker = checker_of(sharing, 40, seed)
        assert checker is not None
        checker.check(CHEAT, 0, layer, x, sharing.product(layer, 0)(x))


def test_one_exact_check_misses_half_of_the_errors_and_no_more() -> None:
    """Binomial(400, 1/2) leaves [151, 249] with probability below 1e-6."""
    sharing = sharing_of(Ppidm())
    layer, x = case(0, 0)
    share = (x * 1000).long() & ((1 << 48) - 1)
    wrong = top_bit(sharing.product(layer, 0)(share))
    wrong &= (1 << 48) - 1
    missed = 0
    for seed in range(400):
        checker = checker_of(sharing, 1, seed)
        assert checker is not None
        try:
            checker.check(CHEAT, 0, layer, share, wrong)
        except WrongProductError:
            continue
        missed += 1
    assert 151 <= missed <= 249


def test_bits_are_secret_and_of_their_layer() -> None:
    layer, other = (Layer.of(name, MODULES[1]) for name in ("a", "b"))
    bits = secret_bits(40, layer, 1)
    assert bits.shape == (40, 8)
    assert set(bits.unique().tolist()) == {0, 1}
    assert not torch.equal(bits, secret_bits(40, layer, 2))
    assert not torch.equal(bits, secret_bits(40, other, 1))
    grouped = Layer.of("g", nn.Conv2d(4, 4, 1, groups=2))
    with pytest.raises(ValueError, match="groups=2"):
        secret_bits(1, grouped, 1)


def test_no_checks_no_checker() -> None:
    assert checker_of(sharing_of(Ppidm()), 0, 1) is None
