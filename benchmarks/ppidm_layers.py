"""Seconds of single layers in Z_2^k against the same layer in float32.

python benchmarks/ppidm_layers.py [--repeats 7] [--threads 2] [--json]

The best of some repeats, all in one process; ratios mean something, seconds little. A ring layer
multiplies full residues by 16-bit weights that were split beforehand, as a server does. Both
engines are measured; the first is what a layer takes by default on this machine. *check* is what a
client spends on 40 Freivalds checks of one reply.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from latentleak.defenses.ppidm.integrity import RingChecker
from latentleak.defenses.ppidm.layers import Layer
from latentleak.defenses.ppidm.limbs import Engine, default_engine
from latentleak.defenses.ppidm.masks import MaskStream, uniform_residues
from latentleak.defenses.ppidm.modular import ModularConv2d, ModularLinear
from latentleak.defenses.ppidm.ring import RingSharing
from latentleak.defenses.wire import Party

WEIGHT_BITS = 16
CHECKS = 40
SHAPES: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "embedded conv 32 x 16 x 16": ((2, 32, 16, 16), (32, 32, 3, 3)),
    "embedded conv 64 x 8 x 8": ((2, 64, 8, 8), (64, 64, 3, 3)),
    "SD conv 320 x 64 x 64": ((1, 320, 64, 64), (320, 320, 3, 3)),
    "SD conv 640 x 32 x 32": ((1, 640, 32, 32), (640, 640, 3, 3)),
    "SD conv 1280 x 16 x 16": ((1, 1280, 16, 16), (1280, 1280, 3, 3)),
    "SD conv 2560 to 1280 x 16 x 16": ((1, 2560, 16, 16), (1280, 2560, 3, 3)),
    "SD linear 4096 x 320 to 2560": ((1, 4096, 320), (2560, 320)),
}
"""Input and weight."""


def best(function: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest call after one that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ring_layer(layer: Layer, weight: Tensor, k: int, engine: Engine) -> Any:
    """The layer with integer weights, prepared."""
    if not layer.convolves:
        return ModularLinear.of(weight, k=k, engine=engine)
    return ModularConv2d.of(weight, k=k, padding=layer.padding, engine=engine)


def rows(repeats: int) -> Iterator[dict[str, Any]]:
    """For each shape and ring one an engine, and one of the checks."""
    coins, first = torch.Generator().manual_seed(0), default_engine("cpu")
    engines: tuple[Engine, Engine] = (first, "float64" if first == "int8" else "int8")
    for name, (shape, weights) in SHAPES.items():
        weight = torch.randn(weights, generator=coins) / weights[1] ** 0.5
        padding = (1, 1) if len(weights) == 4 else (0, 0)
        layer = Layer(name=name, weight=weight, padding=padding)
        x = torch.randn(shape, generator=coins)
        plain = best(lambda layer=layer, x=x: layer.product(x), repeats)
        for k in (44, 64):
            sharing = RingSharing(n=2, k=k, input_bits=16, weight_bits=WEIGHT_BITS)
            residues = uniform_residues(shape, k, MaskStream(0))
            weights_q = sharing.weight(layer).integers
            for engine in engines:
                ring = ring_layer(layer, weights_q, k, engine)
                seconds = best(lambda ring=ring, x=residues: ring(x), repeats)
                yield row(name, k, engine, plain, seconds)
            product, checker = ring(residues), RingChecker(sharing, CHECKS, 0)
            check = partial(checker.check, Party("server/1"), 0, layer, residues, product)
            yield row(name, k, "check", plain, best(check, repeats))


def row(name: str, k: int, what: str, plain: float, seconds: float) -> dict[str, Any]:
    """One line of the table."""
    return {
        "layer": name,
        "k": k,
        "what": what,
        "float32_ms": round(1e3 * plain, 3),
        "ring_ms": round(1e3 * seconds, 3),
        "ratio": round(seconds / plain, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="of which the best counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true", help="one JSON line a row")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for index, line in enumerate(rows(arguments.repeats)):
        if arguments.json:
            print(json.dumps(line), flush=True)
            continue
        if index == 0:
            print("  ".join(f"{name:>30}" if name == "layer" else f"{name:>10}" for name in line))
        print(
            f"{line['layer']:>30}  " + "  ".join(f"{v!s:>10}" for v in list(line.values())[1:]),
            flush=True,
        )


if __name__ == "__main__":
    main()
