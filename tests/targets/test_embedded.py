"""The model that ships: it opens everywhere, reads every caption word whole, keeps images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from latentleak.targets import Emoji, load
from latentleak.targets.captions import caption
from latentleak.targets.clip import Clip
from latentleak.targets.image_metrics import kernel_distance, perceptual_distance, psnr, ssim
from latentleak.targets.pipeline import EMBEDDED
from latentleak.targets.quiet import quiet
from latentleak.targets.rebuild.tokenizer import texts, words
from latentleak.targets.sampling import decode, encode, generate

MEGABYTES = 95


def as_floats(images: object) -> torch.Tensor:
    return torch.as_tensor(images).permute(0, 3, 1, 2).float().div(255)


def test_opens_in_diffusers_itself() -> None:
    with quiet():
        pipe = StableDiffusionPipeline.from_pretrained(str(EMBEDDED))
    assert pipe.safety_checker is None
    assert pipe.unet.config.in_channels == pipe.vae.config.latent_channels


def test_size_and_licences() -> None:
    size = sum(path.stat().st_size for path in EMBEDDED.rglob("*") if path.is_file())
    assert size < MEGABYTES * 2**20
    text = (EMBEDDED / "LICENSES.md").read_text(encoding="utf-8")
    for name in ("Noto", "Twemoji", "Fluent", "emojibase", "LPIPS", "CC BY 4.0", "Apache"):
        assert name in text


def test_nothing_pickled_ships() -> None:
    suffixes = {path.suffix for path in EMBEDDED.rglob("*") if path.is_file()}
    assert suffixes <= {".safetensors", ".json", ".txt", ".webp", ".csv", ".md"}


def test_every_caption_word_is_one_token() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(str(EMBEDDED / "tokenizer"))
    cutter = tokenizer.backend_tokenizer
    vocabulary = json.loads((EMBEDDED / "tokenizer" / "vocab.json").read_text())
    assert cutter.get_vocab() == vocabulary
    assert [word for word in words(texts()) if f"{word}</w>" not in vocabulary] == []
    ids = tokenizer("woman firefighter: dark skin tone").input_ids
    assert len(ids) == 2 + 6
    longest = max(len(tokenizer(str(label)).input_ids) for label in set(Emoji.open().label))
    assert longest + 8 <= tokenizer.model_max_length


def test_unknown_words_fall_back_to_bytes() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(str(EMBEDDED / "tokenizer"))
    ids = tokenizer("xqzzy Ω", add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids).split() == ["xqzzy", "ω"]


def test_autoencoder_keeps_held_out_concepts() -> None:
    data = Emoji.open()
    images = as_floats(data.images[data.split == "concept"][::10])
    pipe = load("embedded", device="cpu").open("vae")
    latents = encode(pipe, images)
    assert psnr(decode(pipe, latents), images).mean() >= 27.0
    assert 0.8 < latents.std() < 1.2


def test_cloud_and_local_draw_alike() -> None:
    target = load("embedded", device="cpu")
    cloud, local = target.open(), target.open(model="local")
    prompts = ["red heart, noto style", "woman: dark skin tone, noto style"]
    first, second = (generate(pipe, prompts, seed=0, steps=12) for pipe in (cloud, local))
    assert torch.isfinite(first).all()
    near = perceptual_distance(first, second)
    assert (near < perceptual_distance(first, second.flip(0))).all()


def multiplications(unet: torch.nn.Module) -> int:
    """Of convolutions and linear layers, for one latent and one prompt."""
    total = 0

    def add(module: torch.nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        places = out[0, 0].numel() if out.ndim == 4 else out[0].numel() // out.shape[-1]
        total += next(module.parameters()).numel() * places

    handles = [
        module.register_forward_hook(add)
        for module in unet.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    ]
    unet(torch.zeros(1, 16, 8, 8), 1, torch.zeros(1, 32, 256))
    for handle in handles:
        handle.remove()
    return total


def test_local_costs_a_quarter() -> None:
    target = load("embedded", device="cpu")
    cloud = multiplications(target.open("unet").unet)
    assert multiplications(target.open("unet", model="local").unet) <= cloud / 4


def test_darker_prompts_draw_darker_persons() -> None:
    pipe = load("embedded", device="cpu").open()
    prompts = [f"man: {tone} skin tone, twemoji style" for tone in ("light", "dark")] * 3
    images = generate(pipe, prompts, seed=3, steps=12)
    centre = images[:, :, 24:40, 24:40].mean((1, 2, 3)).reshape(3, 2)
    assert (centre[:, 0] > centre[:, 1] + 0.1).all()


def test_clip_finds_the_caption() -> None:
    data = Emoji.open()
    rng = np.random.default_rng(0)
    rows = rng.choice(np.flatnonzero(data.member), 100, replace=False)
    captions = [caption(str(data.label[i]), str(data.style[i])) for i in rows]
    scores = Clip.open().score(as_floats(data.images[rows]), captions)
    truth = torch.arange(100)
    best = scores.argsort(dim=1, descending=True)
    assert (best[:, 0] == truth).float().mean() > 0.5
    assert (best[:, :5] == truth[:, None]).any(1).float().mean() > 0.9


def test_metrics_agree_with_their_definitions() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((2, 3, 64, 64), generator=generator)
    assert torch.isinf(psnr(images, images)).all()
    assert torch.allclose(psnr(torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.1)),
                          torch.tensor([20.0]))  # fmt: skip
    assert torch.allclose(ssim(images, images), torch.ones(2))
    assert torch.allclose(perceptual_distance(images, images), torch.zeros(2), atol=1e-6)
    features = torch.randn((40, 8), generator=generator)
    shifted = features + 1.0
    assert kernel_distance(features, shifted) > 5 * abs(kernel_distance(features, -features))


def test_lpips_layers_are_the_published_ones() -> None:
    # The `lpips` package carries the linear layers (not the backbone) of v0.1 itself.
    import lpips
    from safetensors.torch import load_file

    published = torch.load(
        Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth",
        weights_only=True,
        map_location="cpu",
    )
    ours = load_file(EMBEDDED / "lpips" / "alexnet.safetensors")
    for name, tensor in published.items():
        assert torch.allclose(ours[name].float(), tensor, rtol=1e-3, atol=1e-6), name


def test_lpips_in_half_precision_is_lpips() -> None:
    """Distances of the published float32 weights, to 2e-5: `convert` without its `half`."""
    images = torch.from_numpy(Emoji.open().images[[0, 1000, 2000, 3000]]).permute(0, 3, 1, 2) / 255
    expected = torch.tensor([0.318059, 0.489594, 0.404891])
    torch.testing.assert_close(
        perceptual_distance(images[:3], images[1:]), expected, rtol=0, atol=2e-5
    )


@pytest.mark.parametrize(
    ("first", "second"), [((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)), ((0.2, 0.2, 0.2), (0.8, 0.8, 0.8))]
)
def test_lpips_is_symmetric_and_positive(
    first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    a, b = (torch.tensor(c).view(1, 3, 1, 1).expand(1, 3, 64, 64) for c in (first, second))
    assert perceptual_distance(a, b) > 0.05
    assert torch.allclose(perceptual_distance(a, b), perceptual_distance(b, a))
