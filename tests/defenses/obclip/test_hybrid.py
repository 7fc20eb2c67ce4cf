"""The protocol with accelerations, other grids, other shapes: exact hand-over, constant cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline

from latentleak.defenses.codec import ProtocolError, decode, encode_texts
from latentleak.defenses.obclip.acceleration import Acceleration
from latentleak.defenses.obclip.cloud import CloudSteps, guidance_embedding
from latentleak.defenses.obclip.procedure import Procedure
from latentleak.defenses.obclip.protocol import SERVER, ObClip
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import torch_stream
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target, load

PROMPT = "woman firefighter: medium skin tone"
PAIR = "a woman with her dog"
CONFIGURATIONS = {
    "off": ObClip(steps=6, k=5),
    "paper-k5": ObClip.preset("paper-k5", steps=6),
    "lean-k5": ObClip.preset("lean-k5", steps=6),
    "paper-k10": ObClip.preset("paper-k10", steps=11),
    "lean-k10": ObClip.preset("lean-k10", steps=11),
    "history": ObClip(steps=4, k=2, history=True),
    "few steps": ObClip(steps=6, server_steps=4, k=2, sampler="lcm", cache_from=1),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_view_is_the_same_bytes_whichever_candidate_is_real(name: str, tiny: Target) -> None:
    """Messages, sizes, order and work counts: equal coins, equal views."""
    defense = CONFIGURATIONS[name]
    prompts = defense.candidates(PAIR if name.endswith("k10") else PROMPT)
    digests = {execute(defense, tiny, p, 1)[1].view({SERVER}).digest() for p in prompts}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Procedure(pivot=lambda rows, real: rows.index(real)),
        Procedure(lead=lambda rows, real: [float(row == real) for row in rows]),
        Procedure(noise=lambda rows, real, seed: torch_stream(0, "row", rows.index(real))),
    ],
)
def test_one_replaced_function_is_seen_in_the_view(broken: Procedure, tiny: Target) -> None:
    defense = replace(CONFIGURATIONS["lean-k5"], procedure=broken)
    prompts = defense.candidates(PAIR)
    digests = {execute(defense, tiny, p, 1)[1].view({SERVER}).digest() for p in prompts}
    assert len(digests) == len(prompts) == 2


@pytest.mark.parametrize(
    ("name", "rows"),
    [("off", 5 * 20), ("paper-k5", 5 * 20), ("lean-k5", 3 * 2 + 2 * 20), ("few steps", 2 * 10)],
)
def test_work_counts_the_rows_that_were_computed(name: str, rows: int, tiny: Target) -> None:
    defense = CONFIGURATIONS[name]
    view = execute(defense, tiny, PROMPT, 1)[1].view({SERVER})
    assert view.messages[1].work == {"calls": defense.k, "rows": rows}
    assert view.messages[2].work == {"calls": 0, "rows": 0}


def test_a_server_remembers_nothing_from_one_request_to_the_next(tiny: Target) -> None:
    server = CONFIGURATIONS["paper-k5"].server(SERVER, tiny, 0)
    request = {
        "prompts": encode_texts(["a", "b"]),
        "noise": torch.ones(1, 4, 4, 4),
        "pivot": torch.tensor(0),
    }
    first = server.handle("generate", request)["latents"]
    server.handle("generate", request | {"prompts": encode_texts(["c", "d", "e"])})
    torch.testing.assert_close(server.handle("generate", request)["latents"], first, rtol=0, atol=0)


def test_with_the_solvers_memory_the_switch_leaves_no_trace(tiny: Target) -> None:
    """One model on both sides: with history the run is the undivided one, without it is not."""
    same = Target(spec=tiny.spec, local=tiny.spec, device="cpu")
    pipe = sampling.open_denoiser(same)
    # The folder's own local U-Net is not used when the client's model is named.
    assert sampling.open_denoiser(same, "local").unet.config == pipe.unet.config
    errors = {}
    for history in (False, True):
        defense = ObClip(steps=8, k=4, history=history)
        output, transcript = execute(defense, same, PAIR, 3)
        request = decode(transcript.view({SERVER}).messages[0].payload)
        undivided = sampling.denoise(
            pipe, request["noise"], sampling.encode_prompts(pipe, [PAIR]), steps=8
        )
        errors[history] = float((output.latents - undivided.latents).abs().max())
    assert errors[True] < 0.02 < errors[False] / 2


@pytest.mark.parametrize("name", ["sd", "sdxl", "lcm"])
@pytest.mark.parametrize("preset", ["paper-k5", "lean-k5"])
def test_pairs_of_every_shape(pairs: dict[str, Path], name: str, preset: str) -> None:
    target = load(str(pairs[name]), device="cpu")
    grid: dict[str, Any] = {"steps": 6}
    if name == "lcm":
        grid = {"steps": 12, "server_steps": 8, "sampler": "lcm"}
    output, transcript = execute(ObClip.preset(preset, **grid), target, PAIR, 1)
    assert output.latents.shape == (1, 4, 8, 8)
    assert output.latents.isfinite().all()
    assert transcript.view({SERVER}).messages[1].work is not None


@pytest.mark.parametrize(
    ("grid", "start"),
    [
        ({"steps": 25, "k": 10}, 10),
        ({"steps": 25, "server_steps": 8, "k": 4}, 12),
        ({"steps": 25, "server_steps": 8, "k": 4, "shift": 0}, 4),
        ({"steps": 25, "server_steps": 8, "k": 4, "shift": 10}, 14),
        ({"steps": 25, "server_steps": 50, "k": 20}, 10),
    ],
)
def test_the_client_goes_on_at_the_equal_noise_level(grid: dict[str, Any], start: int) -> None:
    """The paper's best shift for 8 steps of LCM-SDXL and k = 4 is 8, which is step 12."""
    assert ObClip(**grid).start == start


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"steps": 25, "server_steps": 8, "k": 9}, "k=9 must be <= server_steps=8"),
        ({"steps": 25, "server_steps": 8, "k": 8}, "gives step 25 to go on at"),
        ({"steps": 25, "k": 10, "shift": 15}, "k=10 with shift=15 gives step 25"),
    ],
)
def test_refused_grids(grid: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObClip(**grid)


def test_a_consistency_model_adds_one_noise_to_all_rows(pairs: dict[str, Path]) -> None:
    pipe = sampling.open_denoiser(load(str(pairs["lcm"]), device="cpu"))
    steps = CloudSteps(steps=8, stop=4, guidance=4.0, sampler="lcm", acceleration=Acceleration())
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    done = steps.run(pipe, noise, ["a dog", "a dog", "a cat"], seed=5)
    torch.testing.assert_close(done.latents[0], done.latents[1], rtol=0, atol=1e-5)
    assert (done.latents[0] - done.latents[2]).abs().max() > 1e-4
    other = steps.run(pipe, noise, ["a dog"], seed=6)
    assert (done.latents[0] - other.latents[0]).abs().max() > 0.1


@pytest.mark.parametrize("width", [12, 13, 256])
def test_guidance_is_told_as_diffusers_tells_it(width: int) -> None:
    stand_in: Any = None
    reference = LatentConsistencyModelPipeline.get_guidance_scale_embedding(
        stand_in, torch.tensor([6.5]), embedding_dim=width
    )
    torch.testing.assert_close(guidance_embedding(6.5, width), reference, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"pivot": torch.tensor(2)},
        {"pivot": torch.tensor(-1)},
        {"pivot": torch.tensor(0.0)},
        {"pivot": torch.tensor([0])},
        {"lead": torch.ones(3)},
        {"lead": torch.ones(2, 1)},
    ],
)
def test_what_the_server_refuses(tiny: Target, change: dict[str, torch.Tensor]) -> None:
    request = {
        "prompts": encode_texts(["a", "b"]),
        "noise": torch.zeros(1, 4, 4, 4),
        "pivot": torch.tensor(1),
        "lead": torch.tensor([0.5, 0.5]),
    }
    server = CONFIGURATIONS["lean-k5"].server(SERVER, tiny, 0)
    server.handle("generate", request)
    with pytest.raises(ProtocolError):
        server.handle("generate", request | change)
    with pytest.raises(ProtocolError):
        CONFIGURATIONS["off"].server(SERVER, tiny, 0).handle("generate", request)


def test_what_the_server_knows_names_the_knobs_that_are_on() -> None:
    assert set(ObClip().public) == {"steps", "k", "guidance"}
    assert ObClip.preset("lean-k10").public["lead_until"] == 6
    assert CONFIGURATIONS["few steps"].public["sampler"] == "lcm"
