"""Whole executions: fidelity, what crosses, what servers hold, fresh masks, and nonsense."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor

from latentleak.audits import conformance
from latentleak.defenses.claims import Fidelity, Hidden, Offload
from latentleak.defenses.codec import ProtocolError, decode
from latentleak.defenses.plain import Plain
from latentleak.defenses.ppidm.layers import PRESETS, request_groups
from latentleak.defenses.ppidm.masks import Coins, MaskStream
from latentleak.defenses.ppidm.meters import Stopwatch, traffic
from latentleak.defenses.ppidm.procedure import Place, Procedure, fresh_stream
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.variants import VARIANTS, Partition, RealShares, RingShares
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import derive, torch_stream
from latentleak.defenses.spec import Spec
from latentleak.defenses.transcript import Transcript
from latentleak.defenses.wire import CLIENT
from latentleak.targets import image_metrics, sampling
from latentleak.targets.pipeline import Target

PROMPT = "woman firefighter: medium skin tone"
STEPS = 3


@lru_cache(maxsize=1)
def plain_latents(tiny: Target) -> Tensor:
    """The undefended latents of seed 1, in full precision."""
    pipe = sampling.open_denoiser(tiny)
    noise = sampling.initial_noise(pipe, 1, torch_stream(derive(1, "client"), "noise"))
    conditioning = sampling.encode_prompts(pipe, [PROMPT])
    return sampling.denoise(pipe, noise, conditioning, steps=STEPS).latents


def run(config: Ppidm, tiny: Target, seed: int = 1) -> tuple[Tensor, Transcript]:
    output, transcript = execute(config, tiny, PROMPT, seed)
    return output.latents, transcript


def psnr(tiny: Target, latents: Tensor) -> float:
    vae = tiny.open("vae")
    images = (sampling.decode(vae, x) for x in (latents, plain_latents(tiny)))
    return float(image_metrics.psnr(*images))


def test_the_reference_is_the_undefended_protocol(tiny: Target) -> None:
    output, transcript = execute(Plain(steps=STEPS), tiny, PROMPT, 1)
    transcript.close()
    assert torch.equal(output.latents, plain_latents(tiny).half().float())


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("preset", PRESETS)
def test_ring_is_the_undefended_image_to_quantisation(tiny: Target, n: int, preset: str) -> None:
    latents, transcript = run(RingShares(steps=STEPS, n=n, preset=preset), tiny)
    transcript.close()
    assert psnr(tiny, latents) > 80  # 107 dB and more here
    assert (latents - plain_latents(tiny)).abs().max() < 2e-3


def test_ring_does_not_depend_on_masks_or_servers(tiny: Target) -> None:
    """Sharing is exact: any masks and any n give the same bits."""
    other = Procedure(stream=lambda seed, place: fresh_stream(seed + 1, place))
    runs = [run(RingShares(steps=2, n=n, preset="up_blocks"), tiny) for n in (2, 3, 4)]
    again = RingShares(steps=2, n=2, preset="up_blocks", procedure=other)
    runs.append(run(again, tiny))
    for latents, transcript in runs:
        assert torch.equal(latents, runs[0][0])
        transcript.close()


@pytest.mark.parametrize(
    ("precision", "magnitude", "least"),
    [
        ("fp32", 1.0, 110.0),
        ("fp32", 16.0, 90.0),
        ("fp16", 1.0, 55.0),
        ("fp16", 16.0, 33.0),
        ("bf16", 1.0, 35.0),
    ],
)
def test_real_loses_by_magnitude_and_precision(
    tiny: Target, precision: str, magnitude: float, least: float
) -> None:
    config = RealShares(steps=STEPS, precision=precision, magnitude=magnitude, preset="up_blocks")
    latents, transcript = run(config, tiny)
    transcript.close()
    assert least < psnr(tiny, latents) < least + 60


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_partition_is_the_undefended_latent_to_rounding(tiny: Target, n: int) -> None:
    latents, transcript = run(Partition(steps=STEPS, n=n), tiny)
    transcript.close()
    assert (latents - plain_latents(tiny)).abs().max() < 1e-4


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("preset", PRESETS)
def test_messages_of_a_run(tiny: Target, n: int, preset: str) -> None:
    unet = sampling.open_denoiser(tiny).unet
    groups = {g.kind: g for g in request_groups(unet, preset)}
    _, transcript = run(RingShares(steps=STEPS, n=n, preset=preset), tiny)
    assert len(transcript) == 2 * STEPS * n * len(groups)
    for message in transcript:
        content = decode(message.payload)
        products = {f"product_{i}" for i in range(len(groups[message.kind].names))}
        assert set(content) == ({"step", "share"} if message.sender == CLIENT else products)
    for party in transcript.coins:
        steps = [
            int(decode(m.payload)["step"])
            for m in transcript.view([party]).messages
            if m.sender == CLIENT
        ]
        assert steps == [step for step in range(STEPS) for _ in groups]
    transcript.close()


def test_meters(tiny: Target) -> None:
    config, watch = RingShares(steps=2, n=3, preset="up_blocks"), Stopwatch()
    transcript = execute(config, tiny, PROMPT, 1, transport=watch)[1]
    measured = traffic(transcript, 2)
    groups = len(request_groups(sampling.open_denoiser(tiny).unet, "up_blocks"))
    assert set(measured) == set(config.servers)
    assert {t.round_trips for t in measured.values()} == {groups}
    total = sum(len(m.payload) for m in transcript)
    assert sum(2 * (t.up + t.down) for t in measured.values()) == pytest.approx(total)
    assert watch.requests == 2 * 3 * groups
    assert watch.client > 0
    assert watch.servers > 0
    transcript.close()
    with pytest.raises(ValueError, match="steps=0"):
        traffic([], 0)


def reachable(root: object) -> Iterator[object]:
    """Everything that an object refers to, classes, modules and their globals left out."""
    seen, queue = {id(root)}, [root]
    while queue:
        thing = queue.pop()
        yield thing
        if isinstance(thing, type) or type(thing).__name__ in ("module", "builtin_function"):
            continue
        inside: Sequence[Any] = gc.get_referents(thing)
        if type(thing).__name__ == "function":
            inside = [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
        for item in inside:
            if id(item) not in seen:
                seen.add(id(item))
                queue.append(item)


@pytest.mark.parametrize("kind", VARIANTS)
def test_servers_hold_the_weights_that_they_serve_and_no_secret(
    tiny: Target, kind: type[Ppidm]
) -> None:
    config = kind(steps=2, preset="up_blocks")
    unet: Any = sampling.open_denoiser(tiny).unet
    names = [name for group in request_groups(unet, "up_blocks") for name in group.names]
    served = sum(unet.get_submodule(name).weight.numel() for name in names)
    for party in config.servers:
        half = config.server(party, tiny, 0)
        things = list(reachable(half))
        assert not any(isinstance(thing, torch.nn.Module | Target) for thing in things)
        held = sum(t.numel() for t in things if isinstance(t, Tensor))
        if kind is Partition:
            assert held == served / config.n
        elif kind is RealShares:
            assert held == served
        else:
            assert served <= held < 4 * served  # integers, or their digits


def shares(config: Ppidm, tiny: Target) -> dict[tuple[str, int, int, str], Tensor]:
    """What each server got: by kind, step, branch and server."""
    _, transcript = run(config, tiny)
    found = {}
    for message in transcript:
        if message.sender == CLIENT:
            content = decode(message.payload)
            for branch, row in enumerate(content["share"]):
                place = (message.kind, int(content["step"]), branch, message.receiver)
                assert place not in found
                found[place] = row
    transcript.close()
    return found


@pytest.mark.parametrize("kind", [RingShares, RealShares])
def test_masks_are_fresh_everywhere(tiny: Target, kind: type[Ppidm]) -> None:
    found = shares(kind(steps=2, n=3), tiny)
    contents = {row.numpy().tobytes()[:32] for row in found.values()}
    assert len(contents) == len(found)


def reused(**same: int) -> Procedure:
    """A procedure whose masks forget a part of their place."""

    def stream(seed: int, place: Place) -> Coins:
        known = {"layer": place.layer, "step": place.step, "branch": place.branch}
        return fresh_stream(seed, Place(**{**known, "server": place.server, **same}))

    return Procedure(stream=stream)


@pytest.mark.parametrize("share", ["ring", "real"])
@pytest.mark.parametrize("part", ["step", "branch", "server"])
def test_one_function_makes_masks_repeat(tiny: Target, share: str, part: str) -> None:
    config = Ppidm(steps=2, n=3, preset="up_blocks", share=share, procedure=reused(**{part: 0}))
    found = shares(config, tiny)
    kind = next(iter(found))[0]
    first = found[kind, 0, 0, "server/0"]
    again = {"step": (1, 0, "server/0"), "branch": (0, 1, "server/0"), "server": (0, 0, "server/1")}
    # a real mask is scaled by its input, which changes from step to step
    ratio = found[(kind, *again[part])].double() / first.double()
    assert float(ratio.std()) < 1e-3 * float(ratio.abs().mean())
    honest = shares(Ppidm(steps=2, n=3, preset="up_blocks", share=share), tiny)
    ratio = honest[(kind, *again[part])].double() / honest[kind, 0, 0, "server/0"].double()
    assert float(ratio.std()) > 0.1


def test_a_rest_that_is_not_reduced_shows(tiny: Target) -> None:
    k = RingShares().modulus_bits
    for procedure, inside in ((Procedure(), True), (Procedure(reduce=lambda x, k: x), False)):
        found = shares(RingShares(steps=1, n=3, procedure=procedure, preset="up_blocks"), tiny)
        rests = torch.cat([row.flatten() for place, row in found.items() if place[3] == "server/2"])
        assert (bool((rests >= 0).all()) and bool((rests < 1 << k).all())) is inside


def test_shares_are_uniform_in_every_byte(tiny: Target) -> None:
    """Chi-square over 256 values; fails on correct code with probability 1e-6 a server."""
    found = shares(RingShares(steps=2, n=2), tiny)
    for server in ("server/0", "server/1"):
        values = torch.cat([row.flatten() for place, row in found.items() if place[3] == server])
        for shift in (0, 20, 40):
            counts = torch.bincount((values >> shift) & 255, minlength=256).double()
            expected = len(values) / 256
            statistic = float(((counts - expected) ** 2 / expected).sum())
            assert statistic < 377.2  # quantile 1 - 1e-6 / 6 of chi-square with 255 degrees


def test_an_unmasked_rest_goes_out_as_told(tiny: Target) -> None:
    def bare(x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
        return [masks[0], *(-m for m in masks[:1]), x]

    config = RingShares(steps=1, n=3, preset="up_blocks", procedure=Procedure(split=bare))
    latents, transcript = run(config, tiny)
    honest, other = run(RingShares(steps=1, n=3, preset="up_blocks"), tiny)
    assert torch.equal(latents, honest)
    for each in (transcript, other):
        each.close()


def test_a_mask_stream_reads_its_place() -> None:
    base = Place(layer=1, step=2, branch=0, server=0)
    places = [base, *(Place(**{**vars(base), part: 9}) for part in vars(base))]
    drawn = {fresh_stream(5, place).bytes(16) for place in places}
    drawn.add(fresh_stream(6, base).bytes(16))
    assert len(drawn) == 6
    assert isinstance(fresh_stream(5, base), MaskStream)


@pytest.mark.parametrize("kind", VARIANTS)
def test_ours_conform(kind: type[Ppidm]) -> None:
    spec = Spec.of(kind())
    assert conformance.check("defense", spec.path) == []


def test_claims() -> None:
    ring, real = RingShares().claims, RealShares().claims
    assert [c.what for c in ring if isinstance(c, Hidden)] == [
        "image from all but one server",
        "prompt from all but one server",
        "image from one server",
    ]
    assert [c.normalized_leakage_at_most for c in real if isinstance(c, Hidden)] == [0.25]
    assert {c.share for c in real if isinstance(c, Offload)} == {0.67}
    assert {c.at_least for c in real if isinstance(c, Fidelity)} == {36.9}
    assert len({claim.label for claim in ring}) == len(ring)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": 1}, "one server sees all"),
        ({"share": "shamir"}, "must be one of ring, real, partition"),
        ({"preset": "all"}, "preset='all'"),
        ({"magnitude": 0.0}, "magnitude=0"),
        ({"precision": "fp8"}, "precision='fp8'"),
        ({"steps": 0}, "steps=0"),
        ({"checks": -1}, "checks=-1"),
        ({"modulus_bits": 30, "input_bits": 20}, "not even one product fits"),
    ],
)
def test_configurations_that_make_no_sense(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Ppidm(**fields)


def test_overflow_is_refused_before_anything_is_sent(tiny: Target) -> None:
    config = RingShares(steps=1, modulus_bits=36, preset="up_blocks")
    with pytest.raises(ValueError, match=r"up_blocks.*take a larger k"):
        run(config, tiny)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"step": torch.tensor(0), "share": torch.zeros(2, 64, 4, 4).long()},
        {"step": torch.tensor(9, dtype=torch.int32), "share": torch.zeros(2, 64, 4, 4).long()},
        {"step": torch.tensor(0, dtype=torch.int32), "share": torch.zeros(2, 64, 4, 4)},
        {"step": torch.tensor(0, dtype=torch.int32), "share": torch.zeros(2, 3, 4, 4).long()},
        {"step": torch.tensor(0, dtype=torch.int32), "share": torch.zeros(0, 64, 4, 4).long()},
        {"step": torch.tensor(0, dtype=torch.int32), "share": torch.zeros(64).long()},
    ],
)
def test_servers_refuse_nonsense(tiny: Target, tensors: dict[str, Tensor]) -> None:
    config = RingShares(steps=2, preset="up_blocks")
    half = config.server(config.servers[0], tiny, 0)
    with pytest.raises(ProtocolError):
        half.handle("layer-000", tensors)
    with pytest.raises(ProtocolError, match="kind="):
        half.handle("layer-999", {})
