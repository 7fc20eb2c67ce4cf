"""Train the U-Net, and with the cloud's the text encoder, on the member images' latents.

    python -m latentleak.targets.rebuild.diffusion cloud --state FOLDER --minutes 60
    python -m latentleak.targets.rebuild.diffusion local --state FOLDER --minutes 20

Velocity prediction, captions in varied forms and dropped once in ten (classifier-free guidance),
half of the images single persons. The local U-Net learns with the text encoder frozen.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from ..captions import vary
from ..emoji import Emoji
from .autoencoder import new_autoencoder, pixels
from .mixed import Mixed
from .networks import new_scheduler, new_text_encoder, new_unet
from .replicas import Meeting, run
from .state import load_state, save_tensors, write_progress
from .tokenizer import texts, write

FORMS = 8
DROPPED = 0.1
DECAY = 0.9995


@torch.no_grad()
def latents_of(state: Path, images: Tensor) -> Tensor:
    """Latents of the images, shape `(n, 16, 8, 8)`, computed once and kept in `state`."""
    path = state / "latents.safetensors"
    if not path.exists():
        model: Any = new_autoencoder()
        model.to(memory_format=torch.channels_last)
        load_state(state / "autoencoder", model)
        parts = [model.encoder(pixels(part)).contiguous() for part in images.split(64)]
        save_tensors(path, {"latents": torch.cat(parts)})
    return load_file(path)["latents"]


def caption_ids(data: Emoji, tokenizer: CLIPTokenizer, seed: int) -> Tensor:
    """Token ids of `FORMS` captions an image, shape `(n, FORMS, length)`, int64."""
    rng = np.random.default_rng(seed)
    captions = [
        vary(str(label), str(style), str(gender), rng)
        for label, style, gender in zip(data.label, data.style, data.gender, strict=True)
        for _ in range(FORMS)
    ]
    ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return torch.as_tensor(ids).reshape(len(data), FORMS, -1)


class Networks(nn.Module):
    """U-Net and text encoder, trained as one."""

    def __init__(self, role: str, tokenizer: CLIPTokenizer, *, fused: bool) -> None:
        super().__init__()
        self.unet: Any = new_unet(role)
        self.unet.to(memory_format=torch.channels_last)
        self.unet.set_attn_processor(AttnProcessor())
        self.text_encoder = new_text_encoder(tokenizer)
        self.denoise = torch.compile(self.unet.forward) if fused else self.unet.forward

    def forward(self, noisy: Tensor, times: Tensor, ids: Tensor) -> Tensor:
        """Predicted velocity, shape of `noisy`."""
        text = self.text_encoder(ids).last_hidden_state
        out = self.denoise(noisy.to(text.dtype), times, text).sample
        return torch.as_tensor(out).float()


class Batches:
    """Draws latents and captions of member images."""

    def __init__(self, plan: "Plan", data: Emoji, tokenizer: CLIPTokenizer) -> None:
        self.latents = latents_of(plan.state, torch.from_numpy(data.images))
        self.ids = caption_ids(data, tokenizer, seed=0)
        self.empty = torch.as_tensor(
            tokenizer("", padding="max_length", return_tensors="pt").input_ids[0]
        )
        self.others = torch.from_numpy(np.flatnonzero(data.member & ~data.person))
        self.persons = torch.from_numpy(np.flatnonzero(data.member & data.person))
        self.size = plan.batch // plan.replicas
        self.few = round(plan.persons * self.size)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Latents `(size, 16, 8, 8)` and token ids `(size, length)`."""
        of_persons = self.persons[torch.randint(len(self.persons), (self.few,))]
        others = self.others[torch.randint(len(self.others), (self.size - self.few,))]
        chosen = torch.cat([of_persons, others])
        ids = self.ids[chosen, torch.randint(FORMS, (self.size,))]
        ids = torch.where(torch.rand(self.size, 1) < DROPPED, self.empty, ids)
        return self.latents[chosen], ids


def loss_of(model: nn.Module, alphas: Tensor, latents: Tensor, ids: Tensor) -> Tensor:
    """Squared error of the velocity, weighted down where there is little noise."""
    times = torch.randint(len(alphas), (len(latents),))
    alpha = alphas[times].view(-1, 1, 1, 1)
    noise = torch.randn_like(latents)
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    target = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    error = (model(noisy, times, ids) - target).square().mean((1, 2, 3))
    snr = (alpha / (1 - alpha)).flatten()
    return torch.as_tensor((error * (6 / (snr + 1)).clamp_max(1)).mean())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast to train.

    Attributes:
        role: `cloud` or `local`.
        state: Folder of checkpoints.
        minutes: Wall-clock time; the rate follows a cosine to zero over it.
        batch: Images a step, all replicas together.
        rate: Highest learning rate.
        persons: Share of single persons in each batch.
        replicas: Processes, one core each.
        fused: Compile the U-Net (needs a C++ compiler).
    """

    role: str
    state: Path
    minutes: float
    batch: int
    rate: float
    persons: float
    replicas: int
    fused: bool


def train(plan: Plan) -> None:
    """Train all replicas and wait."""
    tokenizer = tokenizer_of(plan.state)
    latents_of(plan.state, torch.from_numpy(Emoji.open().images))
    size = sum(p.numel() for p in networks_of(plan, tokenizer)[0].parameters() if p.requires_grad)
    meeting = Meeting(plan.replicas, size)
    run(replica, plan.replicas, plan, meeting)


def tokenizer_of(state: Path) -> CLIPTokenizer:
    """The tokenizer in `state`, learned once: ties between merges fall differently each time."""
    folder = state / "tokenizer"
    if folder.exists():
        return CLIPTokenizer.from_pretrained(str(folder))
    return write(folder, texts())


def networks_of(plan: Plan, tokenizer: CLIPTokenizer) -> tuple[Networks, int]:
    """The networks where training left them, and after how many steps."""
    torch.manual_seed(1)
    networks = Networks(plan.role, tokenizer, fused=plan.fused)
    if plan.role == "local":
        networks.text_encoder.requires_grad_(False)
        cloud = load_file(plan.state / "cloud-average" / "weights.safetensors")
        prefix = "text_encoder."
        text = {k.removeprefix(prefix): v for k, v in cloud.items() if k.startswith(prefix)}
        networks.text_encoder.load_state_dict(text)
    steps = load_state(plan.state / plan.role, networks)
    return networks, steps


def replica(rank: int, plan: Plan, meeting: Meeting) -> None:
    """One process of the training."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data = Emoji.open()
    tokenizer = CLIPTokenizer.from_pretrained(str(plan.state / "tokenizer"))
    batches = Batches(plan, data, tokenizer)
    alphas = new_scheduler().alphas_cumprod
    networks, steps = networks_of(plan, tokenizer)
    mixed = Mixed(networks, decay=DECAY)
    torch.manual_seed(1000 + rank + steps)
    start = saved = time.monotonic()
    first, total, done = steps, 0.0, 0.0
    while done < 1:
        loss = loss_of(networks, alphas, *batches.draw())
        loss.backward()
        done = (time.monotonic() - start) / (60 * plan.minutes)
        warm = min(1.0, (steps - first + 1) / 300)
        rate = plan.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        gradient, (rate, done) = meeting.average(rank, steps, mixed.gradients(), (rate, done))
        mixed.step(gradient, rate, steps)
        steps += 1
        total += loss.item()
        if rank == 0 and steps % 100 == 0:
            print(f"{steps} steps, {done:.3f}, loss {total / 100:.4f}", flush=True)
            total = 0.0
        if rank == 0 and time.monotonic() - saved > 150:
            saved = time.monotonic()
            save(mixed, plan, steps)
    if rank == 0:
        save(mixed, plan, steps)


def save(mixed: Mixed, plan: Plan, steps: int) -> None:
    """Write the weights and their moving average."""
    for suffix, values in (("", mixed.masters), ("-average", mixed.average)):
        folder = plan.state / f"{plan.role}{suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / "weights.safetensors", mixed.named(values))
        write_progress(folder, steps)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("cloud", "local"))
    parser.add_argument("--state", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--replicas", type=int, default=2, help="processes, one core each")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--persons", type=float, default=0.5, help="share in each batch")
    parser.add_argument("--compile", action="store_true", help="fuse operations (needs g++)")
    options = parser.parse_args()
    train(
        Plan(
            role=options.role,
            state=options.state,
            minutes=options.minutes,
            batch=options.batch,
            rate=options.rate,
            persons=options.persons,
            replicas=options.replicas,
            fused=options.compile,
        )
    )


if __name__ == "__main__":
    main()
