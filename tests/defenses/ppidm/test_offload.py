"""Twins of U-Nets of the shapes of Stable Diffusion 1.x and XL, one pass through servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from latentleak.defenses.codec import ProtocolError, decode
from latentleak.defenses.ppidm.client import sharing_of
from latentleak.defenses.ppidm.layers import PRESETS, RequestGroup, layers_of, request_groups
from latentleak.defenses.ppidm.offload import RemoteRequest, Session, offloaded
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.server import LayerServer, serve
from latentleak.defenses.transcript import Transcript
from latentleak.defenses.transport import InProcess
from latentleak.defenses.wire import MAX_PAYLOAD, Party, Server, Wire
from latentleak.targets.pipeline import Target

SHAPES = ("sd", "sdxl")
MODES: dict[str, tuple[dict[str, Any], float]] = {
    "ring": ({}, 2e-4),
    "ring, 32 bits": ({"modulus_bits": 32, "input_bits": 13, "weight_bits": 10}, 3e-2),
    "real": ({"share": "real"}, 2e-4),
    "partition": ({"share": "partition"}, 2e-5),
}
"""Configuration, and the largest error against the range of the plain output."""


def sd_unet() -> Any:
    """Four levels, heads by number, 1 x 1 convolutions around transformers: as SD 1.x."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16, 16),
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()


def sdxl_unet() -> Any:
    """Three levels, several transformer layers, text and sizes added to the time: as SDXL."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=(1, 2, 3),
        attention_head_dim=(2, 4, 4),
        use_linear_projection=True,
        cross_attention_dim=12,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=34,
        norm_num_groups=4,
    ).eval()


def inputs(unet: Any) -> dict[str, Any]:
    """Both branches of guidance, random."""
    coins = torch.Generator().manual_seed(1)
    found: dict[str, Any] = {
        "sample": torch.randn(2, 4, 8, 8, generator=coins),
        "timestep": torch.tensor(500),
        "encoder_hidden_states": torch.randn(2, 7, 12, generator=coins),
    }
    if unet.config.addition_embed_type == "text_time":
        found["added_cond_kwargs"] = {
            "text_embeds": torch.randn(2, 10, generator=coins),
            "time_ids": torch.ones(2, 6),
        }
    return found


class Servers:
    """Stands in for a defence whose servers hold the layers of a U-Net without a target."""

    def __init__(self, config: Ppidm, unet: Any) -> None:
        self.config = config
        self.unet = unet

    def server(self, me: Party, target: Target, seed: int) -> Server:
        sharing, index = sharing_of(self.config), self.config.servers.index(me)
        served = serve(self.unet, self.config.preset, sharing, index)
        return LayerServer(served=served, dtype=sharing.dtype, steps=self.config.steps)


def passed(
    config: Ppidm, unet: Any, given: Mapping[str, Any], limit: int = MAX_PAYLOAD
) -> tuple[Tensor, Transcript]:
    """One pass of a U-Net whose layers are at servers, and what crossed."""
    transcript = Transcript()
    stand_in: Any = Servers(config, unet)
    with InProcess().connect(stand_in, Target(), dict.fromkeys(config.servers, 0)) as link:
        wire = Wire(link, transcript.append)
        sharing = sharing_of(config, 7, config.procedure)
        session = Session(wire, config.servers, sharing, limit=limit)
        with torch.no_grad():
            output = offloaded(unet, config.preset, session)(**given).sample
    return output, transcript


@pytest.fixture(scope="module", params=SHAPES)
def unet(request: pytest.FixtureRequest) -> Any:
    return sd_unet() if request.param == "sd" else sdxl_unet()


def plain(unet: Any) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(unet(**inputs(unet)).sample)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("mode", MODES)
def test_a_pass_gives_what_the_model_gives(unet: Any, preset: str, mode: str) -> None:
    fields, tolerance = MODES[mode]
    config = Ppidm(preset=preset, n=3, steps=1, **fields)
    output, transcript = passed(config, unet, inputs(unet))
    exact = plain(unet)
    assert (output - exact).abs().max() < tolerance * exact.abs().max()
    assert len(transcript) == 2 * 3 * len(request_groups(unet, preset))
    transcript.close()


@pytest.mark.parametrize(
    ("fields", "limit"),
    [({"modulus_bits": 44, "input_bits": 16}, 24_000), ({"share": "partition"}, 12_000)],
)
def test_cut_messages_add_up_to_the_same(unet: Any, fields: dict[str, Any], limit: int) -> None:
    config = Ppidm(n=2, steps=1, **fields)
    whole, long = passed(config, unet, inputs(unet))
    cut, short = passed(config, unet, inputs(unet), limit=limit)
    assert torch.allclose(cut, whole, atol=1e-5)
    assert max(len(m.payload) for m in short) <= limit < max(len(m.payload) for m in long)
    assert len(short) > len(long)
    for transcript in (long, short):
        transcript.close()


def test_the_model_stays_as_it_is(unet: Any) -> None:
    before = {name: (id(module), len(module._modules)) for name, module in unet.named_modules()}
    passed(Ppidm(n=2, steps=1), unet, inputs(unet))[1].close()
    assert {n: (id(m), len(m._modules)) for n, m in unet.named_modules()} == before


def test_branches_lead_every_share(unet: Any) -> None:
    _, transcript = passed(Ppidm(n=2, steps=1), unet, inputs(unet))
    for message in transcript:
        for name, tensor in decode(message.payload).items():
            assert tensor.dtype == (torch.int32 if name == "step" else torch.int64)
            assert name == "step" or len(tensor) == 2
    transcript.close()


def test_a_second_pass_in_one_step_is_refused(unet: Any) -> None:
    class Echo:
        def scatter(self, kind: str, tensors: Mapping[Party, Mapping[str, Tensor]]) -> Any:
            served = serve(unet, config.preset, sharing_of(config), 0)
            half = LayerServer(served=served, dtype=torch.int64, steps=1)
            return {server: half.handle(kind, asked) for server, asked in tensors.items()}

    config, echo = Ppidm(n=2, steps=1, preset="up_blocks"), Echo()
    wire: Any = echo
    session = Session(wire, config.servers, sharing_of(config, 7))
    group = next(g for g in request_groups(unet, "up_blocks") if g.names[0].endswith("conv1"))
    layers = layers_of(unet, group)
    x = torch.ones(2, layers[0].inputs, 4, 4)
    session.ask(group, layers, x)
    with pytest.raises(RuntimeError, match="masks repeat"):
        session.ask(group, layers, x)


def test_layers_that_share_a_request_must_share_an_input(unet: Any) -> None:
    class Twice:
        def ask(self, group: RequestGroup, layers: Any, x: Tensor) -> list[Tensor]:
            return [layer.product(x) for layer in layers]

    session: Any = Twice()
    group = next(g for g in request_groups(unet, "all_linear") if len(g.names) == 3)
    request = RemoteRequest(session, group, layers_of(unet, group))
    x = torch.randn(2, 5, request.layers[0].inputs)
    assert torch.equal(request.product(0, x), request.layers[0].product(x))
    assert torch.equal(request.product(2, x.clone()), request.layers[2].product(x))
    with pytest.raises(RuntimeError, match="same input"):
        request.product(1, x + 1)


def test_half_precision_that_overflows_is_told() -> None:
    unet = sd_unet()
    given = inputs(unet) | {"sample": 1e4 * inputs(unet)["sample"]}
    config = Ppidm(n=2, steps=1, share="real", precision="fp16", magnitude=64.0)
    with pytest.raises(ProtocolError, match="not finite"):
        passed(config, unet, given)
