"""The defended counterpart: the same fine-tune by DP-SGD, with Opacus.

python -m latentleak.targets.rebuild.fine_tune_private --state FOLDER --out FOLDER

Poisson sampling, the gradient of each picture clipped, Gaussian noise on their sum. Neighbours
differ by one picture added or removed. The plan and the expected number of pictures a step are
public. Only biases and the scales of normalization learn: noise falls on each trained value, and
these are 1 % of all.
"""

import argparse
import copy
import json
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from ..avatars import PRIVATE, trained_on
from ..pipeline import Target
from .diffusion import DROPPED, loss_of
from .fine_tune import Conditioned, Pictures, derived, export, pictures


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the training may give away, and how.

    Attributes:
        epsilon: Of the whole training.
        delta: Of the whole training.
        clip: Bound on the norm of a picture's gradient.
        batch: Expected pictures a step.
        epochs: Expected passes over the pictures.
        rate: Adam's learning rate.
        accountant: `prv` (numerical composition) or `rdp`, of Opacus.
    """

    epsilon: float = 2.0
    delta: float = 1e-5
    clip: float = 1.0
    batch: int = 64
    epochs: int = 2
    rate: float = 2e-3
    accountant: str = "prv"


def train(data: Pictures, budget: Budget, target: Target) -> tuple[Any, dict[str, float]]:
    """Train privately.

    Returns:
        The U-Net, and what was spent: epsilon by Opacus' accountant, the noise over the clip.

    References:
        Abadi et al. (2016), Algorithm 1, https://arxiv.org/abs/1607.00133; Dockhorn et al.,
        Differentially Private Diffusion Models (2022), https://arxiv.org/abs/2210.09929; Bu et
        al., Differentially Private Bias-Term Fine-tuning (2022), https://arxiv.org/abs/2210.00036.
    """
    from opacus import PrivacyEngine

    pipe: Any = target.open("unet", "scheduler", model="local")
    model = Conditioned(copy.deepcopy(pipe.unet)).requires_grad_(False).train()
    trained = [p.requires_grad_(True) for p in model.parameters() if p.dim() == 1]
    generator = torch.Generator().manual_seed(derived(PRIVATE, "noise"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the generator is not cryptographic, and of orders
        engine = PrivacyEngine(accountant=budget.accountant)
        made: Any = engine.make_private_with_epsilon(
            module=model,
            optimizer=torch.optim.Adam(trained, lr=budget.rate),
            data_loader=DataLoader(
                TensorDataset(data.latents, data.text),
                batch_size=budget.batch,
                generator=torch.Generator().manual_seed(derived(PRIVATE, "sampling")),
            ),
            target_epsilon=budget.epsilon,
            target_delta=budget.delta,
            epochs=budget.epochs,
            max_grad_norm=budget.clip,
            noise_generator=generator,
        )
        private, optimizer, loader = made
        torch.manual_seed(derived(PRIVATE, "steps"))
        for epoch in range(budget.epochs):
            total = 0.0
            for latents, text in loader:
                dropped = torch.rand(len(text), 1, 1) < DROPPED
                text = torch.where(dropped, data.empty, text)
                optimizer.zero_grad()
                loss = loss_of(private, pipe.scheduler.alphas_cumprod, latents, text)
                loss.backward()
                optimizer.step()
                total += float(loss.detach())
            mean = total / len(loader)
            print(f"{PRIVATE}: epoch {epoch + 1}, loss {mean:.4f}", file=sys.stderr)
        spent = float(engine.get_epsilon(budget.delta))
    record = {"epsilon_spent": spent, "noise_multiplier": float(optimizer.noise_multiplier)}
    return model.unet, record | {"trained_values": sum(p.numel() for p in trained)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of latents")
    parser.add_argument("--out", type=Path, required=True, help="folder of embedded models")
    parser.add_argument("--epsilon", type=float, default=Budget.epsilon)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    target, budget = Target(), Budget(epsilon=options.epsilon)
    split, rows = trained_on(PRIVATE)
    unet, spent = train(pictures(target, split, rows, options.state), budget, target)
    export(unet.state_dict(), target, options.out / PRIVATE)
    record = asdict(budget) | spent | {"pictures": len(rows)}
    text = json.dumps(record, indent=1) + "\n"
    (options.out / PRIVATE / "privacy.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
