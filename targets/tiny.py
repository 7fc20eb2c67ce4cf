"""A Stable Diffusion of a few thousand random weights: same formats, milliseconds a step."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .pipeline import EMBEDDED
from .quiet import quiet

WIDTH = 32


@cache
def tiny_folder() -> Path:
    """A folder with the tiny pipeline, the same in every process; removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="latentleak-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = CLIPTokenizer.from_pretrained(str(EMBEDDED / "tokenizer"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts: dict[str, Any] = {
            "vae": _autoencoder(),
            "text_encoder": _text_encoder(tokenizer),
            "tokenizer": tokenizer,
            "unet": _unet((16, 32)),
            "scheduler": _scheduler(),
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        }
        pipeline = StableDiffusionPipeline(**parts)
        local = _unet((8, 16))
    with quiet():
        pipeline.save_pretrained(folder, safe_serialization=True)
    local.save_pretrained(folder / "local" / "unet", safe_serialization=True)
    return folder


def _scheduler() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        steps_offset=1,
    )


def _unet(channels: tuple[int, int]) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def _autoencoder() -> AutoencoderTiny:
    return AutoencoderTiny(
        latent_channels=4,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(0, 1),
        num_decoder_blocks=(1, 0),
    )


def _text_encoder(tokenizer: Any) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)
