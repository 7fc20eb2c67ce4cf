"""Random pipelines of a few thousand weights, saved in the formats of SD 1.x, 2.x and SDXL."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from latentleak.targets.pipeline import EMBEDDED
from latentleak.targets.quiet import quiet

BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


def autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
    )


def unet(width: int, **options: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=2,
        norm_num_groups=4,
        **options,
    )


def text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
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


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders `sd1`, `sd2` (velocity prediction) and `sdxl`."""
    root = tmp_path_factory.mktemp("pipelines")
    tokenizer = CLIPTokenizer.from_pretrained(str(EMBEDDED / "tokenizer"))
    torch.manual_seed(0)
    schedulers = {
        "sd1": PNDMScheduler(skip_prk_steps=True, **BETAS),
        "sd2": DDIMScheduler(prediction_type="v_prediction", clip_sample=False, **BETAS),
    }
    with quiet():
        for name, scheduler in schedulers.items():
            StableDiffusionPipeline(
                vae=autoencoder(),
                text_encoder=CLIPTextModel(text_config(tokenizer)),
                tokenizer=tokenizer,
                unet=unet(16),
                scheduler=scheduler,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            ).save_pretrained(root / name, safe_serialization=True)
        StableDiffusionXLPipeline(
            vae=autoencoder(),
            text_encoder=CLIPTextModel(text_config(tokenizer)),
            text_encoder_2=CLIPTextModelWithProjection(text_config(tokenizer)),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=unet(
                32,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=16 + 6 * 8,
            ),
            scheduler=EulerDiscreteScheduler(**BETAS),
            add_watermarker=False,
        ).save_pretrained(root / "sdxl", safe_serialization=True)
    return {name: root / name for name in ("sd1", "sd2", "sdxl")}
