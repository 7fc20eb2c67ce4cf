"""ObCLIP end to end on the tiny model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from latentleak.defenses.codec import ProtocolError, decode, decode_texts, encode_texts
from latentleak.defenses.obclip.protocol import SERVER, ObClip
from latentleak.defenses.plain import Plain
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import derive, torch_stream
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target

PROMPT = "woman firefighter: medium skin tone"
DEFENSE = ObClip(steps=4, k=2)


def test_the_server_sees_all_candidates_once_and_returns_all(tiny: Target) -> None:
    view = execute(DEFENSE, tiny, PROMPT, 1)[1].view({SERVER})
    kinds = [(m.kind, m.sender) for m in view.messages]
    assert kinds == [
        ("generate", "client"),
        ("generate", SERVER),
        ("acknowledge", "client"),
        ("acknowledge", SERVER),
    ]
    request, reply = decode(view.messages[0].payload), decode(view.messages[1].payload)
    assert tuple(decode_texts(request["prompts"])) == DEFENSE.candidates(PROMPT)
    assert reply["latents"].shape[0] == 10
    assert view.messages[1].work == {"calls": 2, "rows": 2 * 2 * 10}
    assert view.messages[2].work == {"calls": 0, "rows": 0}


def test_the_output_is_cloud_steps_then_local_steps(tiny: Target) -> None:
    output, _ = execute(DEFENSE, tiny, PROMPT, 1)
    local, cloud = sampling.open_denoiser(tiny, "local"), sampling.open_denoiser(tiny)
    seed = derive(derive(1, "client"), "noise")
    assert seed != 1
    noise = sampling.initial_noise(local, 1, torch_stream(derive(1, "client"), "noise"))
    row = DEFENSE.candidates(PROMPT).index(PROMPT)
    many = sampling.denoise(
        cloud,
        noise.repeat(10, 1, 1, 1),
        sampling.encode_prompts(cloud, DEFENSE.candidates(PROMPT)),
        steps=4,
        stop=2,
        guidance=DEFENSE.guidance,
    )
    done = sampling.denoise(
        local,
        many.latents.half().float()[row : row + 1],
        sampling.encode_prompts(local, [PROMPT]),
        steps=4,
        start=2,
        guidance=DEFENSE.guidance,
    )
    torch.testing.assert_close(output.latents, done.latents, rtol=0, atol=0)


@pytest.mark.parametrize("defense", [DEFENSE, Plain(steps=2)])
def test_same_seed_same_bytes_other_seed_other_bytes(tiny: Target, defense: ObClip | Plain) -> None:
    views = [execute(defense, tiny, PROMPT, seed)[1].view({SERVER}).digest() for seed in (1, 1, 2)]
    assert views[0] == views[1] != views[2]


def test_plain_sends_the_prompt_and_nothing_else(tiny: Target) -> None:
    view = execute(Plain(steps=2), tiny, PROMPT, 1)[1].view({SERVER})
    assert decode_texts(decode(view.messages[0].payload)["prompts"]) == [PROMPT]


def test_client_and_server_seeds_differ(tiny: Target) -> None:
    view = execute(DEFENSE, tiny, PROMPT, 9)[1].view({SERVER})
    assert view.coins == {SERVER: derive(9, "server", SERVER)}
    assert view.coins[SERVER] not in (9, derive(9, "client"))


@pytest.mark.parametrize("k", [0, 4, 5, -1])
def test_the_switch_lies_inside_the_grid(k: int) -> None:
    with pytest.raises(ValueError, match=f"k={k} must be > 0 and < steps=4"):
        ObClip(steps=4, k=k)


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": torch.tensor([1, 2], dtype=torch.uint8)},
        {"prompts": torch.tensor([1.0])},
        {"noise": torch.zeros(1, 4, 4)},
        {"noise": torch.zeros(2, 4, 4, 4)},
        {"extra": torch.zeros(1)},
        {"prompts": encode_texts([])},
        {"prompts": encode_texts(["x"] * 65)},
    ],
)
def test_the_server_refuses_what_the_protocol_does_not_allow(
    tiny: Target, change: dict[str, torch.Tensor]
) -> None:
    request = {
        "prompts": encode_texts(["a", "b"]),
        "noise": torch.zeros(1, 4, 4, 4),
        "pivot": torch.tensor(0),
    }
    server = DEFENSE.server(SERVER, tiny, 0)
    with pytest.raises(ProtocolError):
        server.handle("generate", request | change)
    with pytest.raises(ProtocolError, match="kind='train'"):
        server.handle("train", request)


def test_a_server_that_returns_too_few_latents_is_noticed(tiny: Target) -> None:
    class Lazy:
        def handle(self, kind: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"latents": torch.zeros(1, 4, 4, 4)}

    class Cheated(ObClip):
        def server(self, me: object, target: object, seed: int) -> Lazy:  # type: ignore[override]
            return Lazy()

    with pytest.raises(ProtocolError, match="must return 10 latents"):
        execute(replace(Cheated(), steps=4, k=2), tiny, PROMPT, 1)
