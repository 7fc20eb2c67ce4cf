"""Random U-Nets and pipelines of the shapes of SD 1.x, BK-SDM, SDXL, Koala and LCM-SDXL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    LCMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from latentleak.targets.pipeline import EMBEDDED
from latentleak.targets.quiet import quiet

XL: dict[str, Any] = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (8, 16, 16),
    "use_linear_projection": True,
    "cross_attention_dim": 32,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
}
SHAPES: dict[str, dict[str, Any]] = {
    "sd": {"block_out_channels": (8, 16, 16, 16), "cross_attention_dim": 16},
    "bk-sdm": {
        "block_out_channels": (8, 16, 16),
        "cross_attention_dim": 16,
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3,
        "up_block_types": ("CrossAttnUpBlock2D",) * 3,
        "mid_block_type": None,
    },
    "sdxl": {"layers_per_block": 2, "transformer_layers_per_block": (1, 2, 3), **XL},
    "koala": {"layers_per_block": 1, "mid_block_type": None, **XL},
    "lcm": {"layers_per_block": 1, "time_cond_proj_dim": 12, **XL},
}
BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "clip_sample": False,
}


def make_unet(shape: str) -> Any:
    """A U-Net of one of the shapes, with weights large enough to tell rows apart."""
    torch.manual_seed(0)
    options = {"attention_head_dim": 2, "norm_num_groups": 4, "sample_size": 8, **SHAPES[shape]}
    return UNet2DConditionModel(**options).eval().requires_grad_(False)


@pytest.fixture(scope="session", params=["sd", "bk-sdm", "sdxl"])
def unet(request: pytest.FixtureRequest) -> Any:
    return make_unet(request.param)


@pytest.fixture(scope="session")
def lcm_unet() -> Any:
    return make_unet("lcm")


def _text(tokenizer: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _pipeline(cloud: str, scheduler: Any) -> Any:
    tokenizer = CLIPTokenizer.from_pretrained(str(EMBEDDED / "tokenizer"))
    parts: dict[str, Any] = {
        "vae": AutoencoderTiny(
            latent_channels=4,
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(0, 1),
            num_decoder_blocks=(1, 0),
        ),
        "text_encoder": CLIPTextModel(_text(tokenizer)),
        "tokenizer": tokenizer,
        "unet": make_unet(cloud),
        "scheduler": scheduler,
    }
    if "addition_embed_type" not in SHAPES[cloud]:
        return StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    second = {
        "text_encoder_2": CLIPTextModelWithProjection(_text(tokenizer)),
        "tokenizer_2": tokenizer,
    }
    return StableDiffusionXLPipeline(**parts, **second, add_watermarker=False)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A cloud model with a client's beside it: `sd` + `bk-sdm`, `sdxl` and `lcm` + `koala`."""
    root = tmp_path_factory.mktemp("pairs")
    with quiet():
        for cloud, local in (("sd", "bk-sdm"), ("sdxl", "koala"), ("lcm", "koala")):
            scheduler = (LCMScheduler if cloud == "lcm" else DDIMScheduler)(**BETAS)
            _pipeline(cloud, scheduler).save_pretrained(root / cloud, safe_serialization=True)
            make_unet(local).save_pretrained(root / cloud / "local/unet", safe_serialization=True)
    return {name: root / name for name in ("sd", "sdxl", "lcm")}
