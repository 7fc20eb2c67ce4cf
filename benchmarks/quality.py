"""Measure the embedded model: what it draws, what it keeps, how fast it is.

    python benchmarks/quality.py --samples 400 --sheet docs/images/contact-sheet.png

Prints one JSON object. Attribute classifiers are trained on real images, split by family, and
read gender and skin tone from generated single persons; images, prompts and seeds of the
generated ones were never trained on together.
"""

import argparse
import json
import textwrap
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional

from latentleak.targets import Emoji, load
from latentleak.targets.captions import GENDERS, caption
from latentleak.targets.clip import Clip
from latentleak.targets.image_metrics import kernel_distance, psnr
from latentleak.targets.pipeline import Model
from latentleak.targets.sampling import decode, denoise, encode, encode_prompts, initial_noise

STEPS = 25
BATCH = 16
SHEET = (
    "woman firefighter: medium-dark skin tone, noto style",
    "man: light skin tone, beard, twemoji style",
    "a woman astronaut with dark skin, fluent 3d style",
    "old woman: medium skin tone, noto style",
    "man cook: medium-light skin tone, twemoji style",
    "a boy with dark skin, noto style",
    "woman health worker: light skin tone, fluent flat style",
    "Santa Claus: medium skin tone, noto style",
    "princess: medium-dark skin tone, fluent 3d style",
    "man police officer: dark skin tone, twemoji style",
    "woman with headscarf: medium skin tone, noto style",
    "baby: light skin tone, fluent flat style",
    "man wearing turban: medium-dark skin tone, noto style",
    "a woman mage with light skin, twemoji style",
    "man running: medium skin tone, noto style",
    "woman biking: light skin tone, twemoji style",
    "a man golfing with dark skin, noto style",
    "woman in tuxedo: medium skin tone, fluent 3d style",
    "man vampire: light skin tone, noto style",
    "man shrugging: medium-dark skin tone, fluent flat style",
    "thumbs up: medium skin tone, noto style",
    "waving hand: dark skin tone, fluent 3d style",
    "grinning face, noto style",
    "red heart, fluent 3d style",
    "dog face, noto style",
    "cat face, fluent flat style",
    "tomato, noto style",
    "watermelon, twemoji style",
    "full moon, noto style",
    "automobile, fluent flat style",
    "soccer ball, noto style",
    "flag: France, twemoji style",
)


def person_attributes(data: Emoji) -> tuple[NDArray[np.intp], Tensor, Tensor]:
    """Indices of single persons, their gender (place in `GENDERS`) and tone (0 to 4)."""
    index = np.flatnonzero(data.person)
    gender = [GENDERS.index(str(value)) for value in data.gender[index]]
    return index, torch.tensor(gender), torch.from_numpy(data.tone[index] - 1)


class AttributeClassifier(nn.Module):
    """A small convolutional network with one head for gender and one for skin tone."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 192)
        layers: list[nn.Module] = []
        for i, o in pairwise(widths):
            layers += [nn.Conv2d(i, o, 3, stride=2, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3))
        self.gender = nn.Linear(192 * 16, len(GENDERS))
        self.tone = nn.Linear(192 * 16, 5)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of gender and tone for images in [0, 1], `(n, 3, 64, 64)`."""
        features = self.body(images.mul(2).sub(1))
        return self.gender(features), self.tone(features)


def train_classifier(
    images: Tensor, gender: Tensor, tone: Tensor, epochs: int
) -> AttributeClassifier:
    """Fit on real images `(n, 3, 64, 64)` in [0, 1], shifted by up to three pixels."""
    torch.manual_seed(0)
    model = AttributeClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.02)
    steps = epochs * (len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    padded = functional.pad(images, (3,) * 4, value=1.0)
    for _ in range(steps):
        chosen = torch.randint(len(images), (64,))
        right, down = (int(value) for value in torch.randint(7, (2,)))
        batch = padded[chosen][:, :, down : down + 64, right : right + 64]
        of_gender, of_tone = model(batch)
        loss = functional.cross_entropy(of_gender, gender[chosen])
        loss = loss + functional.cross_entropy(of_tone, tone[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def accuracies(
    model: AttributeClassifier, images: Tensor, gender: Tensor, tone: Tensor
) -> dict[str, float]:
    """Share of images whose attributes are read right; gender among women and men, and of three."""
    logits = [model(part) for part in images.split(256)]
    of_gender = torch.cat([pair[0] for pair in logits])
    of_tone = torch.cat([pair[1] for pair in logits])
    marked = gender < 2
    two = of_gender[marked, :2].argmax(1) == gender[marked]
    return {
        "gender": two.float().mean().item(),
        "gender_three_way": (of_gender.argmax(1) == gender).float().mean().item(),
        "tone": (of_tone.argmax(1) == tone).float().mean().item(),
        "images": len(images),
    }


def as_floats(images: NDArray[np.uint8]) -> Tensor:
    """Bytes `(n, 64, 64, 3)` to floats in [0, 1], `(n, 3, 64, 64)`."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)


def generated(model: Model, prompts: Sequence[str], seed: int, guidance: float) -> Tensor:
    """Images of the prompts, in batches, each prompt with noise of its own."""
    target = load("embedded")
    pipe = target.open(model=model)
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for i in range(0, len(prompts), BATCH):
        part = prompts[i : i + BATCH]
        noise = initial_noise(pipe, len(part), generator)
        out = denoise(pipe, noise, encode_prompts(pipe, part), steps=STEPS, guidance=guidance)
        parts.append(decode(pipe, out.latents))
    return torch.cat(parts)


def measure_autoencoder(data: Emoji) -> dict[str, float]:
    """Mean reconstruction PSNR [dB] on held-out concepts and on members."""
    pipe = load("embedded").open("vae")
    result = {}
    for name, kept in (("held_out", data.split == "concept"), ("member", data.member)):
        images = as_floats(data.images[np.flatnonzero(kept)[:: 1 if name == "held_out" else 20]])
        parts = [psnr(decode(pipe, encode(pipe, part)), part) for part in images.split(64)]
        result[f"{name}_psnr_db"] = torch.cat(parts).mean().item()
    return result


def measure_clip(data: Emoji, prompts: Sequence[str], images: Tensor) -> dict[str, float]:
    """Retrieval of captions among 100, for real held-out images and for generated ones."""
    clip = Clip.open()
    rng = np.random.default_rng(2)
    chosen = rng.choice(np.flatnonzero(data.split == "style"), 100, replace=False)
    captions = [caption(str(data.label[i]), str(data.style[i])) for i in chosen]
    truth = torch.arange(100)
    real = clip.score(as_floats(data.images[chosen]), captions).argmax(1)
    drawn = clip.score(images[:100], list(prompts[:100]))
    return {
        "real_held_out_top1_of_100": (real == truth).float().mean().item(),
        "generated_top1_of_100": (drawn.argmax(1) == truth).float().mean().item(),
    }


def measure_speed() -> dict[str, float]:
    """Seconds to load the pipeline and to draw 16 images in 25 steps; import time apart."""
    start = time.perf_counter()
    pipe = load("embedded").open()
    loaded = time.perf_counter()
    noise = initial_noise(pipe, 16, torch.Generator().manual_seed(0))
    conditioning = encode_prompts(pipe, list(SHEET[:16]))
    decode(pipe, denoise(pipe, noise, conditioning, steps=STEPS).latents)
    return {
        "load_s": loaded - start,
        "sixteen_images_s": time.perf_counter() - loaded,
        "threads": torch.get_num_threads(),
    }


def contact_sheet(images: Tensor, prompts: Sequence[str]) -> Image.Image:
    """Images with their prompts below, eight in a row."""
    side, text = 144, 46
    rows = -(-len(images) // 8)
    canvas = Image.new("RGB", (8 * (side + 8), rows * (side + text)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        left, top = i % 8 * (side + 8), i // 8 * (side + text)
        pixels = image.permute(1, 2, 0).mul(255).round().byte().numpy()
        big = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
        canvas.paste(big, (left + 4, top))
        lines = "\n".join(textwrap.wrap(prompt, 25))
        draw.multiline_text((left + 4, top + side), lines, "black", spacing=1)
    return canvas


def person_prompts(data: Emoji, count: int) -> tuple[list[str], Tensor, Tensor]:
    """Captions of member women and men, drawn evenly; their genders and tones."""
    index, gender, tone = person_attributes(data)
    usable = torch.from_numpy(data.member[index]) & (gender < 2)
    weights = torch.zeros(len(index))
    for g in range(2):
        for t in range(5):
            cell = usable & (gender == g) & (tone == t)
            weights[cell] = 1 / cell.sum()
    chosen = torch.multinomial(
        weights, count, replacement=False, generator=torch.Generator().manual_seed(7)
    )
    rows = index[chosen.numpy()]
    prompts = [caption(str(data.label[i]), str(data.style[i])) for i in rows]
    return prompts, gender[chosen], tone[chosen]


def measure(samples: int, sheet: Path | None, guidance: float, epochs: int) -> dict[str, Any]:
    """Everything, as one record."""
    data = Emoji.open()
    index, gender, tone = person_attributes(data)
    images = as_floats(data.images[index])
    families = sorted(set(data.family[index].tolist()))
    test = np.isin(data.family[index], families[::5])
    model = train_classifier(
        images[~test], gender[torch.from_numpy(~test)], tone[torch.from_numpy(~test)], epochs
    )
    held = torch.from_numpy(test)
    result: dict[str, Any] = {
        "autoencoder": measure_autoencoder(data),
        "speed": measure_speed(),
        "classifier_on_real_held_out": accuracies(model, images[held], gender[held], tone[held]),
        "guidance": guidance,
        "steps": STEPS,
    }
    prompts, wanted_gender, wanted_tone = person_prompts(data, samples)
    models: tuple[Model, Model] = ("cloud", "local")
    for role in models:
        drawn = generated(role, prompts, seed=20_000, guidance=guidance)
        result[role] = accuracies(model, drawn, wanted_gender, wanted_tone)
        if (Path(Emoji.open().folder).parent / "clip").is_dir():
            clip = Clip.open()
            rows = np.random.default_rng(0).choice(
                np.flatnonzero(data.member & data.person), samples
            )
            reference = clip.embed_images(as_floats(data.images[rows]))
            distance = kernel_distance(clip.embed_images(drawn), reference)
            result[role] |= {"kid_persons": distance.item(), **measure_clip(data, prompts, drawn)}
    if sheet is not None:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(generated("cloud", SHEET, 1, guidance), SHEET).save(sheet, optimize=True)
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=400, help="persons drawn by each model")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of 32 prompts here")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--epochs", type=int, default=14, help="of the attribute classifiers")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result = measure(options.samples, options.sheet, options.guidance, options.epochs)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
