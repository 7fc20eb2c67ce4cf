"""What ObCLIP costs its server: multiply-accumulates and seconds of every step.

    python benchmarks/obclip.py [--rows 2 6 30] [--repeats 5] [--threads 2] [--json]

Counts are exact, by shape, for the embedded model and for Stable Diffusion 1.x (no weights needed).
Seconds are the embedded model's: the best of some repeats of each step, set against the steps of
one plain generation in the same process. Ratios mean something, seconds little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from latentleak.defenses.obclip.accelerated import AcceleratedUNet
from latentleak.defenses.obclip.acceleration import PRESETS, Acceleration
from latentleak.defenses.obclip.cost import server_cost
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.targets import load
from latentleak.targets.sampling import (
    STEPS,
    encode_prompts,
    initial_noise,
    new_solver,
    open_denoiser,
    predict,
)

PUBLISHED = {("paper-k5", 6): (0.898, 6.7), ("paper-k10", 6): (1.796, 3.3)}
"""Table 2 of the paper, in FLOPs: against one plain generation, and below vanilla."""


def configurations() -> dict[str, ObClip]:
    """No acceleration, and the presets."""
    plain = {f"none, k={k}": ObClip(k=k) for k in (5, 10)}
    return {**plain, **{name: ObClip(**fields) for name, fields in PRESETS.items()}}


def unets() -> dict[str, tuple[Any, int]]:
    """U-Nets to count, with the length of their prompts."""
    with torch.device("meta"):
        large = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    return {"embedded": (open_denoiser(load("embedded")).unet, 32), "sd-1.x": (large, 77)}


def seconds_of_steps(knobs: Acceleration, k: int, rows: int, repeats: int) -> list[float]:
    """The fastest of some repeats of each step, on the embedded model."""
    pipe = open_denoiser(load("embedded"))
    given = encode_prompts(pipe, ["woman firefighter: medium skin tone, noto style"] * rows)
    noise = initial_noise(pipe, 1, torch.Generator().manual_seed(0)).repeat(rows, 1, 1, 1)
    times = new_solver(pipe, STEPS).timesteps
    best = [float("inf")] * k
    for _ in range(repeats):
        unet = AcceleratedUNet(pipe.unet, knobs, rows=rows) if knobs.active else pipe.unet
        stand_in: Any = SimpleNamespace(unet=unet)
        for step in range(k):
            start = time.perf_counter()
            with torch.no_grad():
                predict(stand_in, noise, times[step], given, 4.0)
            best[step] = min(best[step], time.perf_counter() - start)
    return best


def lines(rows: Sequence[int], repeats: int) -> Iterator[dict[str, Any]]:
    """One record a model, N and configuration."""
    plain_seconds = sum(seconds_of_steps(Acceleration(), STEPS, 1, repeats))
    for model, (unet, tokens) in unets().items():
        for count in rows:
            for name, defense in configurations().items():
                knobs, k = defense.acceleration, defense.k
                cost = server_cost(unet, knobs, rows=count, k=k, tokens=tokens)
                line: dict[str, Any] = {
                    "model": model,
                    "N": count,
                    "configuration": name,
                    "plain_tmac": cost.plain / 1e12,
                    "tmac": cost.total / 1e12,
                    "to_plain": cost.to_plain,
                    "below_oblivious": cost.below_oblivious,
                    "steps": [step / cost.vanilla for step in cost.steps],
                    "published": PUBLISHED.get((name, count)) if model == "sd-1.x" else None,
                    "seconds": None,
                    "seconds_to_plain": None,
                }
                if model == "embedded":
                    seconds = seconds_of_steps(knobs, k, count, repeats)
                    line["seconds"] = seconds
                    line["seconds_to_plain"] = sum(seconds) / plain_seconds
                yield line


def markdown(line: dict[str, Any]) -> str:
    """One row of the table."""
    published = line["published"]
    ratio, in_time = line["to_plain"], line["seconds_to_plain"]
    steps = " ".join(f"{share:.2f}" for share in line["steps"])
    return (
        f"| {line['model']} | {line['N']} | {line['configuration']} | {line['tmac']:.4g} "
        f"| {ratio:.2f} | {line['below_oblivious']:.2f} "
        f"| {'-' if in_time is None else f'{in_time:.2f}'} "
        f"| {'-' if published is None else f'{published[0]:.2f}, {published[1]}'} | {steps} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2, 6, 30], help="candidates")
    parser.add_argument("--repeats", type=int, default=5, help="of which the best counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one JSON line a row")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.json:
        print(
            "| model | N | acceleration | TMAC | to plain | below oblivious | seconds to plain "
            "| published | each step, to the same step without |\n|" + "---|" * 9
        )
    for line in lines(options.rows, options.repeats):
        print(json.dumps(line) if options.json else markdown(line), flush=True)


if __name__ == "__main__":
    main()
