"""Key recovery from decrypted ciphertexts: how fast, and how much noise stops it.

python benchmarks/ckks_key_recovery.py [--trials 20] [--json] [--figure FILE.svg]

Three tables, all on real TenSEAL transcripts: seconds for each parameter set; recovery rate against
the standard deviation of fresh noise on the numbers handed back, for one decryption of each
ciphertext and for the mean of several; recovery against slots that are not handed back. Noise is
given in numbers and in units of the integer coefficients that it has to blur, 2 scale sigma /
sqrt(N).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tenseal as ts

from latentleak.adversaries.ckks_key_recovery import KeyNotRecovered, recover_secret_key
from latentleak.audits.report.curves import WIDE, curve_figure, curves
from latentleak.audits.report.html import style
from latentleak.audits.report.svg import standalone
from latentleak.audits.statistics import clopper_pearson

Pair = tuple[bytes, npt.NDArray[np.float64]]

CHAINS = {
    "small 4096/104/2^28": (4096, [38, 28, 38], 28),
    "lean 8192/160/2^40": (8192, [60, 40, 60], 40),
    "repository 8192/218/2^26": (8192, [31, 26, 26, 26, 26, 26, 26, 31], 26),
    "16384/280/2^40": (16384, [60, 40, 40, 40, 40, 60], 40),
    "32768/210/2^45": (32768, [60, 45, 45, 60], 45),
}
BLURS = (0.05, 0.1, 0.12, 0.15, 0.2, 0.4, 0.8, 1.6, 3.2)
AVERAGED = (1, 4, 16, 64, 256)
MISSING = (0, 4, 8, 16, 24, 32, 64, 96, 128, 192, 2048)


def transcript(chain: tuple[int, list[int], int], missing: int = 0) -> tuple[bytes, list[Pair]]:
    """A public context and three sampler updates with the numbers that they decrypt to."""
    degree, bits, scale = chain
    context = ts.context(ts.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=bits)
    context.global_scale = 2.0**scale
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(3):
        latent, term = rng.standard_normal((2, degree // 2 - missing))
        updated = ts.ckks_vector(context, latent.tolist()) * 0.97 + term.tolist()
        pairs.append((updated.serialize(), np.array(updated.decrypt())))
    return context.serialize(save_secret_key=False), pairs


def recovered(public: bytes, pairs: list[Pair]) -> bool:
    """Whether the key comes out; `recover_secret_key` checks it against the public key."""
    try:
        recover_secret_key(public, pairs)
    except KeyNotRecovered:
        return False
    return True


def times() -> Iterator[dict[str, Any]]:
    """Median of five recoveries a parameter set."""
    for name, chain in CHAINS.items():
        public, pairs = transcript(chain)
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            done = recovered(public, pairs)
            seconds.append(time.perf_counter() - start)
        yield {
            "parameters": name,
            "recovered": done,
            "seconds": round(float(np.median(seconds)), 4),
        }


def noise(trials: int) -> Iterator[dict[str, Any]]:
    """Recovery rate with the lean set, a row for each noise and number of decryptions."""
    chain = CHAINS["lean 8192/160/2^40"]
    public, pairs = transcript(chain)
    rng = np.random.default_rng(1)
    for blur in BLURS:
        sigma = blur * np.sqrt(chain[0]) / 2.0 ** (chain[2] + 1)
        for count in AVERAGED:
            wins = sum(
                recovered(
                    public,
                    [
                        (message, values + sigma * _mean_noise(rng, count, len(values)))
                        for message, values in pairs
                    ],
                )
                for _ in range(trials)
            )
            yield {
                "coefficient_noise": blur,
                "sigma": float(sigma),
                "averaged": count,
                "recovered": wins,
                "trials": trials,
            }


def _mean_noise(rng: np.random.Generator, count: int, size: int) -> npt.NDArray[np.float64]:
    return np.mean(rng.standard_normal((count, size)), axis=0)


def draw(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write the share of keys recovered against the decryptions that are averaged."""
    points = [
        {
            "name": "keys recovered",
            "adversary": f"noise {row['coefficient_noise']:g}",
            "estimate": row["recovered"] / row["trials"],
            "interval": clopper_pearson(row["recovered"], row["trials"], alpha=0.05),
            "along": ("log2 of decryptions averaged", float(np.log2(row["averaged"]))),
        }
        for row in rows
    ]
    (curve,) = curves(points)
    layout = replace(WIDE, style="alone")  # no narrow twin: shown at every width
    drawn = standalone(curve_figure(curve, limit=None, name="averaging", layout=layout), style())
    path.write_text(drawn, encoding="utf-8")


def missing_slots() -> Iterator[dict[str, Any]]:
    """Recovery from vectors that leave slots empty."""
    for name in ("repository 8192/218/2^26", "lean 8192/160/2^40"):
        for missing in MISSING:
            public, pairs = transcript(CHAINS[name], missing)
            start = time.perf_counter()
            done = recovered(public, pairs)
            yield {
                "parameters": name,
                "missing": missing,
                "recovered": done,
                "seconds": round(time.perf_counter() - start, 4),
            }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20, help="a cell of the noise table")
    parser.add_argument("--json", action="store_true", help="one JSON line a row")
    parser.add_argument("--figure", type=Path, help="draw the second table here, SVG")
    arguments = parser.parse_args()
    noisy: Iterable[dict[str, Any]] = noise(arguments.trials)
    if arguments.figure:
        noisy = list(noisy)
        draw(arguments.figure, noisy)
    tables = {"time": times(), "noise": noisy, "missing": missing_slots()}
    for title, rows in tables.items():
        for index, row in enumerate(rows):
            if arguments.json:
                print(json.dumps({"table": title} | row), flush=True)
                continue
            if index == 0:
                print("\n" + "  ".join(f"{name:>24}" for name in row))
            print("  ".join(f"{value!s:>24.24}" for value in row.values()), flush=True)


if __name__ == "__main__":
    main()
