"""Speed as ratios against named baselines, measured in one run.

python benchmarks/speed.py [--json]

Ratios above 1 are slower than the baseline.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from latentleak.defenses.codec import decode, encode
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.protocol import execute
from latentleak.targets import sampling
from latentleak.targets.pipeline import load

PROMPT = "woman firefighter: medium skin tone"


def seconds(action: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of `action` after one warm-up [s]."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def sealed_start() -> tuple[float, float]:
    """A sealed adversary's imports against an interpreter that imports NumPy only."""

    def python(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-I", "-c", code], check=True)

    own = "import latentleak.adversaries.sealed, latentleak.adversaries.intersection"
    return seconds(python(own)), seconds(python("import numpy"))


def batched_rows() -> tuple[float, float]:
    """All candidates in one U-Net batch against one execution for each."""
    pipe = sampling.open_denoiser(load("embedded", device="cpu"))
    prompts = list(ObClip().candidates(PROMPT))
    noise = torch.randn(1, *sampling.latent_shape(pipe))

    def run(rows: list[str]) -> object:
        encoded = sampling.encode_prompts(pipe, rows)
        batch = noise.repeat(len(rows), 1, 1, 1)
        return sampling.denoise(pipe, batch, encoded, steps=25, stop=5).latents

    one = seconds(lambda: run(prompts), 3)
    return one, seconds(lambda: [run([prompt]) for prompt in prompts], 3)


def referee() -> tuple[float, float]:
    """An ObCLIP execution with wire and transcript against the bare model calls."""
    target = load("embedded", device="cpu")
    defense = ObClip(k=5)
    cloud, local = sampling.open_denoiser(target), sampling.open_denoiser(target, "local")
    prompts = list(defense.candidates(PROMPT))

    def bare() -> object:
        noise = torch.randn(1, *sampling.latent_shape(cloud)).repeat(len(prompts), 1, 1, 1)
        encoded = sampling.encode_prompts(cloud, prompts)
        first = sampling.denoise(cloud, noise, encoded, steps=25, stop=5).latents
        own = sampling.encode_prompts(local, prompts[:1])
        return sampling.denoise(local, first[:1], own, steps=25, start=5).latents

    return seconds(lambda: execute(defense, target, PROMPT, 1), 3), seconds(bare, 3)


def codec() -> tuple[float, float]:
    """Canonical decoding of 16 MB against one copy of the bytes."""
    payload = encode({"x": torch.randn(4, 1024, 1024)})
    return seconds(lambda: decode(payload)), seconds(lambda: bytes(bytearray(payload)))


def light_command() -> tuple[float, float]:
    """`latentleak list` against an interpreter that does nothing."""

    def python(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, *arguments]
        with tempfile.TemporaryDirectory() as empty:
            here = Path(empty).parent
        return lambda: subprocess.run(command, check=True, cwd=here, capture_output=True)

    return seconds(python("-m", "latentleak.audits.cli", "list")), seconds(python("-c", "pass"))


MEASURES = (
    ("sealed adversary starts", "import numpy", sealed_start),
    ("latentleak list", "python -c pass", light_command),
    ("candidates in one batch", "one execution a candidate", batched_rows),
    ("execution under the referee", "bare model calls", referee),
    ("canonical decoding", "one copy of the bytes", codec),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line a measure")
    as_json = parser.parse_args().json
    for name, baseline, measure in MEASURES:
        own, base = measure()
        record = {"measure": name, "seconds": own, "baseline": baseline, "ratio": own / base}
        if as_json:
            print(json.dumps(record))
        else:
            print(f"{name:30} {own:8.4f} s   {own / base:8.2f} x {baseline}", flush=True)


if __name__ == "__main__":
    main()
