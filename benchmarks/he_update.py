"""One encrypted update of a 1 x 4 x 64 x 64 latent: time as ratios in one run, and bytes.

python benchmarks/he_update.py [--json]

An update is everything a step costs but the U-Net: selection, encryption, z' = f z + a on
ciphertexts, decryption and merging. The packed paths include both serializations of a real wire.

- *per element* is one ciphertext for each number (`ts.ckks_tensor`), which HE-Diffusion's
  "non-optimized HE" amounts to. It is measured on a 1 x 4 x 4 x 4 slice and multiplied by 256.
- *released sparse path* is what the released code does with TenSEAL, in one process: a single
  vector of the entries that min-distortion selects at tau = 0.01, merged one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import tenseal as ts
import torch

from latentleak.defenses.codec import encode
from latentleak.defenses.he_diffusion import payload
from latentleak.defenses.he_diffusion.keys import SystemKeys, load_vectors, public_context
from latentleak.defenses.he_diffusion.parameters import (
    LEAN,
    PARAMETERS,
    REPOSITORY,
    CkksParameters,
)
from latentleak.defenses.he_diffusion.selection import Latent, Mask, min_distortion
from latentleak.defenses.he_diffusion.sparse import EncryptedLatent, Sealed, merge, seal

SHAPE = (1, 4, 64, 64)
SLICE = 4
FACTOR = 1.0625
THRESHOLD = 0.01


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to do the update.

    Attributes:
        path: What was measured.
        seconds: Median of the repeats, scaled where the path says so.
        error: Largest deviation from the plaintext update.
        up: Bytes from client to server in a step, or None where nothing crosses.
        down: Bytes back.
    """

    path: str
    seconds: float
    error: float
    up: int | None = None
    down: int | None = None


class Problem:
    """A latent, a term, and what the update must give."""

    def __init__(self, shape: tuple[int, ...] = SHAPE) -> None:
        self.latent, self.term = np.random.default_rng(0).standard_normal((2, *shape))
        self.exact: Latent = FACTOR * self.latent + self.term

    def error(self, result: Latent) -> float:
        """Largest deviation from the plaintext update."""
        return float(abs(result - self.exact).max())


def timed(action: Callable[[], Latent], repeats: int = 7) -> tuple[float, Latent]:
    """Median wall time after one warm-up [s], and the last result."""
    result = action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


class Packed:
    """This package's halves, joined by bytes."""

    def __init__(self, parameters: CkksParameters) -> None:
        self.parameters = parameters
        self.keys = SystemKeys(parameters)
        self.public = ts.context_from(public_context(self.keys.context), n_threads=1)

    def update(self, latent: Latent, mask: Mask, term: Latent) -> tuple[Latent, Sealed, Sealed]:
        """The new latent, what went up and what came down."""
        asked = seal(latent, mask, self.keys)
        count = len(asked.indices)
        vectors = load_vectors(self.public, asked.messages, count, self.parameters)
        opened = EncryptedLatent(
            rest=asked.rest,
            indices=asked.indices,
            vectors=tuple(vectors),
            parameters=self.parameters,
        )
        told = (FACTOR * opened + term).seal()
        values = self.keys.decrypt(told.messages, count)
        return merge(told.rest, told.indices, values), asked, told


def packed(parameters: CkksParameters, *, everything: bool) -> Row:
    """All entries encrypted, or those that min-distortion selects."""
    problem, halves = Problem(), Packed(parameters)

    def mask() -> Mask:
        if everything:
            return np.ones(SHAPE, dtype=np.bool_)
        return min_distortion(problem.latent, THRESHOLD)

    def run() -> Latent:
        return halves.update(problem.latent, mask(), problem.term)[0]

    seconds, result = timed(run)
    _, asked, told = halves.update(problem.latent, mask(), problem.term)
    request = payload.pack_sealed(asked, "float64") | {
        "step": torch.tensor(0),
        "term": payload.pack_latent(problem.term, "float64"),
    }
    answer = {"rest": payload.pack_latent(told.rest, "float64")}
    answer |= payload.pack_messages("cipher", told.messages)
    what = "all entries" if everything else f"tau = {THRESHOLD}"
    return Row(
        path=f"packed, {parameters.name}, {what}",
        seconds=seconds,
        error=problem.error(result),
        up=len(encode(request)),
        down=len(encode(answer)),
    )


def plaintext() -> Row:
    """NumPy."""
    problem = Problem()
    seconds, result = timed(lambda: FACTOR * problem.latent + problem.term, 101)
    return Row(path="plaintext", seconds=seconds, error=problem.error(result))


def released_sparse() -> Row:
    """One vector of the selected entries, under the released parameters, in one process."""
    problem, context = Problem(), SystemKeys(REPOSITORY).context

    def run() -> Latent:
        mask = min_distortion(problem.latent, THRESHOLD)
        indices = np.argwhere(mask)
        rest = FACTOR * (problem.latent * ~mask) + problem.term
        encrypted = ts.ckks_vector(context, problem.latent[mask].tolist())
        values = (encrypted * FACTOR + problem.term[mask].tolist()).decrypt()
        for index, value in zip(indices, values, strict=True):
            rest[tuple(index)] = value
        return rest

    with muted():
        seconds, result = timed(run)
    return Row(path="released sparse path", seconds=seconds, error=problem.error(result))


def per_element() -> Row:
    """One ciphertext a number, on a slice; the whole latent takes as many times longer."""
    shape = (*SHAPE[:2], SLICE, SLICE)
    problem, context = Problem(shape), SystemKeys(REPOSITORY).context
    ratio = int(np.prod(SHAPE) / np.prod(shape))

    def run() -> Latent:
        encrypted = ts.ckks_tensor(context, problem.latent.tolist(), batch=False)
        updated = encrypted * FACTOR + ts.plain_tensor(problem.term.tolist())
        return np.array(updated.decrypt().tolist())

    seconds, result = timed(run, 3)
    path = f"per element, {ratio} x a slice"
    return Row(path=path, seconds=ratio * seconds, error=problem.error(result))


@contextmanager
def muted() -> Iterator[None]:
    """TenSEAL warns on standard output, below Python, about every vector of several pieces."""
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line a path")
    as_json = parser.parse_args().json
    sets = PARAMETERS.values()
    reference = packed(LEAN, everything=True)
    rows = [
        plaintext(),
        reference,
        *(packed(p, everything=True) for p in sets if p is not LEAN),
        packed(REPOSITORY, everything=False),
        packed(LEAN, everything=False),
        released_sparse(),
        per_element(),
    ]
    if not as_json:
        head = f"{'path':32} {'seconds':>10} {'ratio':>10} {'error':>9} {'MB up':>7} {'MB down':>7}"
        print(f"{head}\n(ratio to: {reference.path})")
    for row in rows:
        ratio = row.seconds / reference.seconds
        if as_json:
            print(json.dumps({**asdict(row), "ratio": ratio, "baseline": reference.path}))
            continue
        sizes = "".join(f"{s / 1e6:8.2f}" if s else f"{'-':>8}" for s in (row.up, row.down))
        print(f"{row.path:32} {row.seconds:10.5f} {ratio:10.4g} {row.error:9.1e}{sizes}")


if __name__ == "__main__":
    main()
