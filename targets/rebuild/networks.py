"""The architectures of the embedded model, untrained."""

from typing import Any

from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from .tokenizer import LENGTH

WIDTH = 256
LATENT_CHANNELS = 16
LATENT_SIZE = 8
EAGER: dict[str, Any] = {"attn_implementation": "eager"}  # faster backwards at this size
CHANNELS = {"cloud": (128, 192), "local": (64, 80)}


def new_unet(role: str) -> UNet2DConditionModel:
    """The U-Net of the `cloud` or the `local` model: same latents, same text."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=CHANNELS[role],
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        use_linear_projection=True,
    )


def new_text_encoder(tokenizer: Any) -> CLIPTextModel:
    """A small causal transformer over the captions' tokens."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **EAGER,
    )
    return CLIPTextModel(config)


def new_image_encoder() -> CLIPVisionModelWithProjection:
    """A small vision transformer over 8 x 8 patches of 64 x 64 images."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=192,
            intermediate_size=768,
            projection_dim=WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=64,
            patch_size=8,
            **EAGER,
        )
    )


def new_scheduler() -> DPMSolverMultistepScheduler:
    """Second-order multistep solver on Stable Diffusion's noise levels, velocity prediction."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="linspace",
        steps_offset=1,
    )
