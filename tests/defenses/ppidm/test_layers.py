"""Which layers leave, which share a request, and what share of a pass they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.nn import functional

from latentleak.defenses.ppidm import offload_share
from latentleak.defenses.ppidm.layers import PRESETS, Layer, request_groups
from latentleak.defenses.ppidm.macs import count_macs
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target


@pytest.fixture(scope="module")
def sd() -> Any:
    """Stable Diffusion 1.x, without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)


@pytest.mark.parametrize(
    ("preset", "share", "served"),
    [
        ("up_blocks", 0.6745, 0.578),
        ("conv_and_self_attention", 0.737, 0.5845),
        ("all_linear", 0.843, 0.843),
    ],
)
def test_shares_of_stable_diffusion(sd: Any, preset: str, share: float, served: float) -> None:
    macs = count_macs(sd, preset)
    assert macs.total == pytest.approx(401.6e9, rel=5e-4)
    assert macs.share == pytest.approx(share, abs=5e-4)
    assert macs.served_share == pytest.approx(served, abs=5e-4)
    assert offload_share(sd, preset) == macs.share


def test_counts_agree_with_a_count_by_hand(tiny: Target) -> None:
    """Every product with weights, from the shapes that a hook sees."""
    unet = sampling.open_denoiser(tiny).unet
    counts: dict[str, int] = {}
    hooks = []

    def count(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            weight: Any = module.weight
            counts[name] = output.numel() * weight[0].numel()

        return hook

    for name, module in unet.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            hooks.append(module.register_forward_hook(count(name)))
    unet(torch.randn(1, 4, 4, 4), torch.tensor(1), torch.randn(1, 77, 32))
    for hook in hooks:
        hook.remove()
    for preset in PRESETS:
        names = [name for group in request_groups(unet, preset) for name in group.names]
        assert count_macs(unet, preset).served == sum(counts[name] for name in names)


def test_q_k_v_share_a_request(sd: Any) -> None:
    for preset in PRESETS:
        for group in request_groups(sd, preset):
            leaves = [name.rpartition(".")[2] for name in group.names]
            if "attn1.to_q" in group.names[0]:
                assert leaves == ["to_q", "to_k", "to_v"]
            elif "attn2.to_k" in group.names[0]:
                assert leaves == ["to_k", "to_v"]
            else:
                assert len(leaves) == 1
    assert [len(request_groups(sd, preset)) for preset in PRESETS] == [111, 98, 234]


def test_groups_are_numbered_in_module_order(sd: Any) -> None:
    groups = request_groups(sd, "all_linear")
    order = {name: i for i, (name, _) in enumerate(sd.named_modules())}
    first = [order[group.names[0]] for group in groups]
    assert first == sorted(first)
    assert [group.kind for group in groups[:2]] == ["layer-000", "layer-001"]
    names = [name for group in groups for name in group.names]
    assert len(names) == len(set(names)) == 282


def test_what_a_preset_leaves_with_the_client(sd: Any) -> None:
    up = {name for group in request_groups(sd, "up_blocks") for name in group.names}
    assert all(name.startswith("up_blocks.") for name in up)
    assert not any(name.endswith(("attn2.to_k", "attn2.to_v", "time_emb_proj")) for name in up)
    convs = {n for g in request_groups(sd, "conv_and_self_attention") for n in g.names}
    assert "conv_in" in convs
    assert "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0" in convs
    assert not any("attn2" in name or ".ff." in name or "proj_in" in name for name in convs)


def test_unknown_presets_are_refused(sd: Any) -> None:
    with pytest.raises(ValueError, match=r"preset='down' must be one of up_blocks"):
        request_groups(sd, "down")


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(5, 3),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, (3, 1), stride=2, padding=(0, 1), dilation=2, groups=2),
    ],
)
def test_a_layer_is_its_module_less_the_bias(module: Any) -> None:
    layer = Layer.of("it", module)
    x = torch.randn(2, 5) if isinstance(module, nn.Linear) else torch.randn(2, 4, 9, 8)
    bias = module.bias if x.ndim == 2 else module.bias[:, None, None]
    product = layer.product(x)
    assert torch.allclose(product + bias, module(x), atol=1e-5)
    assert layer.shape(tuple(x.shape)) == tuple(product.shape)


def test_layers_that_are_no_plain_product_are_refused() -> None:
    with pytest.raises(ValueError, match="zero padding"):
        Layer.of("c", nn.Conv2d(2, 2, 3, padding_mode="circular"))
    with pytest.raises(ValueError, match="not a Conv2d"):
        Layer.of("n", nn.GroupNorm(1, 2))
    lora: Any = nn.Linear(2, 2)
    lora.lora_layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="fuse_lora"):
        Layer.of("l", lora)


def test_subclasses_of_linear_are_layers() -> None:
    class Compatible(nn.Linear):
        """As diffusers' LoRA-compatible layers: a second, unused argument."""

        lora_layer = None

        def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
            return functional.linear(x, self.weight, self.bias)

    assert Layer.of("c", Compatible(4, 2)).inputs == 4
