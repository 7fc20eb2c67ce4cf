"""Train the image encoder that is aligned with the frozen text encoder.

    python -m latentleak.targets.rebuild.clip --state FOLDER --minutes 8

Symmetric contrastive loss over images and their captions, half of each batch single persons,
whose captions differ in little but gender and skin tone. Images shift by a few pixels; they are
never flipped (some captions say "facing right").
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from ..captions import vary
from ..emoji import Emoji
from .export import filled
from .mixed import Mixed
from .networks import WIDTH, new_image_encoder, new_text_encoder
from .replicas import Meeting, run
from .state import load_state, save_tensors, write_progress

FORMS = 3
SHIFT = 3
BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where, how long, how fast and on how many cores to train."""

    state: Path
    minutes: float
    rate: float
    replicas: int


class Pair(nn.Module):
    """Image encoder, text projection and temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = new_image_encoder()
        self.text_projection = nn.Linear(WIDTH, WIDTH, bias=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images: Tensor, pooled: Tensor) -> Tensor:
        """Contrastive loss of images `(n, 3, 64, 64)` in [-1, 1] and pooled text `(n, width)`."""
        dtype = self.text_projection.weight.dtype
        seen = self.image_encoder(pixel_values=images.to(dtype)).image_embeds.float()
        read = self.text_projection(pooled.to(dtype)).float()
        scale = self.scale.float().exp().clamp(max=100)
        logits = scale * functional.normalize(seen) @ functional.normalize(read).T
        truth = torch.arange(len(logits))
        across = functional.cross_entropy(logits.T, truth)
        return (functional.cross_entropy(logits, truth) + across) / 2


@torch.no_grad()
def pooled_texts(state: Path, data: Emoji) -> Tensor:
    """The text encoder's pooled output for `FORMS` captions an image, `(n, FORMS, width)`, kept."""
    path = state / "pooled.safetensors"
    if path.exists():
        return load_file(path)["pooled"]
    tokenizer = CLIPTokenizer.from_pretrained(str(state / "tokenizer"))
    encoder = new_text_encoder(tokenizer).eval()
    filled(encoder, state / "cloud-average", "text_encoder.")
    rng = np.random.default_rng(5)
    captions = [
        vary(str(label), str(style), str(gender), rng)
        for label, style, gender in zip(data.label, data.style, data.gender, strict=True)
        for _ in range(FORMS)
    ]
    different = sorted(set(captions), key=len)
    rows: dict[str, Tensor] = {}
    for i in range(0, len(different), 256):
        part = different[i : i + 256]
        ids = tokenizer(part, padding="longest", return_tensors="pt").input_ids
        with torch.autocast("cpu", torch.bfloat16):
            rows.update(zip(part, encoder(ids).pooler_output.float(), strict=True))
    pooled = torch.stack([rows[caption] for caption in captions])
    pooled = pooled.reshape(len(data), FORMS, -1)
    save_tensors(path, {"pooled": pooled})
    return pooled


def shifted(images: Tensor) -> Tensor:
    """Bytes `(n, 64, 64, 3)` to [-1, 1], `(n, 3, 64, 64)`, moved by up to `SHIFT` pixels."""
    x = images.permute(0, 3, 1, 2).float().div(127.5).sub(1)
    x = functional.pad(x, (SHIFT,) * 4, value=1.0)
    right, down = (int(v) for v in torch.randint(2 * SHIFT + 1, (2,)))
    return x[:, :, down : down + 64, right : right + 64]


def replica(rank: int, plan: Plan, meeting: Meeting, pooled: Tensor) -> None:
    """One process of the training."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(3)
    data = Emoji.open()
    images = torch.from_numpy(data.images)
    every = torch.from_numpy(np.flatnonzero(data.member))
    persons = torch.from_numpy(np.flatnonzero(data.member & data.person))
    pair = Pair()
    steps = load_state(plan.state / "clip", pair)
    mixed = Mixed(pair, decay=0.998)
    torch.manual_seed(2000 + rank + steps)
    size = BATCH // plan.replicas
    start, first, done = time.monotonic(), steps, 0.0
    while done < 1:
        half = persons[torch.randint(len(persons), (size // 2,))]
        chosen = torch.cat([half, every[torch.randint(len(every), (size - size // 2,))]])
        loss = pair(shifted(images[chosen]), pooled[chosen, torch.randint(FORMS, (size,))])
        loss.backward()
        done = (time.monotonic() - start) / (60 * plan.minutes)
        warm = min(1.0, (steps - first + 1) / 200)
        rate = plan.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        gradient, (rate, done) = meeting.average(rank, steps, mixed.gradients(), (rate, done))
        mixed.step(gradient, rate, steps)
        steps += 1
        if rank == 0 and steps % 200 == 0:
            print(f"{steps} steps, {done:.3f}, loss {loss.item():.3f}", flush=True)
    if rank == 0:
        folder = plan.state / "clip"
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / "weights.safetensors", mixed.named(mixed.average))
        write_progress(folder, steps)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--replicas", type=int, default=2, help="processes, one core each")
    options = parser.parse_args()
    plan = Plan(
        state=options.state,
        minutes=options.minutes,
        rate=options.rate,
        replicas=options.replicas,
    )
    pooled = pooled_texts(plan.state, Emoji.open()).share_memory_()
    parameters = sum(p.numel() for p in Pair().parameters())
    run(replica, plan.replicas, plan, Meeting(plan.replicas, parameters), pooled)


if __name__ == "__main__":
    main()
