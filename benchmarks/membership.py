"""What membership attacks cost on the embedded model, batched and one sample at a time.

python benchmarks/membership.py [--samples 64] [--json]

Each row is one run: the same attack on the same samples with the same number of queries, once in
batches and once with batches of one. The ratio says how many times faster batches are.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from latentleak.adversaries.membership.challenge import encoded
from latentleak.adversaries.membership.clid import CLiD
from latentleak.adversaries.membership.gradients import GradientNorms
from latentleak.adversaries.membership.loss import Loss
from latentleak.adversaries.membership.model import BATCH, Attack, Denoiser, Samples, scores
from latentleak.adversaries.membership.pia import PIA
from latentleak.adversaries.membership.reference import lira, rmia
from latentleak.adversaries.membership.secmi import SecMI
from latentleak.adversaries.membership.sima import SimA
from latentleak.targets import load, sampling
from latentleak.targets.avatars import SHADOWS, Avatars

Run = Callable[[int], object]


def samples_of(count: int) -> tuple[Denoiser, Samples]:
    """The embedded model, and portraits with their captions."""
    pipe = load("embedded", device="cpu").open(
        "unet", "vae", "text_encoder", "tokenizer", "scheduler"
    )
    data = Avatars.open("member")
    images = torch.from_numpy(data.images[:count]).permute(0, 3, 1, 2).float().div(255)
    told = encoded(pipe, data.captions[:count])
    return Denoiser.of(pipe), Samples(latents=sampling.encode(pipe, images), told=told)


def against_references(model: Denoiser, samples: Samples, batch: int) -> object:
    """LiRA and RMIA, one time step: the same scores under the model and every shadow model."""
    signal = Loss()
    target = scores(signal, model, samples, seed=0, batch=batch)
    pipes = [load(f"embedded+{name}", device="cpu").open("unet", "scheduler") for name in SHADOWS]
    found = [scores(signal, Denoiser.of(pipe), samples, seed=0, batch=batch) for pipe in pipes]
    references = np.stack(found)
    half = len(target) // 2
    return lira(target, references), rmia(
        target[:half], references[:, :half], target[half:], references[:, half:]
    )


def runs(model: Denoiser, samples: Samples) -> Mapping[str, tuple[int, Run]]:
    """Each attack by name: queries a sample, and the attack as a function of the batch."""
    attacks: dict[str, Attack] = {
        "loss, 1 time": Loss(),
        "loss, 3 times": Loss(times=(60, 120, 200)),
        "SecMI": SecMI(),
        "PIA": PIA(),
        "PIAN": PIA(normalized=True),
        "SimA": SimA(),
        "CLiD": CLiD(),
    }

    def scoring(attack: Attack) -> Run:
        return lambda batch: scores(attack, model, samples, seed=0, batch=batch)

    found: dict[str, tuple[int, Run]] = {
        name: (int(attack.queries), scoring(attack)) for name, attack in attacks.items()
    }
    norms = GradientNorms()
    found["GSA, forward and backward"] = (
        norms.queries,
        lambda batch: norms.features(model, samples, seed=0, batch=min(batch, 16)),
    )
    found["LiRA and RMIA, model and 4 references"] = (
        1 + len(SHADOWS),
        lambda batch: against_references(model, samples, batch),
    )
    return found


def seconds(run: Run, batch: int) -> float:
    """Wall time of one run [s]."""
    start = time.perf_counter()
    run(batch)
    return time.perf_counter() - start


def measure(count: int) -> list[dict[str, str | float]]:
    """One row an attack."""
    model, samples = samples_of(count)
    rows: list[dict[str, str | float]] = []
    seconds(lambda batch: scores(Loss(), model, samples, seed=0, batch=batch), BATCH)
    for name, (queries, run) in runs(model, samples).items():
        together, alone = seconds(run, BATCH), seconds(run, 1)
        rows.append(
            {
                "attack": name,
                "queries": queries,
                "batched": count / together,
                "one by one": count / alone,
                "ratio": alone / together,
            }
        )
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.samples)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| attack | queries | samples/s, batched | samples/s, one by one | ratio |")
    print("|---|---|---|---|---|")
    for row in rows:
        numbers = " | ".join(f"{row[key]:.1f}" for key in ("batched", "one by one", "ratio"))
        print(f"| {row['attack']} | {row['queries']} | {numbers} |")


if __name__ == "__main__":
    main()
