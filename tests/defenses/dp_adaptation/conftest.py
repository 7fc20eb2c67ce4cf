"""Tiny pipelines of every kind that adaptation supports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from latentleak.targets.pipeline import Target, load
from latentleak.targets.quiet import quiet

KINDS = ("v_prediction", "epsilon", "sample")


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory, tiny: Target) -> dict[str, Target]:
    """The tiny target with each of the three things that a model may predict."""
    targets = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp("kinds") / kind
        shutil.copytree(tiny.folder(), folder)
        path = folder / "scheduler" / "scheduler_config.json"
        config = json.loads(path.read_text()) | {"prediction_type": kind}
        path.write_text(json.dumps(config))
        targets[kind] = load(str(folder), device="cpu")
    return targets


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory, tiny: Target) -> Target:
    """An SDXL of random weights; its second encoder names the old end of text, 2."""
    folder: Path = tmp_path_factory.mktemp("sdxl")
    base = tiny.open()
    config = CLIPTextConfig(**(base.text_encoder.config.to_dict() | {"projection_dim": 24}))
    config.hidden_size, config.intermediate_size = 24, 48
    config.eos_token_id = 2
    torch.manual_seed(3)
    unet = UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32 + 24,
        attention_head_dim=2,
        norm_num_groups=4,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24 + 6 * 8,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
    )
    with quiet():
        StableDiffusionXLPipeline(
            vae=vae,
            text_encoder=base.text_encoder,
            text_encoder_2=CLIPTextModelWithProjection(config),
            tokenizer=base.tokenizer,
            tokenizer_2=base.tokenizer,
            unet=unet,
            scheduler=base.scheduler,
            add_watermarker=False,
        ).save_pretrained(folder, safe_serialization=True)
    return load(str(folder), device="cpu")
