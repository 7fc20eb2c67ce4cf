"""Multiply-accumulates: published counts, and savings from the shapes of layers alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from latentleak.defenses.obclip.acceleration import PRESETS, Acceleration
from latentleak.defenses.obclip.cost import ServerCost, server_cost, shapes
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.targets.pipeline import Target
from latentleak.targets.sampling import open_denoiser

TOKENS = 7


@pytest.fixture(scope="module")
def sd() -> Any:
    """Stable Diffusion 1.x in full size, without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)


@pytest.fixture(scope="module")
def presets(sd: Any) -> dict[str, ServerCost]:
    """Of six candidates on Stable Diffusion."""
    return {name: preset_cost(sd, name) for name in PRESETS}


def preset_cost(unet: Any, name: str, rows: int = 6, tokens: int = 77) -> ServerCost:
    defense = ObClip.preset(name)
    return server_cost(unet, defense.acceleration, rows=rows, k=defense.k, tokens=tokens)


@pytest.mark.parametrize(("k", "tera"), [(25, 20.08), (10, 8.03), (5, 4.02)])
def test_stable_diffusion_costs_what_is_known(sd: Any, k: int, tera: float) -> None:
    cost = server_cost(sd, Acceleration(), rows=1, k=k)
    assert round(cost.total / 1e12, 2) == tera


@pytest.mark.parametrize(
    ("name", "plain", "below", "published"),
    [
        ("paper-k5", 0.899, 6.67, (0.90, 6.7)),
        ("paper-k10", 1.770, 3.39, (1.80, 3.3)),
        ("lean-k5", 0.413, 14.52, (0.90, 6.7)),
        ("lean-k10", 0.894, 6.71, (1.80, 3.3)),
    ],
)
def test_presets_on_stable_diffusion(
    presets: dict[str, ServerCost],
    name: str,
    plain: float,
    below: float,
    published: tuple[float, float],
) -> None:
    """Six candidates. The paper's ratios within 3 %, or beaten."""
    cost = presets[name]
    assert round(cost.to_plain, 3) == plain
    assert round(cost.below_oblivious, 2) == below
    assert cost.to_plain < 1.01 * published[0]
    assert cost.below_oblivious > 0.99 * published[1]


def test_each_phase_saves_what_the_paper_says(presets: dict[str, ServerCost]) -> None:
    """About 10 % before r, 20 % with temporal attention, near 50 % after s."""
    cost = presets["paper-k10"]
    saved = [1 - step / cost.vanilla for step in cost.steps]
    assert saved[0] == pytest.approx(0.107, abs=0.001)
    assert saved[4] == pytest.approx(0.236, abs=0.001)
    assert saved[6] == pytest.approx(0.466, abs=0.001)


def test_the_embedded_model_at_six_candidates() -> None:
    unet = open_denoiser(Target()).unet
    assert preset_cost(unet, "lean-k10", tokens=32).to_plain < 1
    assert preset_cost(unet, "paper-k10", tokens=32).to_plain == pytest.approx(1.918, abs=0.001)


def lengths(unet: Any) -> dict[str, tuple[int, int]]:
    """Of each attention layer: tokens that ask, and tokens that are asked."""
    found: dict[str, list[int]] = {}
    hooks = []
    for name, layer in unet.named_modules():
        if hasattr(layer, "to_q"):
            for part in (layer.to_q, layer.to_k):
                hooks.append(
                    part.register_forward_hook(
                        lambda _, given, __, name=name: found.setdefault(name, []).append(
                            given[0].shape[1]
                        )
                    )
                )
    given = shapes(unet.config, 1, TOKENS)
    for name, value in given.items():
        given[name] = (
            {k: v.new_zeros(v.shape, device="cpu") for k, v in value.items()}
            if isinstance(value, dict)
            else value.new_zeros(value.shape, device="cpu")
        )
    with torch.no_grad():
        unet(**given)
    for hook in hooks:
        hook.remove()
    return {name: (pair[0], pair[1]) for name, pair in found.items()}


def test_reuse_saves_queries_keys_and_maps_of_all_rows_but_one(unet: Any) -> None:
    rows, layers, saved = 3, dict(unet.named_modules()), 0
    for name, (asks, asked) in lengths(unet).items():
        layer, width = layers[name], layers[name].to_q.out_features
        saved += asks * layer.to_q.in_features * width + asked * layer.to_k.in_features * width
        saved += asks * asked * width
    cost = server_cost(unet, Acceleration(reuse_until=1), rows=rows, k=2, tokens=TOKENS)
    assert cost.vanilla - cost.steps[0] == 2 * (rows - 1) * saved
    assert cost.steps[1] == cost.vanilla


def test_recalled_attention_costs_values_of_prompts_only(unet: Any) -> None:
    layers, saved = dict(unet.named_modules()), 0
    for name, (asks, asked) in lengths(unet).items():
        layer, width = layers[name], layers[name].to_q.out_features
        saved += asks * layer.to_q.in_features * width + asked * layer.to_k.in_features * width
        saved += asks * asked * width
        if "attn1" in name:  # self-attention: values, their sum and the way back as well
            saved += asked * layer.to_v.in_features * width + asks * asked * width
            saved += asks * width * layer.to_out[0].out_features
    cost = server_cost(unet, Acceleration(cache_from=1), rows=2, k=2, tokens=TOKENS)
    assert cost.steps[0] == cost.vanilla
    assert cost.vanilla - cost.steps[1] == 4 * saved


def test_shared_steps_cost_one_row_and_guidance_doubles(unet: Any) -> None:
    knobs = Acceleration(lead_until=1)
    both = server_cost(unet, knobs, rows=5, k=2, tokens=TOKENS)
    assert both.steps == (both.vanilla // 5, both.vanilla)
    assert both.oblivious == 5 * both.plain == 25 * both.vanilla
    one = server_cost(unet, knobs, rows=5, k=2, tokens=TOKENS, guided=False)
    assert both.total == 2 * one.total
