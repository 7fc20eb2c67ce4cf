"""Image encoders: the embedded one is the embedded CLIP, any folder is read, gradients flow."""

import json
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from latentleak.targets import TargetError
from latentleak.targets.clip import Clip
from latentleak.targets.features import CLIP_MEAN, ImageEncoder


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand((3, 3, 64, 64), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=16, patch_size=8, projection_dim=12,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(path)
    return path


def test_embedded_is_the_embedded_clip(images: torch.Tensor) -> None:
    encoder = ImageEncoder.open()
    assert encoder.width == 256
    torch.testing.assert_close(encoder.embed(images), Clip.open().embed_images(images))


def test_gradients_reach_the_images(images: torch.Tensor) -> None:
    leaf = images.clone().requires_grad_()
    ImageEncoder.open().features(leaf)[0].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad[0].abs().sum() > 0
    assert leaf.grad[1:].abs().sum() == 0


def test_a_folder(folder: Path, images: torch.Tensor) -> None:
    encoder = ImageEncoder.open(folder)
    assert (encoder.size, encoder.width, encoder.mean) == (16, 12, CLIP_MEAN)
    out = encoder.embed(images)
    assert out.shape == (3, 12)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(3))
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3]}))
    other = ImageEncoder.open(folder)
    assert other.mean == (0.1, 0.2, 0.3)
    assert not torch.allclose(other.embed(images), out)


def test_errors(tmp_path: Path, images: torch.Tensor) -> None:
    with pytest.raises(TargetError, match=r"has no config\.json"):
        ImageEncoder.open(tmp_path)
    with pytest.raises(TargetError, match=r"need \(n, 3, h, w\)"):
        ImageEncoder.open().features(images[:, :1])
