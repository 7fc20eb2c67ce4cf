"""Fine-tune the embedded local U-Net on portraits: the models whose members are in question.

    python -m latentleak.targets.rebuild.fine_tune avatars-overfitted --state FOLDER --out FOLDER

One run gives two strengths: the weights where the loss on the validation pictures was lowest go to
`avatars-early`, the last ones to `avatars-overfitted`. A shadow model (`avatars-shadow-1`) keeps
the last ones. Weights are moving averages over the steps. The law of the loss is that of the first
training (uniform times, captions dropped once in ten); only the pictures differ. Steps draw their
randomness from their own number, so that an interrupted run goes on to the same bytes.
"""

import argparse
import copy
import hashlib
import json
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..avatars import EARLY, MODELS, OVERFITTED, PRIVATE, Avatars, trained_on
from ..pipeline import Target
from ..quiet import quiet
from ..sampling import encode, encode_prompts
from .diffusion import DROPPED, loss_of
from .state import save_tensors, write_progress

WARM = 30
KEPT = 0.98
CHECKED = 50
VALIDATION = 128


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train.

    Attributes:
        name: Of the model, a key of `avatars.MODELS`.
        state: Folder of checkpoints and of latents.
        steps: Gradient steps.
        batch: Pictures a step; each picture is met once before any is met again.
        rate: Learning rate, after a short rise; what is kept is a moving average of the weights.
        target: Model to start from: its local U-Net, text encoder and autoencoder.
    """

    name: str
    state: Path
    steps: int
    batch: int = 16
    rate: float = 1.5e-3
    target: Target = field(default_factory=Target)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Latents `(n, c, h, w)`, conditions `(n, length, width)` and the empty one `(1, ...)`."""

    latents: Tensor
    text: Tensor
    empty: Tensor

    def __len__(self) -> int:
        return len(self.latents)


class Conditioned(nn.Module):
    """A U-Net as `loss_of` calls it, conditions already encoded."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet: Any = unet

    def forward(self, noisy: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """Predicted velocity, shape of `noisy`."""
        return torch.as_tensor(self.unet(noisy, times, text).sample)


@torch.no_grad()
def pictures(target: Target, split: str, rows: Any, state: Path, batch: int = 50) -> Pictures:
    """Latents and conditions of some pictures of a split, computed once and kept in `state`."""
    path = state / f"{split}-{len(rows)}-{int(sum(rows))}.safetensors"
    if not path.exists():
        pipe = target.open("vae", "text_encoder", "tokenizer", "scheduler")
        data = Avatars.open(split)
        images = torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2).float().div(255)
        captions = [data.captions[row] for row in rows]
        latents = torch.cat([encode(pipe, part) for part in images.split(batch)])
        coded = [encode_prompts(pipe, captions[i : i + batch]) for i in range(0, len(rows), batch)]
        text = torch.cat([part.text for part in coded])
        state.mkdir(parents=True, exist_ok=True)
        parts = {"latents": latents, "text": text, "empty": coded[0].empty[:1]}
        save_tensors(path, {name: part.contiguous() for name, part in parts.items()})
    return Pictures(**load_file(path))


def derived(*names: str | int) -> int:
    """A seed of its own for each use."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:7], "big")


def batch_of(data: Pictures, plan: Plan, step: int) -> tuple[Tensor, Tensor]:
    """Latents and conditions of a step: each epoch is a permutation of its own."""
    size = min(plan.batch, len(data))
    epoch, place = divmod(step, len(data) // size)
    generator = torch.Generator().manual_seed(derived(plan.name, "epoch", epoch))
    order = torch.randperm(len(data), generator=generator)
    chosen = order[place * size : (place + 1) * size]
    dropped = torch.rand(size, 1, 1) < DROPPED
    return data.latents[chosen], torch.where(dropped, data.empty, data.text[chosen])


class Training:
    """A model, its optimizer, and where it stands."""

    def __init__(self, plan: Plan, data: Pictures, held_out: Pictures) -> None:
        pipe: Any = plan.target.open("unet", "scheduler", model="local")
        self.plan, self.data, self.held_out = plan, data, held_out
        self.alphas = pipe.scheduler.alphas_cumprod
        self.model = Conditioned(copy.deepcopy(pipe.unet)).requires_grad_(True)
        self.parameters: list[Tensor] = list(self.model.parameters())
        self.averaged = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.average: list[Tensor] = list(self.averaged.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.held, self.best, self.step, self.early_step = math.inf, math.inf, 0, 0
        self.early = self.weights()

    def run(self, until: int) -> None:
        """Train up to a number of steps."""
        self.model.train()
        started, first = time.process_time(), self.step
        while self.step < until:
            self._advance()
            if self.step % CHECKED == 0 or self.step == self.plan.steps:
                self._check()
                seconds = (time.process_time() - started) / (self.step - first)
                print(
                    f"{self.plan.name}: {self.step} steps, validation {self.held:.4f}, lowest "
                    f"{self.best:.4f} at {self.early_step}, {seconds:.2f} CPU s a step",
                    file=sys.stderr,
                    flush=True,
                )

    def _advance(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived(self.plan.name, "step", self.step))
            latents, text = batch_of(self.data, self.plan, self.step)
            loss = loss_of(self.model, self.alphas, latents, text)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.param_groups[0]["lr"] = self.plan.rate * min(1.0, (self.step + 1) / WARM)
        self.optimizer.step()
        with torch.no_grad():
            kept = min(KEPT, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.average, self.parameters, 1 - kept)
        self.step += 1

    @torch.no_grad()
    def _check(self) -> None:
        """Loss of the average on the validation pictures, each time at the same times and noise."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            held = loss_of(self.averaged, self.alphas, self.held_out.latents, self.held_out.text)
        self.held = float(held)
        if self.held < self.best:
            self.best, self.early_step, self.early = self.held, self.step, self.weights()

    def weights(self) -> dict[str, Tensor]:
        """A copy of the averaged weights of the U-Net, by name."""
        return {k: v.detach().clone() for k, v in self.averaged.unet.state_dict().items()}

    def save(self, folder: Path) -> None:
        """A checkpoint; `load` goes on from it."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"now.{k}": v for k, v in self.model.unet.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.weights().items()}
        tensors |= {f"early.{k}": v for k, v in self.early.items()}
        for i, parameter in enumerate(self.parameters):
            tensors |= {f"adam.{i}.{k}": v for k, v in self.optimizer.state[parameter].items()}
        tensors["record"] = torch.tensor([self.best, self.early_step], dtype=torch.float64)
        save_tensors(
            folder / "weights.safetensors", {k: v.contiguous() for k, v in tensors.items()}
        )
        write_progress(folder, self.step)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not (folder / "progress.json").exists():
            return
        tensors = load_file(folder / "weights.safetensors")
        self.step = int(json.loads((folder / "progress.json").read_text())["steps"])
        self.model.unet.load_state_dict(_under(tensors, "now."))
        self.averaged.unet.load_state_dict(_under(tensors, "average."))
        self.early = _under(tensors, "early.")
        self.best, self.early_step = float(tensors["record"][0]), int(tensors["record"][1])
        state = {i: _under(tensors, f"adam.{i}.") for i in range(len(self.parameters))}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def export(weights: dict[str, Tensor], target: Target, folder: Path) -> None:
    """A U-Net folder in diffusers format, float16."""
    unet = copy.deepcopy(target.open("unet", model="local").unet)
    unet.load_state_dict(weights)
    with quiet():
        unet.half().save_pretrained(folder / "unet", safe_serialization=True)
    path = folder / "unet" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)  # the folder that the base was opened from
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def train(plan: Plan, *, every: int = 100) -> Training:
    """Train to the end, or go on to it, with a checkpoint each `every` steps."""
    split, rows = trained_on(plan.name)
    data = pictures(plan.target, split, rows, plan.state)
    held_out = pictures(plan.target, "validation", range(VALIDATION), plan.state)
    training = Training(plan, data, held_out)
    folder = plan.state / plan.name
    training.load(folder)
    while training.step < plan.steps:
        training.run(min(plan.steps, training.step + every))
        training.save(folder)
    return training


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[name for name in MODELS if name not in (EARLY, PRIVATE)])
    parser.add_argument("--state", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="folder of embedded models")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--rate", type=float, default=Plan.rate)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    plan = Plan(name=options.name, state=options.state, steps=options.steps, rate=options.rate)
    done = train(plan)
    export(done.weights(), plan.target, options.out / plan.name)
    if plan.name == OVERFITTED:
        export(done.early, plan.target, options.out / EARLY)


if __name__ == "__main__":
    main()
